"""One entry of a log, found and proven: by index, by leaf hash, by digest, or by looking through a range."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange, check_start, follow_consistency
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.hashedrekord import stated_kind
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import UncheckedError, UsageError, VerificationError
from gitsign_py.monitor.ctsources import CtSource
from gitsign_py.monitor.heads import Head, open_head
from gitsign_py.monitor.rekorsources import Rekor1Source
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import LogSource, RawEntry
from gitsign_py.monitor.tilesources import TiledSource

_INDEX = re.compile(r"[0-9]{1,18}\Z")
_UUID = re.compile(r"(?:[0-9a-f]{16})?[0-9a-f]{64}\Z")
_PATH = "/api/v1/log/entries"
_PAGES = {"search.sigstore.dev": "https://rekor.sigstore.dev"}
"""Pages that show a log under another host than the log's own."""
SCAN = 100_000
"""Entries that a search looks through at most when it is not told a range."""


@frozen
class ProvenEntry:
    """An entry, the head that covers it, and its path: the proof was checked."""

    entry: RawEntry
    head: Head
    hashes: tuple[bytes, ...]
    set_bytes: bytes = b""

    def as_log_entry(self) -> LogEntry:
        """The entry of a signature log as verification takes it."""
        kind, version = stated_kind(self.entry.leaf)
        proof = InclusionProof(self.entry.index, self.head.root, self.head.size, self.hashes, self.head.signed)
        return LogEntry(
            self.entry.log_index,
            self.head.log.log_id,
            kind,
            version,
            self.entry.time,
            self.set_bytes,
            proof,
            self.entry.leaf,
        )


def get(source: LogSource, root: TrustedRoot, *, index: int | None = None, leaf_hash: str = "") -> ProvenEntry:
    """Fetch an entry by its index or (Rekor v1) UUID and prove it.

    Raises UncheckedError ``log-entry-absent``, UsageError ``log-cannot-look-up``; VerificationError for a wrong proof.
    """
    if isinstance(source, Rekor1Source):
        found = source.client.by_index(index) if index is not None else source.client.by_uuid(leaf_hash)
        if found is None:
            raise _absent(source, leaf_hash or str(index))
        return prove_rekor1(found, root)
    if isinstance(source, ReplicaSource):
        return _of_replica(source, index, leaf_hash)
    if index is None:
        raise UsageError(
            "log-cannot-look-up", f"{source.url} finds entries by index alone", hint="give the index of the entry"
        )
    head = source.heads()[-1]
    if index >= head.size:
        raise _absent(source, str(index))
    entry = next(source.entries(head, index, index + 1))[0]
    return _proven(entry, head, _path(source, head, entry))


def _of_replica(source: ReplicaSource, index: int | None, leaf_hash: str) -> ProvenEntry:
    (head,) = source.heads()
    leaf = bytes.fromhex(leaf_hash[-64:])
    place = source.place_of(head, 0, leaf) if index is None else source.place_of_index(index)
    if place is None or place >= head.size:
        raise _absent(source, leaf_hash or str(index))
    entry = next(source.entries(head, place, place + 1))[0]
    return _proven(entry, head, source.inclusion(head, place), entry.promise)


def prove_rekor1(found: LogEntry, root: TrustedRoot) -> ProvenEntry:
    """Check the proof that a Rekor v1 sends with an entry."""
    proof = found.inclusion_proof
    if proof is None:
        raise VerificationError("inclusion-proof-missing", "log entry has no inclusion proof")
    head = open_head("rekor1", proof.checkpoint, root)
    entry = RawEntry(proof.log_index, found.body, found.integrated_time, found.log_index)
    return _proven(entry, head, proof.hashes, found.signed_entry_timestamp)


def _proven(entry: RawEntry, head: Head, hashes: tuple[bytes, ...], set_bytes: bytes = b"") -> ProvenEntry:
    merkle.verify_inclusion(entry.leaf_hash, entry.index, head.size, hashes, head.root)
    return ProvenEntry(entry, head, hashes, set_bytes)


def _path(source: LogSource, head: Head, entry: RawEntry) -> tuple[bytes, ...]:
    if isinstance(source, CtSource):
        found = source.inclusion(head, entry.leaf_hash)
        if found is None or found[0] != entry.index:
            raise VerificationError(
                "inclusion-proof-mismatch", "log does not find the entry that it serves in its tree"
            )
        return found[1]
    if isinstance(source, TiledSource):
        return source.inclusion(head, entry.index)
    raise UsageError("log-cannot-look-up", f"{source.url} gives no proofs")


def root_of(source: LogSource, size: int) -> bytes:
    """The root of the open tree's first ``size`` entries, by a proof that leads to the head that the log signed.

    Raises UsageError ``log-size-beyond``, UncheckedError ``log-root-unknown`` for the one size that no proof shows.
    """
    head = source.heads()[-1]
    if size > head.size:
        raise UsageError("log-size-beyond", f"the tree has {head.size} entries, fewer than {size}")
    if size in (0, head.size):
        return head.root if size else merkle.empty_root()
    whole = size & (size - 1) == 0  # its proof would not hold it; one leaf more, and it does
    asked = size + 1 if whole else size
    if whole and (size == 1 or asked == head.size):
        return _root_by_reading(source, head, size)
    part = check_start(asked, head.size, source.consistency(head, asked, head.size), head.root)
    return part.hashes[0] if whole else part.root()


def _root_by_reading(source: LogSource, head: Head, size: int) -> bytes:
    """The root over entries that are read, checked by the proof that it leads to the head."""
    if size > SCAN:
        raise UncheckedError(
            "log-root-unknown", f"no proof shows the root of {size} entries while the tree has one more", hint="wait"
        )
    batches = source.entries(head, 0, size)
    root = CompactRange().appended(entry.leaf_hash for batch in batches for entry in batch).root()
    found = follow_consistency(size, head.size, source.consistency(head, size, head.size), root)
    if found.new_root != head.root:
        raise VerificationError(
            "consistency-proof-mismatch",
            "consistency proof leads to another root: the log's two trees do not share a history",
            facts={"size": head.size, "expected": head.root.hex(), "got": found.new_root.hex()},
        )
    return root


def scan(
    source: LogSource, first: int | None, stop: int | None, *, most: int = SCAN
) -> Iterator[tuple[Head, RawEntry]]:
    """The entries of a range of the open tree, by default the last ``most``."""
    head = source.heads()[-1]
    stop = head.size if stop is None else min(stop, head.size)
    first = max(0, stop - most) if first is None else first
    for batch in source.entries(head, first, stop) if first < stop else ():
        for entry in batch:
            yield head, entry


def _absent(source: LogSource, name: str) -> UncheckedError:
    return UncheckedError("log-entry-absent", f"log at {source.url} has no entry {name}", facts={"url": source.url})


@frozen
class EntryName:
    """``index`` or ``uuid``, and the log's ``url`` where the name tells it."""

    index: int | None = None
    uuid: str = ""
    url: str = ""


def entry_name(text: str) -> EntryName:
    """Read a name. Raises UsageError ``log-entry-name``."""
    if _INDEX.match(text):
        return EntryName(int(text))
    if _UUID.match(text.lower()):
        return EntryName(uuid=text.lower())
    try:
        parts = urlsplit(text)
        found = _of_url(parts.scheme, parts.netloc, parts.path, parse_qs(parts.query))
    except ValueError:
        found = None
    if found is None:
        raise UsageError(
            "log-entry-name", f"{text[:200]} names no log entry", hint="give its index, its UUID or its URL"
        )
    return found


def _of_url(scheme: str, host: str, path: str, query: dict[str, list[str]]) -> EntryName | None:
    if scheme not in ("http", "https") or not host:
        return None
    url = _PAGES.get(host, f"{scheme}://{host}{path.partition(_PATH)[0].rstrip('/')}")
    uuid = (query.get("uuid") or [path.rpartition("/")[2]])[0].lower()
    index = (query.get("logIndex") or [""])[0]
    if _INDEX.match(index):
        return EntryName(int(index), url=url)
    return EntryName(uuid=uuid, url=url) if _UUID.match(uuid) else None
