"""The stderr of git: where a person reads why nothing was signed, when there is no terminal (docs/adr/0003).

git starts its signing program with a pipe for stderr, and before version 2.41 it throws away what comes through. On
Linux the descriptor of the parent can be reached all the same, and each kind of file needs its own way:

    regular file   the very same open file (pidfd_getfd(2)): a file opened anew has a position of its own, and
                   whatever git writes next would go over our line
    socket         the same; a socket cannot be opened through /proc. Editors start git with sockets
    pipe, device   opened anew through /proc, so that it can be non-blocking without becoming so for git
"""

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gitsign_py.errors import GitsignError
from gitsign_py.host.git.program import git_version

_PIDFD_GETFD = 438  # asm-generic/unistd.h: the same on every architecture
_STDERR = 2
_SHOWS_IT = (2, 41)  # "gpg failed to sign the data:", and then what the program wrote (git's gpg-interface.c)
_GIT_SECONDS = 5.0
_CALLERS = ("git", "jj")  # jj calls a signing program itself, as it would call gpgsm
_WRAPPERS = 4


def is_shown(environment: Mapping[str, str]) -> bool:
    """Whether people get to see what a signature that fails writes to its own stderr: on a terminal, or by git."""
    if os.isatty(_STDERR):
        return True
    try:
        _, version = git_version(environment, timeout=_GIT_SECONDS)
    except GitsignError:
        return False
    return version is not None and version >= _SHOWS_IT


def tell_git(line: str) -> bool:
    """Write ``line`` to the stderr of git (or jj) where that started us. Never an error, never waits.

    Gives whether it was written.
    """
    process = calling_git()
    if process is None or not hasattr(os, "O_NONBLOCK"):
        return False
    with suppress(OSError, ValueError):
        write_to_stderr_of(process, line.encode("utf-8", "replace") + b"\n")
        return True
    return False


def calling_git() -> int | None:
    """Find the process that had this one sign and keeps its stderr; None on other systems than Linux.

    Wrappers (a shell script as gpg.x509.program) stand between, with the very pipe for stderr that we have.
    """
    if sys.platform != "linux":
        return None
    process = os.getppid()
    with suppress(OSError, ValueError, IndexError):
        own = os.fstat(_STDERR)
        for _ in range(_WRAPPERS):
            if Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip() in _CALLERS:
                return process
            if not os.path.samestat(own, os.stat(f"/proc/{process}/fd/{_STDERR}")):  # noqa: PTH116 - the file behind it
                return None
            process = int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2].split()[1])
    return None


def write_to_stderr_of(process: int, data: bytes) -> None:
    """Write to the stderr of ``process``, as far as it takes ``data`` at once. Raises OSError, ValueError."""
    if sys.platform != "linux":  # for the type checker, as below
        return
    path = Path(f"/proc/{process}/fd/{_STDERR}")
    mode = path.stat().st_mode
    shared = _shared(process) if stat.S_ISREG(mode) or stat.S_ISSOCK(mode) else None
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK) if shared is None else shared
    try:
        if stat.S_ISSOCK(mode):
            import socket  # noqa: PLC0415 - 2 ms, for a signature that has failed already

            with socket.socket(fileno=os.dup(descriptor)) as channel:
                channel.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        else:
            os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _shared(process: int) -> int | None:
    """Duplicate the stderr of ``process``; None where the kernel does not let us (a file is appended to then)."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - 10 ms, for a signature that has failed already

    try:
        handle = os.pidfd_open(process)
    except (AttributeError, OSError):
        return None
    try:
        got: int = ctypes.CDLL(None).syscall(_PIDFD_GETFD, handle, _STDERR, 0)
        return got if got >= 0 else None
    finally:
        os.close(handle)
