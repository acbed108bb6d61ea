"""A verifier that has answered git stays for a while, where no agent runs: git starts a program for each signature.

The process forks when its answer is out. The copy has everything loaded; it takes requests as the agent does, on a
socket of its own beside the agent's, with the same checks of place and peer (``agent/place.py``, ``agent/client.py``).
It verifies, signs nothing and holds no key. It ends when nobody has asked for some seconds.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.agent.endpoint import Endpoint

_LONGEST_SECONDS = 600.0


def stay(path: str, seconds: int) -> None:
    """Go on at ``path`` in a copy of this process; this one ends as always. Never an error: it is a convenience."""
    if sys.platform != "linux" or len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - a copy has one thread
        return
    try:
        if os.fork():
            return
    except OSError:
        return
    try:
        _let_go()
        _serve(Path(path), seconds)
    except BaseException:  # noqa: BLE001,S110 - nobody is there to be told
        pass
    finally:
        os._exit(0)


def _let_go() -> None:
    """No stream, descriptor, session or directory of git's is held: git waits for who holds its pipes.

    Descriptors lead nowhere from now on; to close them could give their numbers to others of ours.
    """
    if sys.platform == "win32":  # for the type checker
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            os.dup2(nowhere, int(name), inheritable=int(name) < 3)
    os.setsid()
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from gitsign_py.agent.background import clean_environment  # noqa: PLC0415 - now that git waits no more

    kept = clean_environment(os.environ)
    for name in set(os.environ) - set(kept):
        del os.environ[name]


def _serve(path: Path, seconds: int) -> None:
    """Listen first, then load the rest: who comes meanwhile waits for that, which is less than its own start."""
    from gitsign_py.agent.endpoint import open_endpoint  # noqa: PLC0415

    endpoint = open_endpoint(path, forward=False)
    if endpoint is None:  # another one was faster
        return
    try:
        _answer(endpoint, seconds)
    finally:
        endpoint.remove()


def _answer(endpoint: "Endpoint", seconds: int) -> None:
    import time  # noqa: PLC0415

    from gitsign_py.agent.background import installed  # noqa: PLC0415
    from gitsign_py.agent.clientcontext import verifying  # noqa: PLC0415
    from gitsign_py.agent.hardening import harden  # noqa: PLC0415
    from gitsign_py.agent.server import AgentServer  # noqa: PLC0415
    from gitsign_py.cli.agentside.keptroots import KeptRoots, verify_by  # noqa: PLC0415
    from gitsign_py.host.endings import ended_by  # noqa: PLC0415

    harden()
    end, program = time.monotonic() + _LONGEST_SECONDS, installed()
    server = AgentServer(
        endpoint.listeners,
        {"verify": verifying(verify_by(KeptRoots()))},
        still_wanted=lambda idle: (
            idle < seconds and time.monotonic() < end and endpoint.still_ours() and installed() == program
        ),
    )
    with ended_by(("SIGTERM", "SIGINT"), server.stop):
        server.serve()
