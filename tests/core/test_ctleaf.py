"""Entries of CT logs out of get-entries and out of data tiles: the same leaf, and nothing that is not in it."""

import pytest

from gitsign_py.core.encoding import opaque
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog import sct
from gitsign_py.core.tlog.ctleaf import certificate_of, parse_ct_entry, split_data_tile
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
    first = parse_ct_entry(X509, CHAIN)
    second = parse_ct_entry(PRECERT, opaque(CERTIFICATE, 3) + CHAIN)
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
        certificate_of(parse_ct_entry(leaf, opaque(CERTIFICATE, 3) + CHAIN))
    assert caught.value.reason == "ct-entry-malformed"


@pytest.mark.parametrize(
    ("leaf", "extra"),
    [
        (b"", b""),
        (X509[:-1], CHAIN),
        (X509 + b"\0", CHAIN),
        (b"\1" + X509[1:], CHAIN),
        (b"\0\1" + X509[2:], CHAIN),
        (X509[:10] + b"\0\7" + X509[12:], CHAIN),
        (X509, CHAIN + b"\0"),
        (X509, b""),
        (PRECERT, CHAIN),
    ],
    ids=["empty", "short", "long", "version", "type", "entry type", "extra long", "no extra", "no certificate"],
)
def test_anything_else_is_refused(leaf: bytes, extra: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_ct_entry(leaf, extra)
    assert caught.value.reason == "ct-entry-malformed"


@pytest.mark.parametrize(
    "data", [b"", TILE[:-1], X509[2:] + opaque(b"\1" * 63, 2)], ids=["empty", "short", "fingerprints"]
)
def test_a_tile_that_is_short_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        split_data_tile(data, 2)
    assert caught.value.reason == "ct-entry-malformed"
