"""The directory of a local stack: mode 0700, one SQLite file in WAL mode that is synced at each commit."""

import os
import sqlite3
import weakref
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import MappingProxyType

from gitsign_py.core.tlog.compactrange import CompactRange
from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import sync_directory, write_whole
from gitsign_py.localstack import schema
from gitsign_py.localstack.directory import DATABASE, prepare_directory, require_room
from gitsign_py.localstack.readers import Readers
from gitsign_py.localstack.transactions import Transactions

_BUSY_MILLISECONDS = 10_000
_PROBE_BYTES = 1 << 18


def unusable(directory: Path, error: Exception) -> ConfigError:
    """The end of a start or of a rotation that cannot go on: damaged pages, a full disk, values that do not fit."""
    words = f"cannot use {directory / DATABASE}: {error}"
    hint = "see: gitsign-py stack fsck; a damaged one is replaced by: gitsign-py stack restore"
    return ConfigError("stack-database-unusable", words, hint=hint)


class State:
    """Holds the directory and the connection. Rows survive a restart; ``transaction`` is all or nothing."""

    def __init__(self, directory: Path) -> None:
        """Open or create. Raises ConfigError ``stack-directory-...`` when the directory is somebody else's."""
        self.directory = prepare_directory(directory)
        path = self.directory / DATABASE
        require_room(self.directory)
        db, readers = _connect(path), Readers(lambda: _connect_to_read(path))
        self._transactions = Transactions(db, readers)
        self.damaged: Mapping[int, str] = MappingProxyType({})
        """Trees that are not what they signed, and why; they refuse to grow and to give a root (``integrity``)."""
        self.edges: dict[int, tuple[bytes, CompactRange]] = {}
        """Root and right edge of trees as writers left them (``merklestore``)."""
        for held in (readers, db):  # for those that have no end to close it at
            weakref.finalize(self, held.close)

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """A write transaction: on disk at the end, rolled back on an error, one at a time across processes too."""
        return self._transactions.writing()

    def check_writes(self) -> None:
        """Write to the database: a number, and once a write has failed more than any entry. Raises sqlite3.Error.

        A disk that is nearly full takes a number when it takes no entry any more.
        """
        with self.transaction() as db:
            if self._transactions.failed:  # other bytes each time: SQLite writes no page that stays as it is
                db.execute("INSERT OR REPLACE INTO marks VALUES ('health', ?)", (os.urandom(_PROBE_BYTES),))
            else:
                db.execute("INSERT INTO marks VALUES ('health', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
        self._transactions.failed = False

    def together(self) -> AbstractContextManager[None]:
        """Write transactions of this thread that reach the disk by one sync; each is all or nothing by itself."""
        return self._transactions.together()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A consistent view: all reads inside see the same rows. It waits for no write, and stops none."""
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
            schema.migrate(db)
        except sqlite3.Error as error:
            raise ConfigError("stack-database-unusable", f"cannot open {path}: {error}") from error
        path.chmod(0o600)
        sync_directory(path.parent)
        undo.pop_all()
    return db


def _connect_to_read(path: Path) -> sqlite3.Connection:
    with ExitStack() as undo:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        undo.callback(db.close)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        db.execute("PRAGMA query_only = ON")
        undo.pop_all()
    return db
