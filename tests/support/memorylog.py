"""Logs in memory for tests of the monitor: one of any size that signs nothing, and one that signs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import Batch, RawEntry
from tests.support.logs import Key
from tests.support.logs import MemoryLog as SignedLog
from tests.support.smalltree import LOG


def leaf(number: int) -> bytes:
    return b'{"apiVersion":"0.0.1","kind":"entry","spec":%d}' % number


@dataclass
class MemoryLog:
    """``size`` entries in batches of ``width``; ``on_batch`` is called before each."""

    size: int
    width: int = 8
    kind: Kind = "rekor2"
    url: str = "memory:"
    on_batch: Callable[[], None] = lambda: None
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    stored: int = 0

    def hash_at(self, level: int, index: int) -> bytes:
        while self.stored < self.size:
            hashed = merkle.leaf_hash(leaf(self.stored))
            for node_level, node_index, value in merkle.complete_subtrees(self.stored, hashed, self._node):
                self.nodes[node_level, node_index] = value
            self.stored += 1
        return self._node(level, index)

    def _node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def heads(self) -> tuple[Head, ...]:
        return (Head(LOG, "memory", self.size, merkle.root(self.size, self.hash_at), b"signed %d" % self.size),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        del head
        return merkle.prove_consistency(first, last, self.hash_at)

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        del head
        for at in range(start, stop, self.width):
            self.on_batch()
            yield tuple(
                RawEntry(index, leaf(index), log_index=index) for index in range(at, min(at + self.width, stop))
            )

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        del head
        return index if leaf_hash == merkle.leaf_hash(leaf(index)) else None


def whole_range(size: int) -> CompactRange:
    return CompactRange().appended(merkle.leaf_hash(leaf(number)) for number in range(size))


@dataclass
class SignedSource:
    """A log that signs its entries, as a source that counts what it gives. ``log`` takes entries (``append``)."""

    log: SignedLog
    kind: Kind = "rekor2"
    url: str = "memory:signed"
    width: int = 8
    given: int = 0

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot(tlogs=(self.log.trusted(),))

    def heads(self) -> tuple[Head, ...]:
        return (open_head(self.kind, self.log.checkpoint(), self.root),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        del head
        return merkle.prove_consistency(first, last, self.log.hash_at)

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        del head
        for at in range(start, stop, self.width):
            found = tuple(
                RawEntry(index, self.log.bodies[index], log_index=index)
                for index in range(at, min(at + self.width, stop))
            )
            self.given += len(found)
            yield found

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        del head
        return index if leaf_hash == merkle.leaf_hash(self.log.bodies[index]) else None


def signed_source(*bodies: bytes, name: str = "memory.example", key: Key | None = None) -> SignedSource:
    log = SignedLog(name, tiled=True, key=key)
    for body in bodies:
        log.append(body)
    return SignedSource(log)
