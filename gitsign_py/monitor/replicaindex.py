"""The index of a replica: SQLite beside its tiles, which finds entries by digest, name and key, and counts names.

It keeps what tiles have no room for: Rekor v1's times, indexes and promises, its entries of more than 65,535 bytes, and
entries of CT logs that are none of RFC 6962's. Of an entry that could not be had it keeps the leaf hash.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitsign_py.core.tlog import ctleaf
from gitsign_py.core.tlog.tiles import MAX_ENTRY_BYTES
from gitsign_py.errors import ConfigError
from gitsign_py.host.otherdatabase import other_database
from gitsign_py.monitor.decode import SeenEntry, decode
from gitsign_py.monitor.sources import RawEntry

INDEX = "index.sqlite"
UNREAD = "unread:"
"""The term of the entries that may have others which cannot be read."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
  place INTEGER PRIMARY KEY, leaf BLOB NOT NULL, log_index INTEGER NOT NULL, time INTEGER NOT NULL,
  promise BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS entries_by_index ON entries (log_index);
CREATE INDEX IF NOT EXISTS entries_by_leaf ON entries (leaf);
CREATE TABLE IF NOT EXISTS terms (term TEXT, place INTEGER, PRIMARY KEY (term, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS large (place INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS people (
  name TEXT, issuer TEXT, entries INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (name, issuer)) WITHOUT ROWID;
"""
_COUNTED = (
    "INSERT INTO people VALUES (?, ?, 1, ?, ?)"
    " ON CONFLICT (name, issuer) DO UPDATE SET entries = entries + 1, last = excluded.last"
)
_TABLES = ("facts", "entries", "terms", "large", "people")
_MOST_FOUND = 1_000_000
Kept = tuple[int, int, int, bytes, bytes, int]
"""Place, log-wide index, time, promise and leaf hash of an entry, and 1 where no bundle can hold it (``body``)."""


class Index:
    """The file in a replica's folder. ``unusable`` makes the error for what goes wrong."""

    def __init__(self, folder: Path, unusable: Callable[[str], ConfigError]) -> None:
        self._path = folder / INDEX
        self._unusable = unusable

    def facts(self) -> dict[str, str]:
        """Kind, URL and tree of the log that it is of."""
        with self._database() as db:
            rows = db.execute("SELECT name, value FROM facts LIMIT 100").fetchall()
        return dict(self._typed(rows, str, str))

    def begin(self, facts: Mapping[str, str]) -> None:
        """Make the file, and note the facts unless it has them."""
        with self._database(write=True) as db, db:
            db.executescript(_SCHEMA)
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", list(facts.items()))

    def find(self, term: str) -> tuple[int, ...]:
        """Places of the entries with a term: a digest (algorithm:hex), a name, ``key:`` and a key's SHA-256."""
        with self._database() as db:
            rows = db.execute("SELECT place FROM terms WHERE term = ? LIMIT ?", (term, _MOST_FOUND)).fetchall()
        return tuple(place for (place,) in self._typed(rows, int))

    def people(self, most: int) -> tuple[tuple[str, str, int, int, int], ...]:
        """Name, issuer, entries, first and last place of those with the most entries."""
        with self._database() as db:
            query = "SELECT name, issuer, entries, first, last FROM people ORDER BY entries DESC, name LIMIT ?"
            rows = db.execute(query, (most,)).fetchall()
        return self._typed(rows, str, str, int, int, int)

    def kept(self, start: int, stop: int) -> tuple[Kept, ...]:
        """What is kept of the entries from ``start`` to before ``stop``, in order."""
        query = (
            "SELECT place, log_index, time, promise, leaf, large.place IS NOT NULL FROM entries LEFT JOIN large"
            " USING (place)"
            " WHERE place >= ? AND place < ? ORDER BY place"
        )
        with self._database() as db:
            rows = db.execute(query, (start, stop)).fetchall()
        found = self._typed(rows, int, int, int, bytes, bytes, int)
        if [row[0] for row in found] != list(range(start, stop)):
            raise self._unusable(f"its index lacks entries from {start} to {stop - 1}")
        return found

    def body(self, place: int) -> bytes:
        """The leaf of an entry that no bundle can hold, empty where it could not be had."""
        with self._database() as db:
            rows = db.execute("SELECT body FROM large WHERE place = ?", (place,)).fetchall()
        return b"".join(found for (found,) in self._typed(rows, bytes))

    def place_of_leaf(self, leaf_hash: bytes) -> int | None:
        """Where a leaf stands."""
        return self._number("SELECT place FROM entries WHERE leaf = ?", leaf_hash)

    def place_of_index(self, log_index: int) -> int | None:
        """Where the entry of a log-wide index stands."""
        return self._number("SELECT place FROM entries WHERE log_index = ?", log_index)

    def size(self) -> int:
        """Entries that are here, covered by the checkpoint or not yet."""
        found = self._number("SELECT max(place) FROM entries")
        return 0 if found is None else found + 1

    def _number(self, query: str, *values: object) -> int | None:
        with self._database() as db:
            row = db.execute(query, values).fetchone()
        if row is None or row[0] is None:
            return None
        ((found,),) = self._typed([row], int)
        return int(found)

    def _typed(self, rows: Sequence[tuple[Any, ...]], *types: "type | tuple[type, ...]") -> tuple[Any, ...]:
        """SQLite keeps any type in any column; numbers here count from 0."""
        for row in rows:
            for value, wanted in zip(row, types, strict=True):
                if not isinstance(value, wanted) or (isinstance(value, int) and value < 0):
                    raise self._unusable("a value in its index is of another type than this program writes")
        return tuple(rows)

    def add(self, group: Sequence[RawEntry], leaves: Sequence[bytes]) -> None:
        """Add entries with their leaf hashes, in one transaction."""
        seen = [(entry.index, decode(entry)) for entry in group]
        terms = [(term, place) for place, one in seen for term in _terms(one)]
        names = [(by.identity, by.issuer, place, place) for place, one in seen for by in one.signers if by.identity]
        large = [(one.index, one.leaf) for one in group if not fits_bundle(one)]
        rows = [
            (one.index, leaf, one.log_index, one.time, one.promise) for one, leaf in zip(group, leaves, strict=True)
        ]
        with self._database(write=True) as db, db:
            db.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO large VALUES (?, ?)", large)
            db.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?)", terms)
            db.executemany(_COUNTED, names)

    @contextmanager
    def _database(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """A reader makes nothing, and opens nothing but a plain file."""
        try:
            if not write and not self._path.is_file():
                raise self._unusable("it has no index")
            with other_database(self._path, _TABLES, write=write) as database:
                yield database
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(str(error)) from error


def fits_bundle(entry: RawEntry) -> bool:
    """Whether a bundle of a tiled log has room for an entry, or a data tile a form."""
    if entry.ct is not None:
        return entry.ct.entry_type != ctleaf.UNREAD
    return not entry.hashed and len(entry.leaf) <= MAX_ENTRY_BYTES


def _terms(seen: SeenEntry) -> Iterator[str]:
    if seen.digest:
        yield seen.digest
    if seen.unread and not seen.foreign:
        yield UNREAD
    for signer in seen.signers:
        yield from (term for term in (signer.identity, f"key:{signer.key}" if signer.key else "") if term)
