"""Trust material from PEM files, in whatever order it stands there."""

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.sigstore.pemtrust import authorities_from_pem, logs_from_pem, timestamp_authorities_from_pem
from gitsign_py.core.tlog import note
from gitsign_py.errors import FormatError
from tests.support import tsafactory
from tests.support.pki import Authority
from tests.support.rsakeys import rsa_key

ROOT, OTHER = Authority("root"), Authority("other root")
MIDDLE = Authority("middle", ROOT)


def pem(*ders: bytes) -> bytes:
    return b"some words between\n".join(pem_encode(der, "CERTIFICATE") for der in ders)


def test_each_root_is_an_authority_with_the_intermediates_below_it() -> None:
    for order in itertools.permutations((ROOT, OTHER, MIDDLE)):
        found = authorities_from_pem(pem(*(one.certificate.raw for one in order)), "https://ca.example")
        assert {one.chain[-1].subject for one in found} == {ROOT.certificate.subject, OTHER.certificate.subject}
        assert all(one.chain[:-1] == (MIDDLE.certificate,) and one.uri == "https://ca.example" for one in found)
        assert all(one.valid_for.start is None and one.valid_for.end is None for one in found)


def test_a_file_without_a_root_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        authorities_from_pem(pem(MIDDLE.certificate.raw))
    assert caught.value.reason == "pem-no-root"


def test_a_timestamp_chain_in_any_order_with_or_without_the_leaf() -> None:
    tsa = tsafactory.make_authority()
    leaf, root = tsa.chain_der
    for order in ((leaf, root), (root, leaf)):
        (found,) = timestamp_authorities_from_pem(pem(*order))
        assert [one.raw for one in found.chain] == [leaf, root]
    (found,) = timestamp_authorities_from_pem(pem(root))
    assert found.chain == (parse_certificate(root),)


def test_two_leaves_are_two_authorities() -> None:
    ca = tsafactory.make_ca()
    first, second = tsafactory.make_authority(ca=ca), tsafactory.make_authority(ca=ca)
    found = timestamp_authorities_from_pem(pem(first.chain_der[0], second.chain_der[0], ca.chain_der[0]))
    assert [one.chain[0].raw for one in found] == [first.chain_der[0], second.chain_der[0]]


@pytest.mark.parametrize(
    ("key", "details"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "PKIX_ECDSA_P256_SHA_256"),
        (ec.generate_private_key(ec.SECP384R1()), "PKIX_ECDSA_P384_SHA_384"),
        (ed25519.Ed25519PrivateKey.generate(), "PKIX_ED25519"),
        (rsa_key(0), "PKIX_RSA_PKCS1V15_2048_SHA256"),
    ],
)
def test_log_keys_of_every_kind(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, details: str
) -> None:
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (found,) = logs_from_pem(text, "https://log.example/path")
    assert found.key_details == details
    tiled = details == "PKIX_ED25519"
    assert found.log_id == (note.key_id("log.example", found.public_key) if tiled else found.public_key.key_id)
    (bare,) = logs_from_pem(text)
    assert bare.log_id == bare.public_key.key_id


@pytest.mark.parametrize("text", [b"", b"words", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_other_texts_are_refused(text: bytes) -> None:
    for parse in (authorities_from_pem, timestamp_authorities_from_pem, logs_from_pem):
        with pytest.raises(FormatError):
            parse(text)
