"""Compact ranges: the few hashes by which a tree is known and grows, without its leaves.

A tree of n leaves is the sequence of complete subtrees that the binary digits of n name, largest first. A reader that
keeps their hashes appends leaves and knows every root on the way, in memory that does not grow with the log.
"""

import hashlib
from collections.abc import Iterable, Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import merkle
from gitsign_py.errors import FormatError, VerificationError

_sha256 = hashlib.sha256


@frozen
class CompactRange:
    """The first ``size`` leaves: ``hashes`` (32 bytes each) of their complete subtrees, the largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count() or any(len(each) != merkle.HASH_BYTES for each in self.hashes):
            raise FormatError("log-range-malformed", "hashes do not fit the size of the tree that they stand for")

    def appended(self, leaf_hashes: Iterable[bytes]) -> "CompactRange":
        """The range with more leaves, each by its leaf hash."""
        size, stack = self.size, list(self.hashes)
        for value in leaf_hashes:
            rest = size
            while rest & 1:  # a right child completes its parent
                value = _sha256(b"\x01" + stack.pop() + value).digest()  # noqa: PLW2901 - goes up the tree
                rest >>= 1
            stack.append(value)
            size += 1
        return CompactRange(size, tuple(stack))

    def root(self) -> bytes:
        """Root hash of the tree (RFC 6962 §2.1)."""
        if not self.hashes:
            return merkle.empty_root()
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = merkle.node_hash(left, value)
        return value

    def encoded(self) -> bytes:
        """The hashes one after the other, to be kept beside the size."""
        return b"".join(self.hashes)


def decode_range(size: int, data: bytes) -> CompactRange:
    """Read what ``encoded`` gave. Raises FormatError ``log-range-malformed``."""
    return CompactRange(size, tuple(data[at : at + merkle.HASH_BYTES] for at in range(0, len(data), merkle.HASH_BYTES)))


@frozen
class ConsistencyRoots:
    """Where a consistency proof leads: the ``old`` tree as a range, and the root of the ``new`` one."""

    old: CompactRange
    new_root: bytes


def follow_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes) -> ConsistencyRoots:
    """Follow a proof between trees of ``size1`` and ``size2`` leaves to both roots, comparing them with nothing.

    The hashes left of the path are the old tree's own complete subtrees: with them its growth can be followed. Of a
    tree whose size is a power of two the proof holds nothing, and ``root1`` is its one subtree. Needs
    0 < size1 < size2; raises VerificationError ``consistency-...`` for a proof of another length.
    """
    merkle.check_consistency_length(size1, size2, proof)
    skip = (size1 & -size1).bit_length() - 1
    whole = size1 == 1 << skip
    seed, path = (root1, tuple(proof)) if whole else (proof[0], tuple(proof[1:]))
    position, inner = merkle.consistency_path(size1, size2)
    lefts = [part for level, part in enumerate(path[:inner]) if position >> level & 1]
    old = CompactRange(size1, tuple(reversed([seed, *lefts, *path[inner:]])))
    return ConsistencyRoots(old, merkle.fold_path(seed, path, position, inner))


def old_range(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> CompactRange:
    """Check a consistency proof (0 < size1 < size2) and give the old tree as a range.

    Raises VerificationError as ``merkle.verify_consistency`` does.
    """
    merkle.verify_consistency(size1, size2, proof, root1, root2)
    return follow_consistency(size1, size2, proof, root1).old


def check_start(size1: int, size2: int, proof: Sequence[bytes], root2: bytes) -> CompactRange:
    """The range of a first part that no root was kept of: a proof that leads to ``root2`` vouches for its subtrees.

    ``size1`` is no power of two (then the proof holds the old tree whole). Raises VerificationError
    ``consistency-proof-mismatch`` and as ``follow_consistency`` does.
    """
    found = follow_consistency(size1, size2, proof, b"")
    if found.new_root != root2:
        raise VerificationError(
            "consistency-proof-mismatch",
            "consistency proof leads to another root: the log's two trees do not share a history",
            facts={"size": size2, "expected": root2.hex(), "got": found.new_root.hex()},
        )
    return found.old
