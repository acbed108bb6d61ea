"""The reading side of a log of any kind: heads, consistency proofs, entries, and where an entry stands."""

from collections.abc import Iterator
from typing import Protocol

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.ctleaf import CtEntry
from gitsign_py.errors import VerificationError
from gitsign_py.monitor.heads import Head, Kind


@frozen
class RawEntry:
    """An entry as the log served it. ``leaf`` is what its tree hashes; ``index`` counts in its tree.

    ``time`` is what the log states (POSIX seconds), 0 where it states none; ``log_index`` counts over all trees of a
    Rekor v1, whose SET is the ``promise``; ``ct`` are the parts of a CT log's entry.
    """

    index: int
    leaf: bytes
    time: int = 0
    log_index: int = 0
    ct: CtEntry | None = None
    promise: bytes = b""


Batch = tuple[RawEntry, ...]


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


def withheld(head: Head, index: int, why: str) -> VerificationError:
    """The refusal of a log that does not give an entry which its tree holds."""
    return VerificationError(
        "entry-withheld",
        f"log {head.tree} signed a tree of {head.size} entries and does not give entry {index}: {why}",
        facts={"tree": head.tree, "index": index, "size": head.size},
    )
