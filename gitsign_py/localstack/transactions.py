"""Transactions of one SQLite connection that all writers share; several of them reach the disk by one COMMIT.

A COMMIT is a sync of the disk (sqlite.org/pragma.html, synchronous = FULL), and that is most of what a small write
takes. A writer that others wait behind leaves its rows in the open transaction, and the last of them commits for all.
None goes on before that, so an answer never goes out ahead of the disk. Reads have connections of their own
(``readers``), except those within a write, which see its rows.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gitsign_py.localstack.readers import Readers

_MOST = 64  # a stream of writers must not keep the first one waiting for ever
_LOOK_SECONDS = 1.0


class _Group:
    """Writers whose rows share one transaction: ``done`` when it is on disk or failed with ``error``."""

    def __init__(self) -> None:
        self.size = 0
        self.done = threading.Event()
        self.error: sqlite3.Error | None = None


class Transactions:
    """One turn at a time. Nested calls of a thread belong to its outermost one."""

    def __init__(self, db: sqlite3.Connection, readers: Readers) -> None:
        self._db, self._readers = db, readers
        self._lock = threading.Lock()
        self._owner = 0
        self._count = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None
        self._several: _Group | None = None
        self.failed = False
        """A write did not reach the disk; whoever finds out that writes do so again says so."""

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on disk when this returns. Raises sqlite3.Error when it cannot be."""
        if self._owner == threading.get_ident():
            with self._within():
                yield self._db
            return
        with self._joined() as group, self._savepoint(group):
            yield self._db

    @contextmanager
    def together(self) -> Iterator[None]:
        """Writes of this thread, each all or nothing by itself, that are all on disk when this returns.

        Raises sqlite3.Error when they cannot be.
        """
        with self._joined() as group:
            self._several = group
            try:
                yield
            finally:
                self._several = None

    @contextmanager
    def _joined(self) -> Iterator[_Group]:
        with self._turn(writer=True):
            group = self._join()
            try:
                yield group
            finally:
                self._leave(group)
        self._wait(group)
        self._readers.look_again()

    @contextmanager
    def _within(self) -> Iterator[None]:
        """A write within a write is a part of it; one of several that go together stands by itself."""
        group, self._several = self._several, None
        if group is None:
            yield
            return
        try:
            if group.error:
                raise group.error
            with self._savepoint(group):
                yield
        finally:
            self._several = group

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view of what is on disk; within a write, of its own rows too."""
        if self._owner == threading.get_ident():
            yield self._db
        else:
            with self._readers.reading() as db:
                yield db

    def close(self) -> None:
        """Close the connections after what is under way."""
        self._readers.close()
        with self._turn():
            if self._group:
                self._commit(self._group)
            self._db.close()

    @contextmanager
    def _turn(self, *, writer: bool = False) -> Iterator[None]:
        """Hold the connection. A writer is seen by the one before it while it waits."""
        with self._count:
            self._waiting += writer
        try:
            self._lock.acquire()
        finally:
            with self._count:
                self._waiting -= writer
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = 0
            self._lock.release()

    def _join(self) -> _Group:
        if self._group is None:
            self._db.execute("BEGIN IMMEDIATE")
            self._group = _Group()
        self._group.size += 1
        return self._group

    @contextmanager
    def _savepoint(self, group: _Group) -> Iterator[None]:
        """One writer's rows: gone when it fails, and those of the others with them only when SQLite says so."""
        self._db.execute("SAVEPOINT writer")
        try:
            yield
        except BaseException as error:
            self.failed = self.failed or isinstance(error, sqlite3.OperationalError)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK TO writer")
            elif isinstance(error, sqlite3.Error):  # a full disk may take the whole transaction back (lang_transaction)
                group.error = error
            raise
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE writer")

    def _leave(self, group: _Group) -> None:
        if group.error or not self._waiting or group.size >= _MOST:
            self._commit(group)

    def _commit(self, group: _Group) -> None:
        """End the open transaction; its writers learn how it ended."""
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
            elif not group.error:
                group.error = sqlite3.OperationalError("the transaction was taken back")
        except sqlite3.Error as error:
            group.error = error
            self._roll_back()
        self.failed = self.failed or group.error is not None
        self._group = None
        group.done.set()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _wait(self, group: _Group) -> None:
        """Wait for the one that commits; when it was interrupted on its way, do it ourselves."""
        while not group.done.wait(_LOOK_SECONDS):
            with self._turn():
                if self._group is group:
                    self._commit(group)
        if group.error:
            raise group.error
