"""The reading side of a log of any kind: heads, consistency proofs, entries, and where an entry stands."""

from collections.abc import Iterator
from typing import Protocol

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.ctleaf import CtEntry
from gitsign_py.errors import ServiceError, VerificationError
from gitsign_py.monitor.heads import Head, Kind


@frozen
class RawEntry:
    """An entry as the log served it. ``leaf`` is what its tree hashes; ``index`` counts in its tree.

    ``time`` is what the log states (POSIX seconds), 0 where it states none; ``log_index`` counts over all trees of a
    Rekor v1, whose SET is the ``promise``; ``ct`` are the parts of a CT log's entry. ``problem`` says why it cannot be
    read; ``hashed`` is the leaf hash of one whose leaf the log does not give, which is empty then.
    """

    index: int
    leaf: bytes
    time: int = 0
    log_index: int = 0
    ct: CtEntry | None = None
    promise: bytes = b""
    problem: str = ""
    hashed: bytes = b""

    @property
    def leaf_hash(self) -> bytes:
        """The hash that the tree has of it."""
        return self.hashed or merkle.leaf_hash(self.leaf)


Batch = tuple[RawEntry, ...]
GROUP_BYTES = 64 << 20
"""Of entries that are held at once: some thousand usual ones have less, and anybody can log large ones."""


def weight(batch: Batch) -> int:
    """The bytes that entries hold."""
    parts = (one.ct for one in batch if one.ct is not None)
    return sum(len(one.leaf) for one in batch) + sum(len(ct.certificate) + sum(map(len, ct.issuers)) for ct in parts)


class LogSource(Protocol):
    """One log over the network, or a replica of it."""

    kind: Kind
    url: str

    def heads(self) -> tuple[Head, ...]:
        """Every tree of the log, verified; the one that grows comes last. Raises ServiceError, VerificationError."""
        ...

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """The proof between two sizes of a tree, 0 < first < last, unverified."""
        ...

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """The entries of a tree in order, in batches. Raises VerificationError ``entry-withheld`` for one left out."""
        ...

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """Where the log's own tree has this leaf: at ``index``, elsewhere, or nowhere (None)."""
        ...


def too_large(error: ServiceError, wanted: int) -> bool:
    """Whether an answer over ``wanted`` entries was larger than may be read, so that they are asked for one by one."""
    return error.reason == "service-answer-too-large" and wanted > 1


def beyond_bounds(source: LogSource, head: Head, index: int, error: ServiceError) -> bytes:
    """The leaf hash of an entry that is too large to be read: one that somebody logs must not hide those after it.

    The proof between the trees without and with it holds its hash (RFC 6962 §2.1.2): after the smallest subtree before
    it, which a tree of a power of two has no need of. A hash that a log makes up does not lead to the root that it
    signed. Raises ``error`` where it is another one, and for the first entry, which no such proof holds.
    """
    if error.reason != "service-answer-too-large" or index == 0:
        raise error
    proof = source.consistency(head, index, index + 1)
    place = 1 if index & (index - 1) else 0
    if len(proof) <= place:
        raise error
    return proof[place]


def withheld(head: Head, index: int, why: str) -> VerificationError:
    """The refusal of a log that does not give an entry which its tree holds."""
    return VerificationError(
        "entry-withheld",
        f"log {head.tree} signed a tree of {head.size} entries and does not give entry {index}: {why}",
        facts={"tree": head.tree, "index": index, "size": head.size},
    )
