"""Compact ranges against trees that are counted leaf by leaf, and what consistency proofs show of the old tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange, check_start, decode_range, follow_consistency, old_range
from gitsign_py.errors import FormatError, VerificationError
from tests.support.smalltree import LEAVES, hash_at, root


@given(st.integers(0, 140), st.integers(0, 140))
def test_a_range_grows_into_the_same_tree_in_any_steps(first: int, size: int) -> None:
    first, size = sorted((first, size))
    grown = CompactRange().appended(LEAVES[:first]).appended(LEAVES[first:size])
    assert grown == CompactRange().appended(LEAVES[:size])
    assert grown.root() == root(size)
    assert len(grown.hashes) == size.bit_count()
    assert decode_range(size, grown.encoded()) == grown


def test_hashes_that_do_not_fit_the_size_are_refused() -> None:
    for size, data in ((3, b"\0" * 32), (0, b"\0" * 32), (1, b"\0" * 31), (5, b"\0" * 96)):
        with pytest.raises(FormatError) as caught:
            decode_range(size, data)
        assert caught.value.reason == "log-range-malformed"


@given(st.integers(1, 139), st.integers(2, 140))
def test_a_proof_shows_the_old_tree(size1: int, size2: int) -> None:
    if size1 >= size2:
        return
    proof = merkle.prove_consistency(size1, size2, hash_at)
    old = CompactRange().appended(LEAVES[:size1])
    found = follow_consistency(size1, size2, proof, root(size1))
    assert (found.old, found.new_root) == (old, root(size2))
    assert old_range(size1, size2, proof, root(size1), root(size2)) == old
    assert old.appended(LEAVES[size1:size2]).root() == root(size2)
    if size1 & (size1 - 1):
        assert check_start(size1, size2, proof, root(size2)) == old


@given(st.integers(1, 139), st.integers(2, 140), st.integers(0, 7), st.integers(0, 255))
def test_a_changed_proof_leads_elsewhere(size1: int, size2: int, at: int, bit: int) -> None:
    if size1 >= size2:
        return
    proof = list(merkle.prove_consistency(size1, size2, hash_at))
    at %= len(proof)
    changed = bytearray(proof[at])
    changed[bit // 8] ^= 1 << bit % 8
    proof[at] = bytes(changed)
    found = follow_consistency(size1, size2, proof, root(size1))
    assert (found.old.root(), found.new_root) != (root(size1), root(size2))
    with pytest.raises(VerificationError):
        old_range(size1, size2, proof, root(size1), root(size2))


@pytest.mark.parametrize("change", [[], [b"\0" * 32] * 9, [b"\0"]])
def test_a_proof_of_another_length_is_refused(change: list[bytes]) -> None:
    with pytest.raises(VerificationError) as caught:
        follow_consistency(5, 9, change, root(5))
    assert caught.value.reason.startswith("consistency-proof-")


def test_a_start_is_refused_when_the_proof_misses_the_root() -> None:
    proof = merkle.prove_consistency(5, 9, hash_at)
    with pytest.raises(VerificationError) as caught:
        check_start(5, 9, proof, root(8))
    assert caught.value.reason == "consistency-proof-mismatch"
