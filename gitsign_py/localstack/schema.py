"""The tables of a stack's database, and how one of an earlier version becomes one of this."""

import sqlite3

from gitsign_py.core.tlog import merkle
from gitsign_py.errors import ConfigError

VERSION = 3
_KEYS = """
CREATE TABLE keys (
  number INTEGER PRIMARY KEY, role TEXT NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
  certificate BLOB, starts INTEGER NOT NULL, ends INTEGER, tree_id INTEGER UNIQUE);
CREATE TABLE nodes (
  tree_id INTEGER NOT NULL, level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (tree_id, level, position)) WITHOUT ROWID
"""
# Entries are long: in a table with row numbers two of them share a page, without each has pages of its own
# (sqlite.org/withoutrowid.html, "When To Use"). The search gives leaf hashes, and reads no entry for that.
_ENTRIES = """
CREATE TABLE leaves (
  tree_id INTEGER NOT NULL, position INTEGER NOT NULL, leaf_hash BLOB NOT NULL, identity BLOB NOT NULL,
  data BLOB NOT NULL, extra BLOB NOT NULL, time_ms INTEGER NOT NULL, PRIMARY KEY (tree_id, position));
CREATE UNIQUE INDEX leaves_by_identity ON leaves (tree_id, identity);
CREATE INDEX leaves_by_hash ON leaves (leaf_hash);
CREATE TABLE search (
  term TEXT NOT NULL, tree_id INTEGER NOT NULL, position INTEGER NOT NULL, leaf_hash BLOB NOT NULL,
  PRIMARY KEY (term, tree_id, position)) WITHOUT ROWID
"""
_HEADS = """
CREATE TABLE heads (tree_id INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL);
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID
"""
_PUT_ASIDE = """
ALTER TABLE leaves RENAME TO old_leaves;
ALTER TABLE search RENAME TO old_search;
DROP INDEX leaves_by_identity;
DROP INDEX leaves_by_hash
"""
_TAKE_OVER = """
INSERT INTO leaves SELECT tree_id, position, leaf_hash, identity, data, extra, time_ms FROM old_leaves;
INSERT INTO search SELECT term, tree_id, position, old_leaves.leaf_hash
  FROM old_search JOIN old_leaves USING (tree_id, position);
DROP TABLE old_leaves;
DROP TABLE old_search
"""
STORE_HEAD = "INSERT OR REPLACE INTO heads (tree_id, size, root) VALUES (?, ?, ?)"
_SIZES = "SELECT tree_id, max(position) + 1 FROM leaves GROUP BY tree_id"


def migrate(db: sqlite3.Connection) -> None:
    """Make or bring up to date. Raises ConfigError ``stack-database-version`` for one of a later program."""
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        _run(db, _KEYS, _ENTRIES, _HEADS)
    elif version == 1:
        _run(db, _HEADS)
        _fill_heads(db)
    if version in {1, 2}:
        _run(db, _PUT_ASIDE, _ENTRIES, _TAKE_OVER)
    if version in range(VERSION):
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
    if version not in range(VERSION + 1):
        raise ConfigError(
            "stack-database-version",
            f"the stack's database has version {version}, this program knows {VERSION}",
            hint="use a new directory (--dir) or the program that made this one",
        )


def _run(db: sqlite3.Connection, *several: str) -> None:
    for statement in ";".join(several).split(";"):
        db.execute(statement)


def _fill_heads(db: sqlite3.Connection) -> None:
    """Version 1 kept no heads: what is there counts as signed."""
    for tree_id, size in db.execute(_SIZES).fetchall():
        _store_head(db, tree_id, size)


def _store_head(db: sqlite3.Connection, tree_id: int, size: int) -> None:
    """Keep the head that is signed over the tree as it is now; a start compares it with what is there."""
    query = "SELECT hash FROM nodes WHERE tree_id = ? AND level = ? AND position = ?"
    root = merkle.root(size, lambda level, place: bytes(db.execute(query, (tree_id, level, place)).fetchone()[0]))
    db.execute(STORE_HEAD, (tree_id, size, root))
