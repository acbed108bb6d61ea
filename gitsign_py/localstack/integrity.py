"""Is a log still what it signed: the right edge at each start, everything when asked (``stack fsck``).

The last head that was signed is kept beside the entries. A disk or a person who takes entries away, or changes them,
leaves a tree that does not lead to it; such a log must sign nothing more, or it would have two histories.
"""

import sqlite3
from collections.abc import Iterator

from gitsign_py.core.tlog import merkle

_NODE = "SELECT hash FROM nodes WHERE tree_id = ? AND level = ? AND position = ?"


def damaged_logs(db: sqlite3.Connection) -> dict[int, str]:
    """Tree id and what is wrong, of each key's log whose right edge is not what it signed; time grows with no log."""
    found: dict[int, str] = {}
    for name, tree_id in logs(db):
        try:
            fault = next(_edge_faults(db, tree_id), "")
        except sqlite3.DatabaseError as error:
            fault = f"it cannot be read: {error}"
        if fault:
            found[tree_id] = f"{name}: {fault}"
    return found


def logs(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """Name and tree id of each log, oldest first: ``rekor2 (log 1)`` and so on."""
    rows = db.execute("SELECT role, tree_id FROM keys WHERE tree_id IS NOT NULL ORDER BY number").fetchall()
    names: list[tuple[str, int]] = []
    for role, tree_id in rows:
        number = 1 + sum(name.startswith(f"{role} ") for name, _ in names)
        names.append((f"{role} (log {number})", int(tree_id)))
    return names


def head(db: sqlite3.Connection, tree_id: int) -> tuple[int, bytes]:
    """Size and root that the log signed last."""
    row = db.execute("SELECT size, root FROM heads WHERE tree_id = ?", (tree_id,)).fetchone()
    return (int(row[0]), bytes(row[1])) if row else (0, merkle.empty_root())


def _edge_faults(db: sqlite3.Connection, tree_id: int) -> Iterator[str]:
    """The last entry, the complete subtrees that end at the right edge, and the root over them."""
    signed_size, signed_root = head(db, tree_id)
    size = db.execute("SELECT coalesce(max(position) + 1, 0) FROM leaves WHERE tree_id = ?", (tree_id,)).fetchone()[0]
    if size != signed_size:
        yield f"it has {size} entries and signed a head over {signed_size}"
        return
    if size == 0:
        return
    data, hashed = db.execute(
        "SELECT data, leaf_hash FROM leaves WHERE tree_id = ? AND position = ?", (tree_id, size - 1)
    ).fetchone()
    if not merkle.leaf_hash(data) == hashed == _node(db, tree_id, 0, size - 1):
        yield f"entry {size - 1} was changed"
    for level, position in _edge(size):
        if level and not _leads_up(db, tree_id, level, position):
            yield f"a hash over entries {position << level} to {(position + 1 << level) - 1} is gone or was changed"
            return
    if merkle.root(size, lambda level, position: _node(db, tree_id, level, position)) != signed_root:
        yield f"its root over {size} entries is not the one that it signed"


def _edge(size: int) -> list[tuple[int, int]]:
    """Level and position of the complete subtrees that a tree of this size is made of (RFC 6962 §2.1)."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]


def _node(db: sqlite3.Connection, tree_id: int, level: int, position: int) -> bytes:
    row = db.execute(_NODE, (tree_id, level, position)).fetchone()
    return bytes(row[0]) if row else b""


def _leads_up(db: sqlite3.Connection, tree_id: int, level: int, position: int) -> bool:
    left, right = (_node(db, tree_id, level - 1, 2 * position + side) for side in (0, 1))
    return _node(db, tree_id, level, position) == merkle.node_hash(left, right)


def log_faults(db: sqlite3.Connection, tree_id: int) -> Iterator[str]:
    """Every entry, every stored hash and the head; linear in the log's size."""
    count = 0
    query = "SELECT position, data, leaf_hash FROM leaves WHERE tree_id = ? ORDER BY position"
    for position, data, hashed in db.execute(query, (tree_id,)):
        if position != count:
            yield f"entry {count} is gone" if position == count + 1 else f"entries {count} to {position - 1} are gone"
        if not merkle.leaf_hash(data) == hashed == _node(db, tree_id, 0, position):
            yield f"entry {position} was changed"
        for level in range(1, 64):
            if (position + 1) % (1 << level):
                break
            if not _leads_up(db, tree_id, level, position >> level):
                yield f"a hash over entries {position + 1 - (1 << level)} to {position} is gone or was changed"
        count = position + 1
    yield from _edge_faults(db, tree_id)
