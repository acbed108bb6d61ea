"""Entries of CT logs out of get-entries and out of data tiles: the same leaf, and nothing that is not in it."""

import pytest

from gitsign_py.core.encoding import opaque
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog import sct
from gitsign_py.core.tlog.ctleaf import UNREAD, certificate_of, encode_tile_leaf, read_ct_entry, split_data_tile
from gitsign_py.errors import FormatError
from tests.support.rekor2kit import CERTIFICATE

TIME = 1_700_000_000_000
TBS = sct.precertificate_tbs(parse_certificate(CERTIFICATE))
ISSUER_KEY = b"\x09" * 32
EXTENSIONS = b"\0\0\5\0\0\0\0\1"
X509 = sct.merkle_tree_leaf(TIME, sct.X509_ENTRY, opaque(CERTIFICATE, 3), EXTENSIONS)
PRECERT = sct.merkle_tree_leaf(TIME, sct.PRECERT_ENTRY, ISSUER_KEY + opaque(TBS, 3), EXTENSIONS)
CHAIN = opaque(opaque(b"issuer", 3), 3)
TILE = X509[2:] + opaque(b"\1" * 64, 2) + PRECERT[2:] + opaque(CERTIFICATE, 3) + opaque(b"", 2)


def test_a_certificate_and_a_precertificate() -> None:
    first = read_ct_entry(X509, CHAIN)
    second = read_ct_entry(PRECERT, opaque(CERTIFICATE, 3) + CHAIN)
    assert (first.leaf, first.timestamp_ms, first.entry_type, first.certificate) == (X509, TIME, 0, CERTIFICATE)
    assert (second.leaf, second.entry_type, second.certificate) == (PRECERT, 1, CERTIFICATE)
    assert certificate_of(first).raw == certificate_of(second).raw == CERTIFICATE


def test_a_data_tile_holds_the_same_leaves() -> None:
    first, second = split_data_tile(TILE, 2)
    assert (first.leaf, second.leaf) == (X509, PRECERT)
    assert (first.certificate, second.certificate) == (CERTIFICATE, CERTIFICATE)
    assert split_data_tile(TILE, 1) == (first,)


def test_a_certificate_that_the_leaf_is_not_over_is_refused() -> None:
    leaf = sct.merkle_tree_leaf(TIME, sct.PRECERT_ENTRY, ISSUER_KEY + opaque(TBS[:-1] + b"\0", 3), EXTENSIONS)
    with pytest.raises(FormatError) as caught:
        certificate_of(read_ct_entry(leaf, opaque(CERTIFICATE, 3) + CHAIN))
    assert caught.value.reason == "ct-entry-malformed"


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        X509[:-1],
        X509 + b"\0",
        b"\1" + X509[1:],
        b"\0\1" + X509[2:],
        X509[:10] + b"\0\7" + X509[12:],
    ],
    ids=["empty", "short", "long", "version", "type", "entry type"],
)
def test_a_leaf_of_another_form_is_an_entry_with_a_problem(leaf: bytes) -> None:
    """It is kept as it is: the tree hashes it. A data tile has an empty place for it, and the next entry after that."""
    entry = read_ct_entry(leaf, CHAIN)
    assert (entry.leaf, entry.entry_type, entry.certificate) == (leaf, UNREAD, b"")
    assert entry.problem.count("entry of the CT log is malformed: ") == 1
    place, after = split_data_tile(encode_tile_leaf(entry) + TILE, 2)
    assert (place.leaf, bool(place.problem), after.leaf) == (b"", True, X509)


@pytest.mark.parametrize("extra", [b"", CHAIN + b"\0", CHAIN[:-1]], ids=["none", "long", "short"])
def test_what_is_beside_a_leaf_hides_no_certificate(extra: bytes) -> None:
    first = read_ct_entry(X509, extra)
    assert (first.certificate, first.chain, first.problem) == (CERTIFICATE, (), "")
    second = read_ct_entry(PRECERT, extra)
    assert (second.leaf, second.entry_type, second.certificate) == (PRECERT, 1, b"")
    assert second.problem
    assert split_data_tile(encode_tile_leaf(second), 1)[0].problem


def test_an_entry_of_an_unknown_form_ends_a_data_tile() -> None:
    """The form says how long it is: nothing tells where the next one begins."""
    odd = X509[2:10] + b"\0\7" + X509[12:]
    found = split_data_tile(TILE[: len(X509[2:]) + 66] + odd + TILE, 4)
    assert [one.leaf for one in found] == [X509]


@pytest.mark.parametrize(
    "data", [b"", TILE[:-1], X509[2:] + opaque(b"\1" * 63, 2)], ids=["empty", "short", "fingerprints"]
)
def test_a_tile_that_is_short_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        split_data_tile(data, 2)
    assert caught.value.reason == "ct-entry-malformed"
