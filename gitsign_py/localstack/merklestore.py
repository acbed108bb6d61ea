"""Append-only Merkle trees in SQLite: leaves, and the hash of every complete subtree (RFC 6962 §2.1).

Complete subtrees never change, so each is stored once; a root or a proof needs O(log n) of them and no leaf is read.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange
from gitsign_py.localstack.schema import STORE_HEAD
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.state import State


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf: ``data`` is what was hashed, ``extra`` what is kept beside it, ``time_ms`` when it was added."""

    tree_id: int
    position: int
    leaf_hash: bytes
    data: bytes
    extra: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A leaf in the tree of ``size`` leaves: the root over them, and the path to it (RFC 6962 §2.1.1)."""

    leaf: Leaf
    size: int
    root: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of a state, by its id. Methods that read several rows belong into one ``state.reading()``."""

    state: State
    tree_id: int

    def size(self) -> int:
        """Number of leaves."""
        with self.state.reading() as db:
            row = db.execute("SELECT max(position) FROM leaves WHERE tree_id = ?", (self.tree_id,)).fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def require_sound(self) -> None:
        """Raise Refusal 503 ``log-damaged`` when this tree is not what it signed: it must sign nothing more."""
        fault = self.state.damaged.get(self.tree_id)
        if fault:
            raise Refusal(503, f"this log signs nothing: {fault}", reason="log-damaged")

    def root(self, size: int) -> bytes:
        """Root hash over the first ``size`` leaves, 32 bytes, to be signed. Raises Refusal as ``require_sound``."""
        self.require_sound()
        with self.state.reading() as db:
            return merkle.root(size, self._hash_at(db))

    def prove_inclusion(self, position: int, size: int) -> tuple[bytes, ...]:
        """Audit path of a leaf in the tree of ``size`` leaves (RFC 6962 §2.1.1)."""
        with self.state.reading() as db:
            return tuple(merkle.prove_inclusion(position, size, self._hash_at(db)))

    def prove_consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """Proof that the first tree is a prefix of the second (RFC 6962 §2.1.2)."""
        with self.state.reading() as db:
            return tuple(merkle.prove_consistency(first, second, self._hash_at(db)))

    def append(self, data: bytes, *, identity: bytes, extra: bytes, time_ms: int) -> Placed:
        """Add a leaf and the subtrees that it completes. ``identity`` is unique in the tree (see ``find``).

        The head over it is stored with it: whoever appends signs it.
        """
        self.require_sound()
        with self.state.transaction() as db:
            edge = self._edge(db)
            position, hashed = edge.size, merkle.leaf_hash(data)
            db.execute(
                "INSERT INTO leaves (tree_id, position, leaf_hash, identity, data, extra, time_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.tree_id, position, hashed, identity, data, extra, time_ms),
            )
            path = tuple(reversed(edge.hashes))  # the last leaf's siblings are all to its left
            completed = merkle.complete_subtrees(position, hashed, lambda level, _: edge.hashes[-1 - level])
            db.executemany(
                "INSERT INTO nodes (tree_id, level, position, hash) VALUES (?, ?, ?, ?)",
                [(self.tree_id, level, index, value) for level, index, value in completed],
            )
            grown = edge.appended([hashed])
            root = grown.root()
            db.execute(STORE_HEAD, (self.tree_id, grown.size, root))
            self.state.edges[self.tree_id] = root, grown
        return Placed(Leaf(self.tree_id, position, hashed, data, extra, time_ms), grown.size, root, path)

    def _edge(self, db: sqlite3.Connection) -> CompactRange:
        """The right edge. The one of the last entry is kept; the head says whether it is still the last.

        Another process may have added to the tree, or a transaction may have been taken back. No two edges have the
        same root.
        """
        row = db.execute("SELECT size, root FROM heads WHERE tree_id = ?", (self.tree_id,)).fetchone()
        size, root = row or (0, merkle.empty_root())
        known = self.state.edges.get(self.tree_id)
        if known and known[0] == root:
            return known[1]
        hash_at, levels = self._hash_at(db), reversed(range(size.bit_length()))
        return CompactRange(size, tuple(hash_at(level, (size >> level) - 1) for level in levels if size >> level & 1))

    def place(self, leaf: Leaf, size: int) -> Placed:
        """The leaf in the tree of ``size`` leaves."""
        with self.state.reading():
            return Placed(leaf, size, self.root(size), self.prove_inclusion(leaf.position, size))

    def leaf(self, position: int) -> Leaf | None:
        """The leaf at ``position``, None past the end."""
        found = self.leaves(position, position + 1)
        return found[0] if found else None

    def leaves(self, start: int, stop: int) -> tuple[Leaf, ...]:
        """The leaves from ``start`` to before ``stop``, as far as there are any."""
        where = "tree_id = ? AND position >= ? AND position < ? ORDER BY position"
        return self._select(where, (self.tree_id, start, stop))

    def subtrees(self, level: int, start: int, stop: int) -> tuple[bytes, ...]:
        """Hashes of the complete subtrees of 2**level leaves, number ``start`` to before ``stop``, as far as known."""
        where = "tree_id = ? AND level = ? AND position >= ? AND position < ?"
        query = f"SELECT hash FROM nodes WHERE {where} ORDER BY position"  # noqa: S608 - constant text
        with self.state.reading() as db:
            return tuple(bytes(row[0]) for row in db.execute(query, (self.tree_id, level, start, stop)))

    def find(self, identity: bytes) -> Leaf | None:
        """The leaf that was added under ``identity``."""
        found = self._select("tree_id = ? AND identity = ?", (self.tree_id, identity))
        return found[0] if found else None

    def find_hash(self, leaf_hash: bytes) -> Leaf | None:
        """The first leaf with this leaf hash."""
        # The plus keeps SQLite from walking the whole tree in the order of its primary key (optoverview.html, §2.1).
        found = self._select("leaf_hash = ? AND +tree_id = ? ORDER BY position", (leaf_hash, self.tree_id))
        return found[0] if found else None

    def _select(self, where: str, values: tuple[int | bytes, ...]) -> tuple[Leaf, ...]:
        query = f"SELECT tree_id, position, leaf_hash, data, extra, time_ms FROM leaves WHERE {where}"  # noqa: S608
        with self.state.reading() as db:
            return tuple(Leaf(*row) for row in db.execute(query, values))

    def _hash_at(self, db: sqlite3.Connection) -> Callable[[int, int], bytes]:
        query = "SELECT hash FROM nodes WHERE tree_id = ? AND level = ? AND position = ?"

        def hash_at(level: int, position: int) -> bytes:
            row = db.execute(query, (self.tree_id, level, position)).fetchone()
            return bytes(row[0])

        return hash_at
