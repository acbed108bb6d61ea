"""A replica of one tree of a signature log: checkpoint, tiles and bundles (C2SP tlog-tiles), and an index beside them.

Any static file server can give the folder out. ``index.sqlite`` beside the tiles finds entries by digest and name and
keeps what tiles have no room for: Rekor v1's times, indexes and promises. The checkpoint is written last, when the root
over everything before it was compared with the signed one: what it covers is whole.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from gitsign_py.core.encoding import opaque
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.tiles import TILE_WIDTH, bundle_path, split_bundle, subtree_hash, tile_path, tile_width
from gitsign_py.errors import ConfigError, FormatError, VerificationError
from gitsign_py.host.privatefile import write_whole
from gitsign_py.monitor.decode import SeenEntry, decode
from gitsign_py.monitor.heads import Head, Kind
from gitsign_py.monitor.sources import LogSource, RawEntry

INDEX, CHECKPOINT = "index.sqlite", "checkpoint"
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
_MAX_BODY = 0xFFFF
"""Of an entry in a bundle, whose length has two bytes. Rekor v1 takes larger ones: they are in the index alone."""
_GROUP = 16 * TILE_WIDTH


class Replica:
    """The folder of one tree. Raises ConfigError ``replica-unusable`` for one that cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- reading ----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """The signed head that the replica covers."""
        return self._read(CHECKPOINT)

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """The first hashes of a tile."""
        data = self._partial(tile_path(level, number, width), tile_path(level, number))
        if len(data) < width * 32:
            raise self._unusable(f"tile {level}/{number} is short")
        return tuple(data[at : at + 32] for at in range(0, width * 32, 32))

    def bundle(self, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """The first entries of a bundle."""
        data = self._partial(bundle_path(number, width), bundle_path(number))
        try:
            return split_bundle(data, width)
        except FormatError as error:
            raise self._unusable(f"bundle {number} is short") from error

    def _partial(self, path: str, full: str) -> bytes:
        return self._read(path if (self.folder / path).is_file() else full)

    def _read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            "replica-unusable",
            f"the replica {self.folder} cannot be used: {why}",
            hint="make it again with: gitsign-py monitor --mirror DIR",
        )

    def facts(self) -> dict[str, str]:
        """Kind and URL of the log that it is of."""
        with self._database() as db:
            return dict(db.execute("SELECT name, value FROM facts"))

    def find(self, term: str) -> tuple[int, ...]:
        """Places of the entries with a term: a digest (algorithm:hex), a name, ``key:`` and a key's SHA-256."""
        with self._database() as db:
            return tuple(place for (place,) in db.execute("SELECT place FROM terms WHERE term = ? LIMIT 1000", (term,)))

    def people(self, most: int) -> tuple[tuple[str, str, int, int, int], ...]:
        """Name, issuer, entries, first and last place of those with the most entries."""
        with self._database() as db:
            query = "SELECT name, issuer, entries, first, last FROM people ORDER BY entries DESC, name LIMIT ?"
            return tuple(db.execute(query, (most,)))

    def kept(self, start: int, stop: int) -> Iterator[tuple[int, int, int, bytes, bytes | None]]:
        """Place, log-wide index, time and promise of entries, and the body of one that no bundle can hold."""
        with self._database() as db:
            query = (
                "SELECT place, log_index, time, promise, body FROM entries LEFT JOIN large USING (place)"
                " WHERE place >= ? AND place < ? ORDER BY place"
            )
            yield from db.execute(query, (start, stop))

    def place_of_leaf(self, leaf_hash: bytes) -> int | None:
        """Where a leaf stands."""
        with self._database() as db:
            row = db.execute("SELECT place FROM entries WHERE leaf = ?", (leaf_hash,)).fetchone()
        return None if row is None else int(row[0])

    def place_of_index(self, log_index: int) -> int | None:
        """Where the entry of a log-wide index stands."""
        with self._database() as db:
            row = db.execute("SELECT place FROM entries WHERE log_index = ?", (log_index,)).fetchone()
        return None if row is None else int(row[0])

    def size(self) -> int:
        """Entries that are here, covered by the checkpoint or not yet."""
        with self._database() as db:
            (found,) = db.execute("SELECT max(place) FROM entries").fetchone()
        return 0 if found is None else int(found) + 1

    def _database(self, *, write: bool = False) -> "closing[sqlite3.Connection]":
        """The index; a reader makes nothing, and opens nothing but a plain file."""
        path = self.folder / INDEX
        try:
            if not write and not path.is_file():
                raise self._unusable("it has no index")
            mode = "rwc" if write else "ro"
            with ExitStack() as undo:
                database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", timeout=5, uri=True)
                undo.callback(database.close)
                if write:
                    database.executescript(_SCHEMA)
                undo.pop_all()
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error
        return closing(database)

    # -- writing ----------------------------------------------------------------------------------------------------

    def update(self, source: LogSource, head: Head) -> int:
        """Bring the replica up to ``head``; gives the number of entries that came.

        Raises VerificationError ``replica-root-mismatch`` when the entries do not hash to the signed root.
        """
        self._make(source.kind, source.url, head)
        start = self.size()
        group: list[RawEntry] = []
        for batch in source.entries(head, start, head.size) if start < head.size else ():
            group += batch
            if len(group) >= _GROUP:
                self._append(group)
                group = []
        if group:
            self._append(group)
        if merkle.root(head.size, lambda level, place: self._hash_at(head, level, place)) != head.root:
            raise VerificationError(
                "replica-root-mismatch",
                f"the entries in {self.folder} do not hash to the root that the log signed",
                hint="keep the folder as evidence, and begin a new one",
                facts={"size": head.size, "expected": head.root.hex()},
            )
        self._write(CHECKPOINT, head.signed)
        return head.size - start

    def _hash_at(self, head: Head, level: int, place: int) -> bytes:
        row, height = divmod(level, 8)
        number, first = divmod(place << height, TILE_WIDTH)
        hashes = self.tile(row, number, tile_width(row, number, head.size))
        return subtree_hash(hashes[first : first + (1 << height)])

    def _make(self, kind: Kind, url: str, head: Head) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        with self._database(write=True) as db, db:
            rows = {"kind": kind, "url": url, "tree": head.tree}.items()
            db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", list(rows))
        if self.facts().get("tree") != head.tree:
            raise self._unusable(f"it is of the tree {self.facts().get('tree', '')}")

    def _append(self, group: Sequence[RawEntry]) -> None:
        """Tiles first, then the index: what the index has, the tiles have."""
        start = group[0].index
        leaves = [merkle.leaf_hash(entry.leaf) for entry in group]
        self._bundles(start, [entry.leaf for entry in group])
        self._tiles(0, start, leaves)
        with self._database(write=True) as db, db:
            rows = zip(group, leaves, strict=True)
            db.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)",
                [(one.index, leaf, one.log_index, one.time, one.promise) for one, leaf in rows],
            )
            large = [(entry.index, entry.leaf) for entry in group if len(entry.leaf) > _MAX_BODY]
            db.executemany("INSERT OR REPLACE INTO large VALUES (?, ?)", large)
            seen = [(entry.index, decode(entry)) for entry in group]
            terms = [(term, place) for place, one in seen for term in _terms(one)]
            db.executemany("INSERT OR IGNORE INTO terms VALUES (?, ?)", terms)
            names = [(by.identity, by.issuer, place, place) for place, one in seen for by in one.signers if by.identity]
            db.executemany(_COUNTED, names)

    def _bundles(self, start: int, bodies: Sequence[bytes]) -> None:
        number, offset = divmod(start, TILE_WIDTH)
        every = [*(self.bundle(number, offset) if offset else ()), *bodies]
        for at in range(0, len(every), TILE_WIDTH):
            part = every[at : at + TILE_WIDTH]
            path = bundle_path(number + at // TILE_WIDTH, len(part))
            self._write(path, b"".join(opaque(b"" if len(body) > _MAX_BODY else body, 2) for body in part))

    def _tiles(self, level: int, start: int, hashes: Sequence[bytes]) -> None:
        """Append hashes to a row of tiles; each tile that is full has a hash in the row above."""
        number, offset = divmod(start, TILE_WIDTH)
        every = [*(self.tile(level, number, offset) if offset else ()), *hashes]
        above: list[bytes] = []
        for at in range(0, len(every), TILE_WIDTH):
            part = tuple(every[at : at + TILE_WIDTH])
            self._write(tile_path(level, number + at // TILE_WIDTH, len(part)), b"".join(part))
            if len(part) == TILE_WIDTH:
                above.append(subtree_hash(part))
        if above:
            self._tiles(level + 1, number, above)

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, data, 0o644, synced=True)
            self._forget_smaller(target)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    @staticmethod
    def _forget_smaller(target: Path) -> None:
        """Partial tiles may go once the full one is there (C2SP tlog-tiles, "Partial Tiles")."""
        partial = target.with_name(target.name + ".p")
        if target.parent.suffix != ".p" and partial.is_dir():
            for old in partial.iterdir():
                with suppress(OSError):
                    old.unlink()
            with suppress(OSError):
                partial.rmdir()


def _terms(seen: SeenEntry) -> Iterator[str]:
    if seen.digest:
        yield seen.digest
    for signer in seen.signers:
        yield from (term for term in (signer.identity, f"key:{signer.key}" if signer.key else "") if term)


def folder_of(tree: str) -> str:
    """A tree's name as that of a folder: an origin may be any text."""
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in ".-") else "_" for letter in tree)
    return safe.lstrip(".")[:100] or "_"


def replicas(folder: Path) -> tuple[Replica, ...]:
    """The replicas in a folder, or the folder itself when it is one."""
    if (folder / INDEX).is_file():
        return (Replica(folder),)
    try:
        found = sorted(path for path in folder.iterdir() if (path / INDEX).is_file())
    except OSError:
        found = []
    if not found:
        raise ConfigError(
            "replica-unusable",
            f"{folder} holds no replica of a log",
            hint="make one with: gitsign-py monitor --mirror DIR",
        )
    return tuple(Replica(path) for path in found)
