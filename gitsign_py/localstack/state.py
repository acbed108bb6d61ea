"""The directory of a local stack: mode 0700, one SQLite file in WAL mode that is synced at each commit."""

import sqlite3
import weakref
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import sync_directory, write_whole
from gitsign_py.localstack.directory import DATABASE, prepare_directory
from gitsign_py.localstack.transactions import Transactions

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
        self._db = _connect(self.directory / DATABASE)
        self._transactions = Transactions(self._db)
        weakref.finalize(self, self._db.close)  # for those that have no end to close it at

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A write transaction: on disk at the end, rolled back on an error, one at a time across processes too."""
        return self._transactions.writing()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A consistent view: all reads inside see the same rows."""
        return self._transactions.reading()

    def write_file(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        """Write a file of the directory so that a reader, or a power cut, finds the old one or the new one."""
        path = self.directory / name
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_directory(path.parent.parent)
        write_whole(path, data, mode, synced=True)
        return path

    def close(self) -> None:
        """Close the database; the object is of no use afterwards."""
        self._transactions.close()


def _connect(path: Path) -> sqlite3.Connection:
    with ExitStack() as undo:
        try:
            # isolation_level None: transactions are begun and ended by us; one connection, guarded by the lock.
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            undo.callback(db.close)
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            db.execute("PRAGMA journal_mode = WAL")
            # An answer that went out must be there after a power cut: NORMAL syncs the WAL at checkpoints alone.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA fullfsync = ON")  # macOS: through the disk's own cache; no effect elsewhere
            db.execute("PRAGMA checkpoint_fullfsync = ON")
            _migrate(db)
        except sqlite3.Error as error:
            raise ConfigError("stack-database-unusable", f"cannot open {path}: {error}") from error
        path.chmod(0o600)
        sync_directory(path.parent)
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
