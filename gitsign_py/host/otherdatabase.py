"""SQLite files that somebody else made: only plain tables are read, and only so much of them.

A database is a program as well: a view can count for ever, a generated column can take all memory, a trigger runs where
something is written ("Defense Against The Dark Arts", sqlite.org/security.html). Its pages can name each other, so that
few of them read as endless rows. And a named pipe beside it is opened like the log that it is named as.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gitsign_py.host.plainfile import check_plain

MOST_STEPS = 200_000_000
"""Steps of SQLite's machine (some seconds of work) that one use of such a file may take."""
_EACH = 100_000
_MOST_BYTES = 64 << 20  # of one value
_MOST_OBJECTS = 100
_BESIDE = ("", "-wal", "-shm", "-journal")


@contextmanager
def other_database(path: Path, tables: Collection[str], *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a file that must have these tables. Without ``write`` it must be there, and nothing is made or changed.

    Raises OSError and sqlite3.Error, as every use of the connection does.
    """
    for name in _BESIDE:
        check_plain(f"{path}{name}")
    uri = f"{path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
    with closing(sqlite3.connect(uri, timeout=5, uri=True)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
        database.execute("PRAGMA trusted_schema = OFF")
        if not write:
            database.set_progress_handler(_Steps().taken, _EACH)
        _check(database, tables)
        yield database


class _Steps:
    def __init__(self) -> None:
        self._left = MOST_STEPS // _EACH

    def taken(self) -> bool:
        """Whether to end here, which sqlite3 calls an interrupt."""
        self._left -= 1
        return self._left < 0


def _check(database: sqlite3.Connection, tables: Collection[str]) -> None:
    """Tables and their indexes, no views, triggers, virtual tables or columns that are computed."""
    query = "SELECT type, name, rootpage FROM sqlite_schema LIMIT ?"
    found = database.execute(query, (_MOST_OBJECTS + 1,)).fetchall()
    if len(found) > _MOST_OBJECTS:
        raise sqlite3.DatabaseError("it has more tables than this program makes")
    for kind, name, page in found:
        if kind not in ("table", "index") or not page:  # a virtual table has no page of its own
            raise sqlite3.DatabaseError(f"its {str(kind)[:20]} {str(name)[:40]!r} is none that this program makes")
    for name in {name for kind, name, _ in found if kind == "table"} & set(tables):
        for _, column, _, _, _, _, hidden in database.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)):
            if hidden:
                raise sqlite3.DatabaseError(f"column {str(column)[:40]!r} of its table {name} is computed")
