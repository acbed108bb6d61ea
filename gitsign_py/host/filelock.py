"""A lock on a file of our own, which ends with whoever holds it, however that ends.

flock(2) where Python has it. Elsewhere SQLite's, which knows how each system locks files (LockFileEx on Windows): an
exclusive transaction that writes nothing (sqlite.org, "File Locking And Concurrency In SQLite Version 3").
"""

import os
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

from gitsign_py.host.privatefile import open_private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_POLL_SECONDS = 0.02


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
    if not path.exists():
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


class _Transaction:
    """An empty SQLite database with a transaction under way."""

    def __init__(self, path: Path) -> None:
        import sqlite3  # noqa: PLC0415 - 5 ms, for nothing where there is flock

        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error

    def take(self, *, shared: bool = False) -> bool:
        """Try once; False when others hold it."""
        import sqlite3  # noqa: PLC0415 - as above

        try:
            self._database.execute("PRAGMA journal_mode = MEMORY")  # no second file
            self._database.execute("BEGIN" if shared else "BEGIN EXCLUSIVE")
            self._database.execute("SELECT 1 FROM sqlite_master")  # the first read takes the shared lock
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise OSError(str(error)) from error
        return True

    def close(self) -> None:
        """Let go of it."""
        self._database.close()


_opened = _Transaction if fcntl is None else _Flock
