"""Programs that go on without us: the agent, a local stack, the person's browser."""

import subprocess
from collections.abc import Mapping, Sequence

# On Windows: no Ctrl-C of our console, and a console of its own without a window, which its children share (Process
# Creation Flags of CreateProcess; DETACHED_PROCESS would have each child open a window).
_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


def start_in_background(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    """Start it in a session of its own (a process group on Windows), without our streams: git waits for who holds them.

    Raises OSError.
    """
    return subprocess.Popen(
        command,
        env=None if environment is None else dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        creationflags=_FLAGS,
    )


def let_go(process: "subprocess.Popen[bytes]") -> None:
    """Wait for it no more; Python warns about a process that nobody waited for."""
    process.returncode = 0
