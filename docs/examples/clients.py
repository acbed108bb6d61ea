"""Search a log, with a bound on the time of every exchange. The log fails once on purpose."""

from pathlib import Path

from gitsign_py.clients import HttpSession, Limits, RekorClient
from gitsign_py.errors import ServiceError
from gitsign_py.localstack import Faults, Stack

faults = Faults(["rekor:5xx"])
with Stack(Path("stack"), port=0, hook=faults) as stack, HttpSession(Limits(total=5.0)) as session:
    log = RekorClient(session, stack.url)
    try:
        log.find(digest=bytes(32))
    except ServiceError as error:
        print(f"no answer [{error.reason}]")
    faults.set([])
    print("entries:", log.find(digest=bytes(32)))
