"""Merkle trees against a slow reference tree that follows the recursive definitions of RFC 6962 §2 word by word."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsign_py.core.tlog import merkle
from gitsign_py.errors import VerificationError
from tests.support import vectors
from tests.support.smalltree import hash_at

LARGEST = 70
LEAVES = [merkle.leaf_hash(b"leaf %d" % number) for number in range(300)]


def reference_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = reference_split(len(leaves))
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def reference_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def reference_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = reference_split(len(leaves))
    if m < k:
        return [*reference_path(m, leaves[:k]), reference_root(leaves[k:])]
    return [*reference_path(m - k, leaves[k:]), reference_root(leaves[:k])]


def reference_consistency(m: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if known else [reference_root(leaves)]
    k = reference_split(len(leaves))
    if m <= k:
        return [*reference_consistency(m, leaves[:k], known), reference_root(leaves[k:])]
    return [*reference_consistency(m - k, leaves[k:], False), reference_root(leaves[:k])]


ROOTS = [reference_root(LEAVES[:size]) for size in range(LARGEST + 1)]


def store() -> Callable[[int, int], bytes]:
    """All complete subtrees of the leaves, grown leaf by leaf as a server does."""
    nodes: dict[tuple[int, int], bytes] = {}

    def hash_at(level: int, index: int) -> bytes:
        return nodes[level, index]

    for number, leaf in enumerate(LEAVES):
        for level, index, value in merkle.complete_subtrees(number, leaf, hash_at):
            assert (level, index) not in nodes
            nodes[level, index] = value
    return hash_at


HASH_AT = store()


def refused(index: int, size: int, proof: list[bytes], root: bytes, leaf: bytes | None = None) -> str:
    with pytest.raises(VerificationError) as caught:
        merkle.verify_inclusion(leaf or LEAVES[index], index, size, proof, root)
    return caught.value.reason


def test_known_hashes_of_the_specification() -> None:
    assert merkle.empty_root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert (
        merkle.node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )


def test_roots_are_those_of_the_reference_tree() -> None:
    assert [merkle.root(size, HASH_AT) for size in range(LARGEST + 1)] == ROOTS


def test_every_inclusion_proof_is_the_reference_s_and_verifies() -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = merkle.prove_inclusion(index, size, HASH_AT)
            assert list(proof) == reference_path(index, LEAVES[:size])
            merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_consistency_proof_is_the_reference_s_and_verifies() -> None:
    for size2 in range(LARGEST + 1):
        for size1 in range(size2 + 1):
            proof = merkle.prove_consistency(size1, size2, HASH_AT)
            if size1:
                assert list(proof) == reference_consistency(size1, LEAVES[:size2])
            merkle.verify_consistency(size1, size2, proof, ROOTS[size1], ROOTS[size2])


def test_each_change_of_an_inclusion_proof_is_refused() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = list(merkle.prove_inclusion(index, size, HASH_AT))
            root = ROOTS[size]
            assert refused(index, size, [*proof, root], root) == "inclusion-proof-too-long"
            assert refused(index, size, proof, root, leaf=LEAVES[size]) == "inclusion-proof-mismatch"
            assert refused(index, size, proof, ROOTS[size - 1]) == "inclusion-proof-mismatch"
            for at in range(len(proof)):
                assert refused(index, size, proof[:at] + proof[at + 1 :], root) == "inclusion-proof-too-short"
                changed = [*proof[:at], merkle.leaf_hash(proof[at]), *proof[at + 1 :]]
                assert refused(index, size, changed, root) == "inclusion-proof-mismatch"
                cut = [*proof[:at], proof[at][:31], *proof[at + 1 :]]
                assert refused(index, size, cut, root) == "inclusion-proof-hash-length"
            for other in set(range(size)) - {index}:
                assert refused(other, size, proof, root, leaf=LEAVES[index]).startswith("inclusion-proof-")


def test_swapped_hashes_of_an_inclusion_proof_are_refused() -> None:
    proof = list(merkle.prove_inclusion(5, 16, HASH_AT))
    assert refused(5, 16, proof[::-1], ROOTS[16]) == "inclusion-proof-mismatch"


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 3), (-1, 4), (2**63 - 1, 2**63 - 1), (0, 2**63)])
def test_an_index_that_is_not_below_the_size_is_refused(index: int, size: int) -> None:
    with pytest.raises(VerificationError) as caught:
        merkle.root_from_inclusion_proof(LEAVES[0], index, size, [])
    assert caught.value.reason == "inclusion-index-not-below-size"


def test_a_leaf_hash_of_another_length_is_refused() -> None:
    assert refused(0, 1, [], b"short", leaf=b"short") == "inclusion-proof-hash-length"


def consistency_refused(size1: int, size2: int, proof: list[bytes], root1: bytes, root2: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        merkle.verify_consistency(size1, size2, proof, root1, root2)
    return caught.value.reason


def test_each_change_of_a_consistency_proof_is_refused() -> None:
    other = merkle.leaf_hash(b"other")
    for size2 in range(1, 20):
        for size1 in range(1, size2 + 1):
            proof = list(merkle.prove_consistency(size1, size2, HASH_AT))
            roots = ROOTS[size1], ROOTS[size2]
            assert consistency_refused(size1, size2, [*proof, other], *roots) == "consistency-proof-too-long"
            assert consistency_refused(size1, size2, proof, other, roots[1]) == "consistency-proof-mismatch"
            assert consistency_refused(size1, size2, proof, roots[0], other) == "consistency-proof-mismatch"
            for at in range(len(proof)):
                shorter = proof[:at] + proof[at + 1 :]
                assert consistency_refused(size1, size2, shorter, *roots) == "consistency-proof-too-short"
                changed = [*proof[:at], other, *proof[at + 1 :]]
                assert consistency_refused(size1, size2, changed, *roots) == "consistency-proof-mismatch"


def test_consistency_at_the_edges() -> None:
    assert consistency_refused(5, 3, [], ROOTS[5], ROOTS[3]) == "consistency-size-order"
    assert consistency_refused(-1, 3, [], ROOTS[0], ROOTS[3]) == "consistency-size-order"
    assert consistency_refused(0, 3, [], ROOTS[1], ROOTS[3]) == "consistency-proof-mismatch"
    assert consistency_refused(0, 0, [], ROOTS[0], ROOTS[1]) == "consistency-proof-mismatch"
    assert consistency_refused(0, 0, [], ROOTS[1], ROOTS[1]) == "consistency-proof-mismatch"
    assert consistency_refused(0, 3, [ROOTS[1]], ROOTS[0], ROOTS[3]) == "consistency-proof-too-long"
    assert consistency_refused(3, 3, [], ROOTS[3], ROOTS[2]) == "consistency-proof-mismatch"
    assert consistency_refused(2, 3, [b"short"], ROOTS[2], ROOTS[3]) == "consistency-proof-hash-length"


def test_provers_refuse_what_no_tree_has() -> None:
    for call in (
        lambda: merkle.prove_inclusion(3, 3, HASH_AT),
        lambda: merkle.prove_inclusion(-1, 3, HASH_AT),
        lambda: merkle.prove_consistency(4, 3, HASH_AT),
        lambda: merkle.root(-1, HASH_AT),
        lambda: merkle.complete_subtrees(2**63, LEAVES[0], HASH_AT),
    ):
        with pytest.raises(ValueError, match=r"tree|prefix"):
            call()


@given(st.integers(1, 300), st.data())
def test_larger_trees_agree_with_the_reference(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = reference_root(LEAVES[:size])
    proof = merkle.prove_inclusion(index, size, HASH_AT)
    assert list(proof) == reference_path(index, LEAVES[:size])
    merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
    earlier = merkle.prove_consistency(index, size, HASH_AT)
    merkle.verify_consistency(index, size, earlier, reference_root(LEAVES[:index]), root)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=70))
@settings(max_examples=200)
def test_random_proofs_are_refused_in_short_time(index: int, size: int, proof: list[bytes]) -> None:
    with pytest.raises(VerificationError):
        merkle.verify_inclusion(LEAVES[0], index, size, proof, ROOTS[7])
    with pytest.raises(VerificationError):
        merkle.verify_consistency(index, size, proof, ROOTS[5], ROOTS[7])


def test_a_consistency_proof_of_a_real_log_verifies() -> None:
    answer = vectors.http_json("probe/rekor1/022-GET_api_v1_log_proof.http")
    proof = [bytes.fromhex(value) for value in answer["hashes"]]
    last = bytes.fromhex(answer["rootHash"])  # of 182 leaves
    first = merkle.node_hash(proof[3], proof[0])  # of 5: the proof starts with leaf 4; leaves 0 to 3 are at level 2
    merkle.verify_consistency(5, 182, proof, first, last)
    assert consistency_refused(5, 512, proof, first, last) == "consistency-proof-too-short"
    assert consistency_refused(5, 182, proof, last, last) == "consistency-proof-mismatch"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 64, 100])
def test_a_climb_ends_at_the_root(size: int) -> None:
    for index in range(size):
        proof = merkle.prove_inclusion(index, size, hash_at)
        steps = list(merkle.climb(hash_at(0, index), index, size, proof))
        assert [sibling for _, sibling, _ in steps] == list(proof)
        assert (steps[-1][2] if steps else hash_at(0, index)) == merkle.root(size, hash_at)
