"""Merkle trees as RFC 6962 §2 defines them, both ways: prove and verify. SHA-256, 32-byte hashes.

A tree of n leaves splits after the largest power of two below n, so each left part is a *complete subtree*: 2**level
leaves that start at leaf ``index * 2**level``. Those never change when the tree grows. A log that keeps them proves
with O(log n) look-ups through ``hash_at(level, index)`` and holds no leaves.

Proofs are checked for their exact length first: each index and size allows one length alone.
"""

from collections.abc import Callable, Iterator, Sequence

from gitsign_py.core import digests
from gitsign_py.errors import VerificationError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1  # tree sizes are int64 in Rekor's messages
HashAt = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || data) (RFC 6962 §2.1)."""
    return digests.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right) (RFC 6962 §2.1)."""
    return digests.sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    """Root of the tree with no leaves: SHA-256 of nothing (RFC 6962 §2.1)."""
    return digests.sha256().digest()


# --- proving ---------------------------------------------------------------------------------------------------------


def root(size: int, hash_at: HashAt) -> bytes:
    """Root of the tree of the first ``size`` leaves (0 to 2**63-1). Raises ValueError for another size."""
    _check_size(size)
    return _range_hash(0, size, hash_at) if size else empty_root()


def prove_inclusion(index: int, size: int, hash_at: HashAt) -> tuple[bytes, ...]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, nearest sibling first (RFC 6962 §2.1.1).

    Raises ValueError unless 0 <= index < size.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:  # from the root down; each step notes the sibling of the part that holds the leaf
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_hash(start, middle, hash_at))
            start = middle
    return tuple(reversed(path))


def prove_consistency(size1: int, size2: int, hash_at: HashAt) -> tuple[bytes, ...]:
    """Proof that the tree of ``size1`` leaves is a prefix of that of ``size2`` (RFC 6962 §2.1.2).

    Raises ValueError unless 0 <= size1 <= size2. Empty for size1 0 or size1 == size2.
    """
    _check_size(size2)
    if not 0 <= size1 <= size2:
        raise ValueError(f"a tree of {size1} is no prefix of one of {size2}")
    if size1 in (0, size2):
        return ()
    path: list[bytes] = []
    start, end = 0, size2
    while size1 != end:  # SUBPROOF ends where the old tree's right edge is the edge of a part
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_hash(start, middle, hash_at))
            start = middle
    if start:  # the old tree itself is not sent: the verifier knows its root
        path.append(_range_hash(start, end, hash_at))
    return tuple(reversed(path))


def complete_subtrees(size: int, leaf: bytes, hash_at: HashAt) -> list[tuple[int, int, bytes]]:
    """The complete subtrees that leaf number ``size`` (its hash is ``leaf``) completes, as (level, index, hash).

    The leaf itself comes first, at level 0. ``hash_at`` is asked for earlier subtrees alone.
    """
    _check_size(size)
    nodes = [(0, size, leaf)]
    level, index, value = nodes[0]
    while index & 1:  # a right child completes its parent
        value = node_hash(hash_at(level, index - 1), value)
        level, index = level + 1, index >> 1
        nodes.append((level, index, value))
    return nodes


def _split(size: int) -> int:
    """The largest power of two smaller than ``size`` (RFC 6962 §2.1), for size >= 2."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(start: int, end: int, hash_at: HashAt) -> bytes:
    """MTH(D[start:end]) for a part that a split produces, so that ``start`` is a multiple of its first subtree."""
    value = b""
    size = end - start
    while size:  # the binary digits of the size are its complete subtrees, smallest rightmost: fold from the right
        level = (size & -size).bit_length() - 1
        size &= size - 1
        part = hash_at(level, start + size >> level)
        value = node_hash(part, value) if value else part
    return value


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise ValueError(f"tree size {size} is not between 0 and {MAX_SIZE}")


# --- verifying -------------------------------------------------------------------------------------------------------


def root_from_inclusion_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162 §2.1.3.2). ``leaf`` is a leaf *hash*.

    Raises VerificationError ``inclusion-index-not-below-size``, ``inclusion-proof-too-short``,
    ``inclusion-proof-too-long`` or ``inclusion-proof-hash-length``.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise VerificationError(
            "inclusion-index-not-below-size",
            "log entry's index is not below the size of the tree that should hold it",
            facts={"index": index, "size": size},
        )
    inner, border = _path_shape(index, size)
    _check_proof("inclusion", (leaf, *proof), inner + border + 1)
    value = _fold_inner(leaf, proof[:inner], index)
    return _fold_left(value, proof[inner:])


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf hash ``leaf`` is number ``index`` of the tree of ``size`` leaves with this root.

    Raises VerificationError as ``root_from_inclusion_proof`` does, or ``inclusion-proof-mismatch``.
    """
    found = root_from_inclusion_proof(leaf, index, size, proof)
    if found != root:
        raise VerificationError(
            "inclusion-proof-mismatch",
            "inclusion proof leads to another root: the log does not hold this entry there",
            facts={"expected": root.hex(), "got": found.hex()},
        )


def climb(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> Iterator[tuple[bool, bytes, bytes]]:
    """The way from a leaf hash to the root: whether the sibling stands left, the sibling, and the hash over both.

    The proof is one that ``verify_inclusion`` took.
    """
    inner, _ = _path_shape(index, size)
    for level, sibling in enumerate(proof):
        is_left = level >= inner or bool(index >> level & 1)
        leaf = node_hash(sibling, leaf) if is_left else node_hash(leaf, sibling)
        yield is_left, sibling, leaf


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the tree (size1, root1) is a prefix of the tree (size2, root2) (RFC 9162 §2.1.4.2).

    Raises VerificationError ``consistency-size-order``, ``consistency-proof-too-short``, ``-too-long``,
    ``-hash-length`` or ``-mismatch`` (all start with ``consistency-proof`` but the first).
    """
    if not 0 <= size1 <= size2 <= MAX_SIZE:
        raise VerificationError(
            "consistency-size-order",
            "log shrank: its new tree is smaller than the one seen before",
            facts={"size1": size1, "size2": size2},
        )
    if size1 in (0, size2):  # nothing to prove: the roots are known
        _check_proof("consistency", proof, 0)
        if size1 == 0:
            _same_root(empty_root(), root1, size1)
        if size1 == size2:
            _same_root(root2, root1, size1)
        return
    check_consistency_length(size1, size2, proof)
    seed, path = (root1, proof) if size1 & (size1 - 1) == 0 else (proof[0], proof[1:])
    position, inner = consistency_path(size1, size2)
    lefts = [part for level, part in enumerate(path[:inner]) if position >> level & 1]
    _same_root(_fold_left(_fold_left(seed, lefts), path[inner:]), root1, size1)
    _same_root(fold_path(seed, path, position, inner), root2, size2)


def check_consistency_length(size1: int, size2: int, proof: Sequence[bytes]) -> None:
    """Refuse a consistency proof of another length than 0 < size1 < size2 have (RFC 9162 §2.1.4.2)."""
    inner, border = _path_shape(size1 - 1, size2)
    skip = (size1 & -size1).bit_length() - 1
    _check_proof("consistency", proof, inner - skip + border + (0 if size1 == 1 << skip else 1))


def consistency_path(size1: int, size2: int) -> tuple[int, int]:
    """Position of the old tree's last complete part on its level, and how far its path runs below the right edge.

    A power of two is such a part by itself; then a proof does not hold it.
    """
    skip = (size1 & -size1).bit_length() - 1
    return size1 - 1 >> skip, _path_shape(size1 - 1, size2)[0] - skip


def fold_path(seed: bytes, path: Sequence[bytes], position: int, inner: int) -> bytes:
    """The root that a path leads to, ``inner`` of it below the right edge."""
    return _fold_left(_fold_inner(seed, path[:inner], position), path[inner:])


def _path_shape(index: int, size: int) -> tuple[int, int]:
    """Lengths of a path's two parts: below the point where it meets the tree's right edge, and along that edge.

    Along the right edge only left siblings exist, one for each 1 bit of the index above that point.
    """
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _fold_inner(value: bytes, path: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(path):
        value = node_hash(sibling, value) if index >> level & 1 else node_hash(value, sibling)
    return value


def _fold_left(value: bytes, path: Sequence[bytes]) -> bytes:
    for sibling in path:
        value = node_hash(sibling, value)
    return value


def _check_proof(kind: str, hashes: Sequence[bytes], expected: int) -> None:
    if len(hashes) != expected:
        which = "short" if len(hashes) < expected else "long"
        raise VerificationError(
            f"{kind}-proof-too-{which}",
            f"{kind} proof is too {which} for its index and size",
            facts={"expected": expected, "got": len(hashes)},
        )
    if any(len(value) != HASH_BYTES for value in hashes):
        raise VerificationError(f"{kind}-proof-hash-length", f"{kind} proof has a hash that is not of 32 bytes")


def _same_root(found: bytes, expected: bytes, size: int) -> None:
    if found != expected:
        raise VerificationError(
            "consistency-proof-mismatch",
            "consistency proof leads to another root: the log's two trees do not share a history",
            facts={"size": size, "expected": expected.hex(), "got": found.hex()},
        )
