"""A lock on a file of our own, which ends with the process that holds it, however that ends.

flock(2) where Python has it. On Windows msvcrt's, of one byte far behind the end: the rest can be read and written.
"""

import os
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

from gitsign_py.host.privatefile import open_private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_POLL_SECONDS = 0.02
_LOOKS = 3
_BYTE = 0x40000000  # the one that SQLite locks first: version 0.9.0 locked by it


LOCKS_DIRECTORIES = fcntl is not None


class FileLock(Protocol):
    """A lock that is held until it is closed."""

    def close(self) -> None:
        """Let go of it."""
        ...


def hold(path: Path, seconds: float = 0.0) -> FileLock | None:
    """Lock ``path``, a file which is made when it is not there; None when others hold it for all of ``seconds``.

    With flock it may be a directory (``LOCKS_DIRECTORIES``), whose lock outlives the files in it. Raises
    OSError where the file cannot be opened or locked.
    """
    end = time.monotonic() + seconds
    with ExitStack() as undo:
        lock = undo.enter_context(closing(_opened(path)))
        while not lock.take():
            if time.monotonic() >= end:
                return None
            time.sleep(_POLL_SECONDS)
        undo.pop_all()
    return lock


def is_held(path: Path) -> bool:
    """Say whether somebody holds the lock. A process that wants it at the very moment of this question does not get
    it.
    """
    if not os.path.exists(path):  # noqa: PTH110 - never raises
        return False
    try:
        with closing(_opened(path)) as lock:
            return not lock.take(shared=True)
    except OSError:
        return False


class _Flock:
    """An open file, locked by flock(2)."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT)

    def take(self, *, shared: bool = False) -> bool:
        """Try once; False when others hold it."""
        if sys.platform == "win32":  # for the type checker: there is no fcntl there
            return False
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # EWOULDBLOCK, or EACCES where flock goes by fcntl(2)
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class _LockedByte:
    """An open file of which one byte is locked: LockFileEx by way of msvcrt, the C runtime's own module."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        self._taken = False

    def take(self, *, shared: bool = False) -> bool:
        """Try once; False when others hold it. There is no shared lock here: a look is a lock that ends at once, so one
        that finds another look tries again.
        """
        self._taken = self._locked() or (shared and any(self._locked_later() for _ in range(_LOOKS)))
        return self._taken

    def _locked_later(self) -> bool:
        time.sleep(_POLL_SECONDS)
        return self._locked()

    def _locked(self) -> bool:
        try:
            self._do("LK_NBLCK")
        except PermissionError:  # EACCES: _locking(), "if the file is already locked"
            return False
        return True

    def _do(self, mode: str) -> None:
        from importlib import import_module  # noqa: PLC0415 - Windows alone has this module, and needs this one

        msvcrt: Any = import_module("msvcrt")
        os.lseek(self._descriptor, _BYTE, os.SEEK_SET)
        msvcrt.locking(self._descriptor, getattr(msvcrt, mode), 1)

    def close(self) -> None:
        """Let go of it; the system would do so at a time of its own choice (_locking())."""
        try:
            if self._taken:
                self._do("LK_UNLCK")
        finally:
            os.close(self._descriptor)


_opened = _LockedByte if fcntl is None else _Flock
