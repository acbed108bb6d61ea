"""The directory of a local stack: mode 0700, one SQLite file in WAL mode, one lock for its one connection."""

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import write_whole
from gitsign_py.localstack.directory import DATABASE, prepare_directory

SCHEMA_VERSION = 1
_BUSY_MILLISECONDS = 10_000
_SCHEMA = """
CREATE TABLE keys (
  number INTEGER PRIMARY KEY, role TEXT NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
  certificate BLOB, starts INTEGER NOT NULL, ends INTEGER, tree_id INTEGER UNIQUE);
CREATE TABLE leaves (
  tree_id INTEGER NOT NULL, position INTEGER NOT NULL, leaf_hash BLOB NOT NULL, identity BLOB NOT NULL,
  data BLOB NOT NULL, extra BLOB NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY (tree_id, position)) WITHOUT ROWID;
CREATE UNIQUE INDEX leaves_by_identity ON leaves (tree_id, identity);
CREATE INDEX leaves_by_hash ON leaves (leaf_hash);
CREATE TABLE nodes (
  tree_id INTEGER NOT NULL, level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (tree_id, level, position)) WITHOUT ROWID;
CREATE TABLE search (
  term TEXT NOT NULL, tree_id INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (term, tree_id, position)) WITHOUT ROWID;
"""


class State:
    """Holds the directory and the connection. Rows survive a restart; ``transaction`` is all or nothing."""

    def __init__(self, directory: Path) -> None:
        """Open or create. Raises ConfigError ``stack-directory-...`` when the directory is somebody else's."""
        self.directory = prepare_directory(directory)
        self._lock = threading.RLock()
        self._db = _connect(self.directory / DATABASE)
        weakref.finalize(self, self._db.close)  # for those that have no end to close it at

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back on an error, one at a time across processes too."""
        with self._lock:
            if self._db.in_transaction:  # nested: the outermost one commits
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view: all reads inside see the same rows."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("COMMIT")

    def write_file(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        """Write a file of the directory so that a reader sees the old one or the new one, never a part."""
        path = self.directory / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, data, mode)
        return path

    def close(self) -> None:
        """Close the database; the object is of no use afterwards."""
        with self._lock:
            self._db.close()


def _connect(path: Path) -> sqlite3.Connection:
    with ExitStack() as undo:
        try:
            # isolation_level None: transactions are begun and ended by us; one connection, guarded by the lock.
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            undo.callback(db.close)
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            _migrate(db)
        except sqlite3.Error as error:
            raise ConfigError("stack-database-unusable", f"cannot open {path}: {error}") from error
        path.chmod(0o600)
        undo.pop_all()
    return db


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
    if version not in {0, SCHEMA_VERSION}:
        raise ConfigError(
            "stack-database-version",
            f"the stack's database has version {version}, this program knows {SCHEMA_VERSION}",
            hint="use a new directory (--dir) or the program that made this one",
        )
