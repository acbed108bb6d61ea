"""A replica in the log's place: the same heads, proofs and entries, from a folder and without a network."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.ctleaf import read_ct_entry, unread_entry
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.hashedrekord import stated_kind
from gitsign_py.core.tlog.tiles import TILE_WIDTH, hash_at_of, tile_width
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import VerificationError
from gitsign_py.monitor.heads import CT_KINDS, Head, Kind, open_head
from gitsign_py.monitor.replica import Replica, replicas
from gitsign_py.monitor.sources import GROUP_BYTES, Batch, RawEntry
from gitsign_py.monitor.tilesources import bundles


class ReplicaSource:
    """One replica, its checkpoint verified with the trust root as the log's own would be."""

    def __init__(self, replica: Replica, root: TrustedRoot) -> None:
        self._replica, self._root = replica, root
        self.kind: Kind = replica.kind()
        self.url = str(replica.folder)

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        return (open_head(self.kind, self._replica.checkpoint(), self._root),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource."""
        del head
        return merkle.prove_consistency(first, last, hash_at_of(self._replica.tile, last))

    def inclusion(self, head: Head, index: int) -> tuple[bytes, ...]:
        """The path of an entry."""
        return merkle.prove_inclusion(index, head.size, hash_at_of(self._replica.tile, head.size))

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource."""
        for number, first, last in bundles(start, stop):
            found = self._replica.bundle(number, tile_width(0, number, head.size))
            base = number * TILE_WIDTH
            yield from self._kept(found, base, first, last)

    def _kept(self, found: Batch, base: int, first: int, last: int) -> Iterator[Batch]:
        """The entries of a bundle with what the index has of them; large ones are not held all at once."""
        group: list[RawEntry] = []
        held = 0
        for place, log_index, time, promise, leaf_hash, is_apart in self._replica.index.kept(first, last):
            one = self._apart(place, leaf_hash) if is_apart else found[place - base]
            group.append(replace(one, time=time, log_index=log_index, promise=promise))
            held += len(one.leaf)
            if held >= GROUP_BYTES:
                yield tuple(group)
                group, held = [], 0
        if group:
            yield tuple(group)

    def _apart(self, place: int, leaf_hash: bytes) -> RawEntry:
        """An entry that its bundle has no room for."""
        body = self._replica.index.body(place)
        hashed, problem = (b"", "") if body else (leaf_hash, "the log did not give it when the replica was made")
        if self.kind not in CT_KINDS:
            return RawEntry(place, body, problem=problem, hashed=hashed)
        one = read_ct_entry(body, b"") if body else unread_entry(b"", problem)
        return RawEntry(place, body, ct=one, problem=one.problem, hashed=hashed)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource."""
        del head, index
        return self._replica.index.place_of_leaf(leaf_hash)

    def place_of_index(self, log_index: int) -> int | None:
        """Where the entry of a log-wide index stands in the tree."""
        return self._replica.index.place_of_index(log_index)

    def people(self, most: int) -> tuple[tuple[str, str, int, int, int], ...]:
        """See Replica."""
        return self._replica.index.people(most)

    def find(self, term: str) -> Iterator[tuple[Head, RawEntry]]:
        """The entries with a term of the index."""
        (head,) = self.heads()
        for place in self._replica.index.find(term):
            if place < head.size:
                yield head, next(self.entries(head, place, place + 1))[0]

    def log_entry(self, head: Head, entry: RawEntry) -> LogEntry:
        """An entry with its proof, as verification takes it."""
        kind, version = stated_kind(entry.leaf)
        proof = InclusionProof(entry.index, head.root, head.size, self.inclusion(head, entry.index), head.signed)
        log_id = head.log.log_id
        return LogEntry(entry.log_index, log_id, kind, version, entry.time, entry.promise, proof, entry.leaf)


def open_replicas(folder: Path, root: TrustedRoot) -> tuple[ReplicaSource, ...]:
    """The replicas in a folder. Raises ConfigError ``replica-unusable``."""
    return tuple(ReplicaSource(replica, root) for replica in replicas(folder))


def find_logged(sources: Sequence[ReplicaSource], digest: bytes) -> tuple[LogEntry, ...]:
    """The entries over a SHA-256 digest, proven by the replicas' checkpoints.

    A folder may hold replicas of other instances too. Raises VerificationError ``log-unknown`` when all of them are.
    """
    found: list[LogEntry] = []
    unknown: list[VerificationError] = []
    for source in sources:
        try:
            found += (source.log_entry(head, entry) for head, entry in source.find(f"sha256:{digest.hex()}"))
        except VerificationError as error:
            if error.reason != "log-unknown":
                raise
            unknown.append(error)
    if unknown and len(unknown) == len(sources):
        raise unknown[0]
    return tuple(found)
