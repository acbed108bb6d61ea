"""Search a log: by its own index where it has one for this, else by looking through its entries."""

import re
from collections.abc import Callable, Iterator, Sequence

from gitsign_py.clients.rekor import BATCH
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ServiceError, UsageError
from gitsign_py.monitor.decode import SeenEntry, SeenSigner, decode
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.lookup import SCAN, prove_rekor1, scan
from gitsign_py.monitor.rekorsources import Rekor1Source
from gitsign_py.monitor.replicaindex import UNREAD
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import LogSource, RawEntry, too_large
from gitsign_py.monitor.watch import may_hold

_HASH = re.compile(r"(?:(sha256|sha384|sha512):)?([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})\Z")
_NO_INDEX = (404, 405, 501)  # of an operator who serves no index (Rekor's enabled_api_endpoints)
_NAMES = {64: "sha256", 96: "sha384", 128: "sha512"}
Limits = tuple[int | None, int | None]
"""First entry and the one after the last; None for what the log has."""
Hit = tuple[Head, RawEntry, SeenEntry]


@frozen
class Query:
    """The search terms: any of ``digests`` (algorithm:hex), or a name, or a key (SHA-256 of the SPKI)."""

    digests: tuple[str, ...] = ()
    identity: str = ""
    email: str = ""
    key: str = ""

    def matches(self, entry: SeenEntry) -> bool:
        """Whether an entry is one."""
        return entry.digest in self.digests or any(self._names(one) for one in entry.signers)

    def terms(self) -> tuple[str, ...]:
        """The terms of a replica's index."""
        return (
            *self.digests,
            *((self.identity,) if self.identity else ()),
            *((f"key:{self.key}",) if self.key else ()),
        )

    def may_match(self, entry: RawEntry) -> bool:
        """Whether reading the entry is worth its price: a name stands in a certificate as it is."""
        if not self.identity or self.digests or self.key:
            return True
        return may_hold(entry, (self.identity.encode("utf-8", "surrogatepass"),))

    def may_be(self, entry: SeenEntry) -> bool:
        """Whether an entry that is none may be one all the same: what would tell cannot be read."""
        problem = entry.problem if self.digests else entry.unread
        named = self.identity != "" and not self.digests and not self.key  # ``may_match`` has found the name in it
        return problem != "" and (named or not entry.foreign)

    def _names(self, signer: SeenSigner) -> bool:
        return (self.identity != "" and signer.identity == self.identity) or (self.key != "" and signer.key == self.key)


def parse_digest(text: str) -> str:
    """A digest as algorithm:hex. Raises UsageError ``log-hash-invalid``."""
    match = _HASH.match(text.lower())
    if match is None or match[1] not in (None, _NAMES[len(match[2])]):
        raise UsageError("log-hash-invalid", f"{text[:160]} is no digest in hex")
    return f"{_NAMES[len(match[2])]}:{match[2]}"


def has_index(source: LogSource, query: Query) -> bool:
    """Whether the log finds this without looking through its entries."""
    if isinstance(source, Rekor1Source):
        return bool(query.email or query.digests)
    return isinstance(source, ReplicaSource)


def search(
    source: LogSource,
    query: Query,
    root: TrustedRoot,
    limits: Limits | None = None,
    *,
    most: int = SCAN,
    unread: Callable[[RawEntry], object],
) -> Iterator[Hit]:
    """The entries that a log has for a query; without an index and ``limits`` its last ``most`` are looked through.

    ``unread`` is told of each that may be one and cannot be read.
    """
    if limits is None and isinstance(source, Rekor1Source) and has_index(source, query):
        uuids = _named_by_index(source, query)
        if uuids is not None:
            yield from _proven(source, uuids, query, root, unread)
            return
    if limits is None and isinstance(source, ReplicaSource):
        yield from _replicated(source, query, unread)
        return
    first, stop = limits or (None, None)
    for head, entry in scan(source, first, stop, most=most):
        if not query.may_match(entry):
            continue
        if query.matches(seen := decode(entry)):
            yield head, entry, seen
        elif query.may_be(seen):
            unread(entry)


def _replicated(source: ReplicaSource, query: Query, unread: Callable[[RawEntry], object]) -> Iterator[Hit]:
    for term in query.terms():
        yield from ((head, entry, decode(entry)) for head, entry in source.find(term))
    for _, entry in source.find(UNREAD):
        if query.may_match(entry) and not query.matches(seen := decode(entry)) and query.may_be(seen):
            unread(entry)


def unread_words(unread: Sequence[RawEntry]) -> str:
    """How many entries may be ones and cannot be read, and where the first of them is; there is one at least."""
    count = f"{len(unread)} entries that may be ones" if len(unread) > 1 else "1 entry that may be one"
    return f"{count} cannot be read, the first at {unread[0].log_index}"


def _named_by_index(source: Rekor1Source, query: Query) -> list[str] | None:
    """The UUIDs that a log's own index has; None for a log that runs without one."""
    uuids: dict[str, None] = {}
    try:
        if query.email:
            uuids |= dict.fromkeys(source.client.search(email=query.email))
        for digest in query.digests:
            if digest.startswith("sha256:"):
                uuids |= dict.fromkeys(source.client.search(digest=bytes.fromhex(digest[7:])))
    except ServiceError as error:
        if error.facts.get("status") not in _NO_INDEX:
            raise
        return None
    return list(uuids)


def _proven(
    source: Rekor1Source, uuids: Sequence[str], query: Query, root: TrustedRoot, unread: Callable[[RawEntry], object]
) -> Iterator[Hit]:
    """The index is nothing that a log signs: what it names is fetched, proven and compared."""
    for entry in _fetched(source, uuids):
        proven = prove_rekor1(entry, root)
        seen = decode(proven.entry)
        if query.matches(seen):
            yield proven.head, proven.entry, seen
        elif query.may_be(seen):
            unread(proven.entry)


def _fetched(source: Rekor1Source, uuids: Sequence[str]) -> Iterator[LogEntry]:
    """Some at once, and each alone where somebody has logged large ones."""
    for at in range(0, len(uuids), BATCH):
        group = uuids[at : at + BATCH]
        try:
            yield from source.client.retrieve(uuids=group)
        except ServiceError as error:
            if not too_large(error, len(group)):
                raise
            for uuid in group:
                yield from source.client.retrieve(uuids=[uuid])
