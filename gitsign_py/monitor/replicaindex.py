"""The index of a replica: SQLite beside its tiles, which finds entries by digest, name and key, and counts names.

It keeps what tiles have no room for: Rekor v1's times, indexes and promises, and its entries of more than 65,535 bytes.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from gitsign_py.core.tlog.tiles import MAX_ENTRY_BYTES
from gitsign_py.errors import ConfigError
from gitsign_py.monitor.decode import SeenEntry, decode
from gitsign_py.monitor.sources import RawEntry

INDEX = "index.sqlite"
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
Kept = tuple[int, int, int, bytes, bytes | None]
"""Place, log-wide index, time and promise of an entry, and its body where no bundle can hold it."""


class Index:
    """The file in a replica's folder. ``unusable`` makes the error for what goes wrong."""

    def __init__(self, folder: Path, unusable: Callable[[str], ConfigError]) -> None:
        self._path = folder / INDEX
        self._unusable = unusable

    def facts(self) -> dict[str, str]:
        """Kind, URL and tree of the log that it is of."""
        with self._database() as db:
            return dict(db.execute("SELECT name, value FROM facts"))

    def begin(self, facts: Mapping[str, str]) -> None:
        """Make the file, and note the facts unless it has them."""
        with self._database(write=True) as db, db:
            db.executescript(_SCHEMA)
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", list(facts.items()))

    def find(self, term: str) -> tuple[int, ...]:
        """Places of the entries with a term: a digest (algorithm:hex), a name, ``key:`` and a key's SHA-256."""
        with self._database() as db:
            return tuple(place for (place,) in db.execute("SELECT place FROM terms WHERE term = ?", (term,)))

    def people(self, most: int) -> tuple[tuple[str, str, int, int, int], ...]:
        """Name, issuer, entries, first and last place of those with the most entries."""
        with self._database() as db:
            query = "SELECT name, issuer, entries, first, last FROM people ORDER BY entries DESC, name LIMIT ?"
            return tuple(db.execute(query, (most,)))

    def kept(self, start: int, stop: int) -> Iterator[Kept]:
        """What is kept of the entries from ``start`` to before ``stop``, in order."""
        with self._database() as db:
            query = (
                "SELECT place, log_index, time, promise, body FROM entries LEFT JOIN large USING (place)"
                " WHERE place >= ? AND place < ? ORDER BY place"
            )
            yield from db.execute(query, (start, stop))

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
        return None if row is None or row[0] is None else int(row[0])

    def add(self, group: Sequence[RawEntry], leaves: Sequence[bytes]) -> None:
        """Add entries with their leaf hashes, in one transaction."""
        seen = [(entry.index, decode(entry)) for entry in group]
        terms = [(term, place) for place, one in seen for term in _terms(one)]
        names = [(by.identity, by.issuer, place, place) for place, one in seen for by in one.signers if by.identity]
        large = [(one.index, one.leaf) for one in group if one.ct is None and len(one.leaf) > MAX_ENTRY_BYTES]
        rows = [
            (one.index, leaf, one.log_index, one.time, one.promise) for one, leaf in zip(group, leaves, strict=True)
        ]
        with self._database(write=True) as db, db:
            db.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO large VALUES (?, ?)", large)
            db.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?)", terms)
            db.executemany(_COUNTED, names)

    def _database(self, *, write: bool = False) -> "closing[sqlite3.Connection]":
        """A reader makes nothing, and opens nothing but a plain file."""
        try:
            if not write and not self._path.is_file():
                raise self._unusable("it has no index")
            mode = "rwc" if write else "ro"
            with ExitStack() as undo:
                database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode={mode}", timeout=5, uri=True)
                undo.callback(database.close)
                database.execute("PRAGMA schema_version")  # opens the file, so that a wrong one is told here
                undo.pop_all()
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error
        return closing(database)


def _terms(seen: SeenEntry) -> Iterator[str]:
    if seen.digest:
        yield seen.digest
    for signer in seen.signers:
        yield from (term for term in (signer.identity, f"key:{signer.key}" if signer.key else "") if term)
