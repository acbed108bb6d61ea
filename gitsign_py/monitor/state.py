"""The memory of the monitor: for each tree the signed head, how far it was read, and every finding, in one file.

A step of reading and what it found are one transaction of SQLite: after a kill at any moment the next run goes on after
the last entry whose findings are kept, so none is lost and none is found twice. A head is only replaced by one that was
proven to extend it. Each write is on the disk (synchronous=FULL) before a step counts.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.compactrange import CompactRange, decode_range
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, FormatError, VerificationError
from gitsign_py.host.filelock import FileLock, hold
from gitsign_py.host.paths import private_directory
from gitsign_py.monitor.findings import Finding, Waiting, read_finding
from gitsign_py.monitor.heads import KINDS, Head, Kind, open_head

VERSION = 1
_SCHEMA = """
CREATE TABLE trees (
  tree TEXT PRIMARY KEY, kind TEXT NOT NULL, url TEXT NOT NULL, signed BLOB NOT NULL, size INTEGER NOT NULL,
  root BLOB NOT NULL, grown_at INTEGER NOT NULL, read INTEGER NOT NULL, hashes BLOB, base INTEGER NOT NULL,
  base_hashes BLOB, latest INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE heads (
  tree TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, kept_at INTEGER NOT NULL, signed BLOB NOT NULL,
  PRIMARY KEY (tree, size)) WITHOUT ROWID;
CREATE TABLE findings (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, value TEXT NOT NULL,
  told INTEGER NOT NULL DEFAULT 0);
CREATE TABLE waiting (
  id TEXT PRIMARY KEY, key TEXT NOT NULL, since INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE explained (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE replayed (repository TEXT NOT NULL, oid TEXT NOT NULL, checked INTEGER NOT NULL,
  PRIMARY KEY (repository, oid)) WITHOUT ROWID;
"""


@frozen
class Kept:
    """One tree: its last proven head (``signed``, ``size``, ``root``), and how far its entries were read.

    ``part`` covers the entries that were read, ``checked`` those whose root was compared with a head; None where the
    reading began at a head whose subtrees are not known yet. ``latest`` is the latest time that an entry stated.
    """

    tree: str
    kind: Kind
    url: str
    signed: bytes
    size: int
    root: bytes
    grown_at: int
    read: int
    part: CompactRange | None
    checked: CompactRange | None
    latest: int = 0


class Store(Closeable):
    """The state in a file, held by one monitor at a time. Close it, or use it as a context manager.

    Raises ConfigError ``monitor-state-unusable`` or ``monitor-state-busy``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with ExitStack() as undo, self._usable():
            private_directory(path.parent)
            undo.callback(_held(path.with_name(path.name + ".lock")).close)
            self._database = sqlite3.connect(path, timeout=5, isolation_level=None)
            undo.callback(self._database.close)
            self._prepare()
            self._undo = undo.pop_all()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise ConfigError(
                "monitor-state-unusable",
                f"the state {self._path} has version {version}, this program knows {VERSION}",
                hint="use the program that made it, or another file (--state)",
            )
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file and let others have it."""
        self._undo.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                "monitor-state-unusable",
                f"the monitor's state {self._path} cannot be used: {error}",
                hint="make room and give this user write permission, or name another file (--state)",
            ) from error

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """For values that this program may not have written: a damaged disk, somebody's hand."""
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, FormatError) as error:
            raise ConfigError(
                "monitor-state-unusable",
                f"the monitor's state {self._path} is damaged: {error}",
                hint="restore it, or begin a new one (--state): the past is then not compared",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside becomes durable together, or not at all."""
        with self._usable():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    # -- trees ------------------------------------------------------------------------------------------------------

    def trees(self) -> tuple[Kept, ...]:
        """Everything that is followed."""
        with self._usable():
            rows = self._database.execute(
                "SELECT tree, kind, url, signed, size, root, grown_at, read, hashes, base, base_hashes, latest"
                " FROM trees ORDER BY tree"
            ).fetchall()
        with self._readable():
            return tuple(_kept(row) for row in rows)

    def check_heads(self, root: TrustedRoot) -> None:
        """Hold each tree against the signed head beside it: a row that was changed must not accuse a log.

        A head whose key the trust root lists no more says nothing. Raises ConfigError ``monitor-state-unusable``.
        """
        for kept in self.trees():
            with self._readable():
                head = _signed_head(kept, root)
                if head is not None and (head.tree, head.size, head.root) != (kept.tree, kept.size, kept.root):
                    raise ValueError(f"its head of {kept.tree} is not the one that the log signed")

    def tree(self, name: str) -> Kept | None:
        """The kept facts of a tree."""
        return next((kept for kept in self.trees() if kept.tree == name), None)

    def keep(self, kept: Kept) -> None:
        """Write a tree, inside a transaction. A head that is kept is never replaced by a smaller or another one."""
        row = self._database.execute("SELECT size, root FROM trees WHERE tree = ?", (kept.tree,)).fetchone()
        if row is not None and (kept.size < row[0] or (kept.size == row[0] and kept.root != row[1])):
            raise ValueError(f"{kept.tree} of {row[0]} entries would be overwritten by one of {kept.size}")
        self._database.execute(
            "INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(kept.tree, kept.kind, kept.url, kept.signed, kept.size, kept.root, kept.grown_at, kept.read),
                None if kept.part is None else kept.part.encoded(),
                kept.read if kept.checked is None else kept.checked.size,
                None if kept.checked is None else kept.checked.encoded(),
                kept.latest,
            ),
        )

    def note_head(self, kept: Kept, at: int) -> None:
        """Note when a head was first seen, inside a transaction."""
        self._database.execute(
            "INSERT OR IGNORE INTO heads VALUES (?, ?, ?, ?, ?)", (kept.tree, kept.size, kept.root, at, kept.signed)
        )

    def root_at(self, tree: str, size: int) -> bytes | None:
        """The root that the log once signed for this size."""
        with self._usable():
            row = self._database.execute("SELECT root FROM heads WHERE tree = ? AND size = ?", (tree, size)).fetchone()
        return None if row is None else bytes(row[0])

    def absent_until(self, tree: str, index: int) -> int:
        """The latest time (POSIX) at which the log showed a tree without this entry; 0 when it never did."""
        with self._usable():
            query = "SELECT max(kept_at) FROM heads WHERE tree = ? AND size <= ?"
            (found,) = self._database.execute(query, (tree, index)).fetchone()
        return found or 0

    # -- findings ---------------------------------------------------------------------------------------------------

    def add(self, findings: Iterable[Finding]) -> None:
        """Write findings, inside a transaction; one that is known already is not written again."""
        rows = [(one.id, one.kind, json.dumps(one.to_json(), sort_keys=True)) for one in findings]
        self._database.executemany("INSERT OR IGNORE INTO findings (id, kind, value) VALUES (?, ?, ?)", rows)

    def wait(self, waiting: Iterable[Waiting], at: int) -> None:
        """Note what may still be explained, inside a transaction; what waits already keeps its time."""
        rows = [(one.finding.id, one.key, at, json.dumps(one.finding.to_json(), sort_keys=True)) for one in waiting]
        self._database.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)", rows)

    def explain(self, keys: Iterable[str]) -> None:
        """Note keys that explain what waits, or will, inside a transaction."""
        self._database.executemany("INSERT OR IGNORE INTO explained VALUES (?)", [(key,) for key in keys])

    def overdue(self, kinds: Collection[str], before: int) -> tuple[Finding, ...]:
        """Take the explained out of what waits, and give (and keep) as findings what has waited since ``before``."""
        with self.transaction():
            self._database.execute("DELETE FROM waiting WHERE key IN (SELECT key FROM explained)")
            rows = self._database.execute(
                "SELECT id, value FROM waiting WHERE since <= ? ORDER BY since, id", (before,)
            )
            with self._readable():
                late = [read_finding(json.loads(value)) for _, value in rows]
            late = [one for one in late if one.kind in kinds]
            self.add(late)
            self._database.executemany("DELETE FROM waiting WHERE id = ?", [(one.id,) for one in late])
        return tuple(late)

    # -- repositories -----------------------------------------------------------------------------------------------

    def replayed(self, repository: str, *, checked: bool) -> frozenset[str]:
        """The commits and tags of a repository whose digests are known, or (``checked``) whose entries were checked."""
        query = "SELECT oid FROM replayed WHERE repository = ? AND checked >= ?"
        with self._usable():
            return frozenset(oid for (oid,) in self._database.execute(query, (repository, int(checked))))

    def note_replayed(self, repository: str, oid: str, digests: Iterable[str], *, checked: bool) -> None:
        """Keep the digests of a commit or tag, inside a transaction."""
        self.explain(digests)
        self._database.execute("INSERT OR REPLACE INTO replayed VALUES (?, ?, ?)", (repository, oid, int(checked)))

    def untold(self) -> tuple[tuple[int, Finding], ...]:
        """Findings that nobody was told of yet, with their numbers, oldest first."""
        return self._findings("WHERE told = 0")

    def findings(self) -> tuple[tuple[int, Finding], ...]:
        """All findings with their numbers, oldest first."""
        return self._findings("")

    def _findings(self, where: str) -> tuple[tuple[int, Finding], ...]:
        with self._usable():
            rows = self._database.execute(f"SELECT number, value FROM findings {where} ORDER BY number").fetchall()  # noqa: S608 - constant text
        with self._readable():
            return tuple((number, read_finding(json.loads(value))) for number, value in rows)

    def unreadable(self) -> Counter[str]:
        """How many entries of each tree could not be read."""
        return Counter(one.tree for _, one in self._findings("WHERE kind = 'entry-unreadable'"))

    def told(self, numbers: Iterable[int]) -> None:
        """Note that these findings were told."""
        with self.transaction():
            self._database.executemany("UPDATE findings SET told = 1 WHERE number = ?", [(one,) for one in numbers])


def _kept(row: tuple[str, str, str, bytes, int, bytes, int, int, bytes | None, int, bytes | None, int]) -> Kept:
    tree, kind, url, signed, size, root, grown_at, read, hashes, base, base_hashes, latest = row
    if kind not in KINDS or not all(type(one) is int for one in (size, grown_at, read, latest)):
        raise ValueError("a tree in it has a value of another type")
    part = None if hashes is None else decode_range(read, hashes)
    checked = None if base_hashes is None else decode_range(base, base_hashes)
    return Kept(tree, kind, url, signed, size, root, grown_at, read, part, checked, latest)


def _signed_head(kept: Kept, root: TrustedRoot) -> Head | None:
    try:
        return open_head(kept.kind, kept.signed, root)
    except VerificationError as error:
        if error.reason == "log-unknown":
            return None
        raise ValueError(error.message) from error


def _held(path: Path) -> FileLock:
    lock = hold(path)
    if lock is None:
        raise ConfigError(
            "monitor-state-busy",
            f"another monitor works on {path.name.removesuffix('.lock')} in {path.parent}",
            hint="wait for it, or give this one a state of its own (--state)",
        )
    return lock
