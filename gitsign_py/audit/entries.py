"""Log entries of online-mode history: fetched in bulk, kept, and handed on in git notes.

Nothing here is trusted: whatever comes from the log, the local store or a note goes through the same verification as
an embedded entry. The cache stores the protobuf TransparencyLogEntry with its body.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry
from gitsign_py.errors import UNREACHABLE, ConfigError, GitsignError, ServiceError

_Answer = TypeVar("_Answer")
PARALLEL = 4
"""Requests under way at once: a shared log is asked like a person would, not like a crawler."""
RETRIEVE = 10
ATTEMPTS = 4
FIRST_PAUSE = 0.5
MAX_ENTRIES = 8
_SCHEMA = "CREATE TABLE IF NOT EXISTS entries (oid TEXT, entry BLOB, PRIMARY KEY (oid, entry)) WITHOUT ROWID"


class EntrySource(Protocol):
    """A log that can be searched (Rekor v1)."""

    def search(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[str, ...]:
        """UUIDs of entries over a SHA-256 digest by a certificate (DER). Raises ServiceError."""
        ...

    def retrieve(self, *, uuids: Sequence[str] = ()) -> tuple[LogEntry, ...]:
        """The entries of UUIDs, at most ten in a request. Raises ServiceError."""
        ...


class Wanted(NamedTuple):
    """An object whose entry is to be found: its id and the DER of the certificate that signed it.

    ``others`` are further names under which it may have been logged.
    """

    oid: str
    certificate: bytes
    others: tuple[str, ...] = ()


class EntryStore(Closeable):
    """Entries by object id, in one SQLite file. Close it, or use it as a context manager.

    ``path`` None keeps them in memory. A file that cannot be used raises ConfigError ``entry-store-unusable``.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        with ExitStack() as undo, self._usable():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(":memory:" if path is None else path, timeout=5)
            undo.callback(self._database.close)
            self._database.execute(_SCHEMA)
            undo.pop_all()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                "entry-store-unusable",
                f"the store of log entries {self._path} cannot be used: {error}",
                hint="make room and give this user write permission, or delete the file: it is made anew",
            ) from error

    def close(self) -> None:
        """Write and close."""
        with closing(self._database), self._usable():
            self._database.commit()

    def get(self, oid: str) -> tuple[bytes, ...]:
        """The entries kept for an object."""
        with self._usable():
            rows = self._database.execute("SELECT entry FROM entries WHERE oid = ? LIMIT ?", (oid, MAX_ENTRIES))
            return tuple(row[0] for row in rows if isinstance(row[0], bytes))

    def put(self, oid: str, entries: Iterable[bytes]) -> None:
        """Keep entries, and write them at once: an audit that is stopped goes on where it was."""
        rows = [(oid, entry) for entry in entries]
        with self._usable():
            self._database.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", rows)
            self._database.commit()


def fetch(
    source: EntrySource,
    wanted: Sequence[Wanted],
    keep: Callable[[str, tuple[bytes, ...]], None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, GitsignError]:
    """Find the entries of ``wanted`` and give each object's to ``keep``; returns the errors by object id.

    Searches run in parallel; what they find is retrieved ten at a time. A log that fails is asked again after a pause
    that doubles, one that cannot be reached is not; when it fails for good, nothing more is asked of it.
    """
    failures: dict[str, GitsignError] = {}
    source = _UntilItFails(source)
    with ThreadPoolExecutor(PARALLEL) as pool:
        for at in range(0, len(wanted), RETRIEVE):
            group = wanted[at : at + RETRIEVE]
            try:
                uuids = list(pool.map(lambda one: _search(source, one, pause), group))
                found = _retrieve(source, group, uuids, pause)
            except GitsignError as error:
                failures.update((one.oid, error) for one in wanted[at:])
                break
            for oid, entries in found.items():
                keep(oid, entries)
    return failures


class _UntilItFails:
    """A log that cannot be reached is asked once: without a network each question waits for its time-out."""

    def __init__(self, source: EntrySource) -> None:
        self._source = source
        self._failure: ServiceError | None = None

    def search(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[str, ...]:
        return self._asked(lambda: self._source.search(digest=digest, certificate=certificate))

    def retrieve(self, *, uuids: Sequence[str] = ()) -> tuple[LogEntry, ...]:
        return self._asked(lambda: self._source.retrieve(uuids=uuids))

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        if self._failure is not None:
            raise self._failure
        try:
            return ask()
        except ServiceError as error:
            if error.reason in UNREACHABLE:
                self._failure = error
            raise


def _retrieve(
    source: EntrySource, group: Sequence[Wanted], uuids: Sequence[tuple[str, ...]], pause: Callable[[float], None]
) -> dict[str, tuple[bytes, ...]]:
    flat = list(dict.fromkeys(uuid for found in uuids for uuid in found))
    entries = _patiently(lambda: source.retrieve(uuids=flat), pause) if flat else ()
    stated = (entry for entry in entries if entry.kind)  # a body that states none proves nothing
    by_leaf = {hashlib.sha256(b"\0" + entry.body).hexdigest(): entry for entry in stated}
    return {one.oid: _chosen(found, by_leaf) for one, found in zip(group, uuids, strict=True)}


def _search(source: EntrySource, one: Wanted, pause: Callable[[float], None]) -> tuple[str, ...]:
    for name in (one.oid, *one.others):
        digest = hashlib.sha256(name.encode()).digest()
        if found := _patiently(partial(source.search, digest=digest, certificate=one.certificate), pause):
            return found[:MAX_ENTRIES]
    return ()


def _chosen(uuids: Sequence[str], by_leaf: Mapping[str, LogEntry]) -> tuple[bytes, ...]:
    """The last 64 digits of a UUID are the entry's leaf hash (RFC 6962 §2.1)."""
    return tuple(encode_entry(by_leaf[uuid[-64:]], with_body=True) for uuid in uuids if uuid[-64:] in by_leaf)


def _patiently(ask: Callable[[], _Answer], pause: Callable[[float], None]) -> _Answer:
    for attempt in range(ATTEMPTS - 1):
        try:
            return ask()
        except ServiceError as error:
            if error.reason in UNREACHABLE:
                raise
            pause(FIRST_PAUSE * 2**attempt)
    return ask()
