"""The memory of a witness: for each log the largest tree that it cosigned, in one SQLite file, synced at each commit.

The comparison with what is kept and the write are one transaction that no other thread or process can come between, so
a smaller or another tree is never written over a larger one ("Note that checking the old size against the latest
checkpoint and persisting the new checkpoint must be performed atomically", tlog-witness).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import sync_directory

VERSION = 1
MAX_CONTRADICTIONS = 1000
"""A log that contradicts itself on and on must not fill the disk; the first proof is enough."""
_SCHEMA = (
    "CREATE TABLE cosigned (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, at INTEGER NOT NULL,"
    " envelope BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE contradictions (origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, at INTEGER NOT NULL,"
    " envelope BLOB NOT NULL, beside BLOB NOT NULL, PRIMARY KEY (origin, size, root)) WITHOUT ROWID",
)
_BUSY_SECONDS = 10.0


@frozen
class Seen:
    """A tree of a log as it signed it; ``at`` POSIX seconds when the witness wrote it."""

    origin: str
    size: int
    root: bytes
    at: int
    envelope: bytes


class Record(Closeable):
    """Opens or makes the file. Raises ConfigError ``witness-record-unusable``."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(path)
            except BaseException:
                self._db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise ConfigError("witness-record-unusable", f"witness's record {path} cannot be used: {error}") from error

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # an answer that went out must be there after a power cut
        self._db.execute("PRAGMA fullfsync = ON")
        path.chmod(0o600)
        with self.turn():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise ConfigError(
                    "witness-record-unusable",
                    f"witness's record {path} has version {version}, this program knows {VERSION}",
                    hint="use the program that made it: a record that is made anew forgets what was cosigned",
                )
            for statement in _SCHEMA if version == 0 else ():
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        sync_directory(path.parent)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else reads or writes within; what was written is on disk at the end, or nothing of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def latest(self, origin: str) -> Seen | None:
        """The largest tree of this log that was cosigned. Within a turn."""
        query = "SELECT origin, size, root, at, envelope FROM cosigned WHERE origin = ?"
        row = self._db.execute(query, (origin,)).fetchone()
        return None if row is None else Seen(*row)

    def write(self, seen: Seen) -> None:
        """Keep a tree that was proven to extend the one kept. Within a turn."""
        values = (seen.origin, seen.size, seen.root, seen.at, seen.envelope)
        self._db.execute("INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?, ?, ?)", values)

    def contradicted(self, seen: Seen, beside: Seen) -> bool:
        """Keep two signed trees that contradict each other; whether that is news."""
        values = (seen.origin, seen.size, seen.root, seen.at, seen.envelope, beside.envelope)
        with self.turn():
            (count,) = self._db.execute("SELECT count(*) FROM contradictions").fetchone()
            if count >= MAX_CONTRADICTIONS:
                return False
            query = "INSERT OR IGNORE INTO contradictions VALUES (?, ?, ?, ?, ?, ?)"
            return self._db.execute(query, values).rowcount > 0

    def logs(self) -> tuple[Seen, ...]:
        """What is kept, by origin."""
        with self.turn():
            rows = self._db.execute("SELECT origin, size, root, at, envelope FROM cosigned ORDER BY origin").fetchall()
        return tuple(Seen(*row) for row in rows)

    def contradictions(self) -> tuple[tuple[Seen, bytes], ...]:
        """Each tree that a log signed against what it had signed before, and the signed checkpoint beside it."""
        query = "SELECT origin, size, root, at, envelope, beside FROM contradictions ORDER BY at, origin, size"
        with self.turn():
            rows = self._db.execute(query).fetchall()
        return tuple((Seen(*row[:5]), row[5]) for row in rows)
