"""Start a private Sigstore in this process, ask it for its state, then break its log on purpose."""

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from gitsign_py.localstack import Faults, Stack


def status(port: int, path: str) -> int:
    """Tell how the stack answers."""
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


faults = Faults()
with Stack(Path("stack"), port=0, hook=faults) as stack:
    print("trusted root:", stack.info.trusted_root.name)
    print("healthy:", status(stack.port, "/healthz"))
    faults.set(["rekor:5xx"])
    print("with the fault:", status(stack.port, "/api/v1/log"))
