"""SQLite connections that only read: no read waits for a write, and none stops one (sqlite.org/wal.html).

In WAL mode a reader sees what was committed when it began, and a commit shows after it was synced; so nothing is read,
and nothing answered, that a power cut could take back.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_KEPT = 8
"""Idle connections that are kept; more are opened when more threads read at the same time."""


class Readers:
    """Lends a connection to each thread that reads; nested reads of a thread share its view."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._mine = threading.local()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view: all reads inside see the same rows. Raises sqlite3.Error."""
        outer: sqlite3.Connection | None = getattr(self._mine, "db", None)
        if outer is not None:
            yield outer
            return
        db = self._borrow()
        try:
            db.execute("BEGIN")
            self._mine.db = db
            yield db
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        finally:
            self._mine.db = None
        self._give_back(db)

    def look_again(self) -> None:
        """Let this thread's view be one of now: it wrote something itself."""
        db: sqlite3.Connection | None = getattr(self._mine, "db", None)
        if db is not None:
            db.execute("COMMIT")
            db.execute("BEGIN")

    def close(self) -> None:
        """Close those that are idle, and the others once they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise sqlite3.OperationalError("the database is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, db: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _KEPT:
                self._idle.append(db)
                return
        db.close()
