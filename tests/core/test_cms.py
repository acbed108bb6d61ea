"""CMS: what we build openssl and asn1crypto accept; what was changed is refused, with its own reason."""

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms as foreign_cms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki import cms, cmsbuild, der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.errors import FormatError, GitsignError
from tests.support.pki import Authority
from tests.support.rsakeys import rsa_key

PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
TIME = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
CA = Authority()
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = CA.leaf(key=KEY)
ATTRIBUTES = cmsbuild.build_signed_attributes(PAYLOAD, TIME)


def sign(attributes: bytes) -> bytes:
    return KEY.sign(attributes, ec.ECDSA(hashes.SHA256()))


SIGNED = cmsbuild.build_signed_data(
    LEAF,
    ATTRIBUTES,
    sign(ATTRIBUTES),
    (cmsbuild.log_entry_attribute(b"entry"), cmsbuild.timestamp_attribute(der.null())),
)


def check(data: bytes, payload: bytes = PAYLOAD) -> Certificate:
    """What verification does with a signature, certificate path and log aside."""
    signed = cms.parse_signed_data(data)
    signer = cms.only_signer(signed)
    certificate = cms.signer_certificate(signed, signer)
    hash_name = cms.check_algorithms(signed, signer)
    cms.check_attribute_order(signer)
    cms.check_signature(signer, certificate.public_key, hash_name)
    cms.check_message_digest(signer, payload, hash_name)
    return certificate


def refusal(data: bytes, payload: bytes = PAYLOAD) -> str:
    with pytest.raises(GitsignError) as caught:
        check(data, payload)
    return caught.value.reason


class Parts:
    """A SignedData in pieces, so that a test can change one of them."""

    def __init__(self) -> None:
        self.version = der.integer(1)
        self.digests = der.set_of([der.sequence(der.oid(oids.SHA256))])
        self.content = der.sequence(der.oid(oids.DATA))
        self.certificates = [LEAF.raw]
        self.attributes = [child.raw for child in der.parse(ATTRIBUTES).children()]
        self.key_attributes: list[bytes] | None = None
        self.signer_version = der.integer(1)
        self.identifier = der.sequence(LEAF.issuer, der.integer(LEAF.serial))
        self.digest = der.sequence(der.oid(oids.SHA256))
        self.algorithm = der.sequence(der.oid(oids.ECDSA_SHA256))
        self.signature: bytes | None = None
        self.unsigned: list[bytes] = []
        self.signers = 1

    def build(self) -> bytes:
        body = b"".join(self.attributes)
        signature = self.signature if self.signature is not None else sign(der.encode(der.SET, body))
        signer = der.sequence(
            self.signer_version,
            self.identifier,
            self.digest,
            *([der.context(0, body)] if self.attributes else []),
            self.algorithm,
            der.octet_string(signature),
            *([der.context(1, b"".join(self.unsigned))] if self.unsigned else []),
        )
        signed = der.sequence(
            self.version,
            self.digests,
            self.content,
            *([der.context(0, b"".join(self.certificates))] if self.certificates else []),
            der.encode(der.SET, signer * self.signers),
        )
        return der.sequence(der.oid(oids.SIGNED_DATA), der.context(0, signed))


def test_what_is_built_is_read_back() -> None:
    assert check(SIGNED) == LEAF
    signer = cms.only_signer(cms.parse_signed_data(SIGNED))
    assert signer.signed_bytes == ATTRIBUTES
    assert cms.signing_time(signer) == TIME
    entry = cms.attribute_value(signer.unsigned_attributes, oids.LOG_ENTRY)
    assert entry is not None
    assert der.read_octet_string(entry) == b"entry"
    assert check(Parts().build()) == LEAF


def test_asn1crypto_reads_it_the_same_way() -> None:
    info = foreign_cms.ContentInfo.load(SIGNED, strict=True)
    signer = info["content"]["signer_infos"][0]
    assert info["content_type"].native == "signed_data"
    assert signer["signed_attrs"].untag().dump() == ATTRIBUTES
    digests = {attribute["type"].native: attribute["values"].native for attribute in signer["signed_attrs"]}
    assert digests["message_digest"] == [hashlib.sha256(PAYLOAD).digest()]
    assert digests["signing_time"] == [TIME]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_accepts_it_and_refuses_other_content(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(pem_encode(CA.certificate.raw, "CERTIFICATE"))
    (tmp_path / "sig.der").write_bytes(SIGNED)
    command = [
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "sig.der", "-content", "payload",
        "-CAfile", "ca.pem", "-purpose", "any", "-attime", str(int(TIME.timestamp())), "-out", "out",
    ]  # fmt: skip
    for payload, status in ((PAYLOAD, 0), (PAYLOAD + b"x", 4)):
        (tmp_path / "payload").write_bytes(payload)
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == status


def test_changed_content() -> None:
    for payload in (PAYLOAD + b"\n", PAYLOAD[:-1], b"", PAYLOAD.replace(b"\n", b"\r\n")):
        assert refusal(SIGNED, payload) == "content-digest-mismatch"


def test_attributes_in_another_order() -> None:
    parts = Parts()
    parts.attributes.reverse()
    assert refusal(parts.build()) == "cms-attributes-order"
    parts = Parts()
    parts.unsigned = [
        der.sequence(der.oid("1.2.4"), der.set_of([der.null()])),
        der.sequence(der.oid("1.2.3"), der.set_of([der.null()])),
    ]
    assert refusal(parts.build()) == "cms-attributes-order"


def test_attributes_missing_or_repeated() -> None:
    for number, reason in ((0, "cms-attributes-missing"), (2, "cms-attributes-missing")):
        parts = Parts()
        del parts.attributes[number]
        assert refusal(parts.build()) == reason
    parts = Parts()
    parts.attributes = []
    parts.signature = sign(PAYLOAD)
    assert refusal(parts.build()) == "cms-attributes-missing"
    parts = Parts()
    parts.attributes.insert(1, parts.attributes[0])
    assert refusal(parts.build()) == "cms-attribute-repeated"
    parts = Parts()
    two = der.set_of([der.oid(oids.DATA), der.oid("1.2.3")])
    parts.attributes[0] = der.sequence(der.oid(oids.CONTENT_TYPE), two)
    parts.attributes.sort()
    assert refusal(parts.build()) == "cms-attribute-values"


def test_signed_attributes_changed() -> None:
    parts = Parts()
    parts.signature = sign(ATTRIBUTES)
    parts.attributes = [child.raw for child in der.parse(cmsbuild.build_signed_attributes(b"other", TIME)).children()]
    assert refusal(parts.build(), b"other") == "cms-signature-invalid"


def test_content_type_wrong() -> None:
    parts = Parts()
    parts.content, parts.version = der.sequence(der.oid(oids.TST_INFO)), der.integer(3)
    assert refusal(parts.build()) == "cms-content-type-wrong"
    parts = Parts()
    parts.attributes[0] = der.sequence(der.oid(oids.CONTENT_TYPE), der.set_of([der.oid(oids.TST_INFO)]))
    assert refusal(parts.build()) == "cms-content-type-wrong"


def test_digest_algorithms() -> None:
    sha1, sha512 = der.sequence(der.oid(oids.SHA1)), der.sequence(der.oid(oids.SHA512))
    parts = Parts()
    parts.digest, parts.digests = sha1, der.set_of([sha1])
    assert refusal(parts.build()) == "cms-digest-weak"
    parts = Parts()
    parts.digests = der.set_of([sha512])
    assert refusal(parts.build()) == "cms-digest-disagrees"
    parts = Parts()
    parts.digest, parts.digests = sha512, der.set_of([sha512])
    assert refusal(parts.build()) == "cms-signature-algorithm"


def test_signature_algorithm_of_another_key() -> None:
    parts = Parts()
    parts.algorithm = der.sequence(der.oid(oids.RSA_SHA256), der.null())
    assert refusal(parts.build()) == "cms-signature-algorithm"


def test_signers() -> None:
    parts = Parts()
    parts.certificates = []
    assert refusal(parts.build()) == "cms-signer-not-found"
    parts = Parts()
    parts.certificates = [CA.leaf().raw]
    assert refusal(parts.build()) == "cms-signer-not-found"
    for count, reason in ((0, "cms-signers-none"), (2, "cms-signers-several")):
        parts = Parts()
        parts.signers = count
        assert refusal(parts.build()) == reason


def test_two_certificates_with_the_signers_name() -> None:
    twin = Authority("root")
    other = der.parse(twin.leaf().raw).children()
    tbs = list(other[0].children())
    tbs[1] = der.parse(der.integer(LEAF.serial))
    forged = der.sequence(der.sequence(*(part.raw for part in tbs)), other[1].raw, other[2].raw)
    parts = Parts()
    parts.certificates.append(forged)
    assert refusal(parts.build()) == "cms-signer-ambiguous"


def test_signer_named_by_key_id() -> None:
    parts = Parts()
    signer_id = b"k" * 20
    parts.identifier, parts.signer_version, parts.version = der.encode(0x80, signer_id), der.integer(3), der.integer(3)
    assert refusal(parts.build()) == "cms-signer-not-found"
    parts.version = der.integer(1)
    assert refusal(parts.build()) == "cms-version"


@pytest.mark.parametrize("field", ["version", "signer_version"])
def test_versions(field: str) -> None:
    parts = Parts()
    setattr(parts, field, der.integer(4))
    assert refusal(parts.build()) == "cms-version"


def test_not_signed_data_and_sizes() -> None:
    assert refusal(der.sequence(der.oid(oids.DATA), der.context(0, der.octet_string(b"")))) == "cms-not-signed-data"
    assert refusal(b"0" * (cms.MAX_SIGNATURE_BYTES + 1)) == "cms-too-large"
    assert refusal(b"\x30\x80\x00") == "der-length"
    parts = Parts()
    parts.certificates = [LEAF.raw] * (cms.MAX_CERTIFICATES + 1)
    assert refusal(parts.build()) == "cms-too-large"
    parts = Parts()
    parts.attributes = [der.sequence(der.oid(f"1.2.{n}"), der.set_of([])) for n in range(cms.MAX_ATTRIBUTES + 1)]
    assert refusal(parts.build()) == "cms-attributes-count"
    parts = Parts()
    parts.identifier = der.null()
    assert refusal(parts.build()) == "cms-signer-identifier"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_kinds_of_keys(kind: str) -> None:
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    parts = Parts()
    if kind == "rsa":
        key = rsa_key(0)
        parts.signature = key.sign(ATTRIBUTES, padding.PKCS1v15(), hashes.SHA256())
        parts.algorithm = der.sequence(der.oid(oids.RSA), der.null())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        parts.signature = key.sign(ATTRIBUTES)
        parts.algorithm = der.sequence(der.oid(oids.ED25519))
    leaf = CA.leaf(key=key)
    parts.certificates, parts.identifier = [leaf.raw], der.sequence(leaf.issuer, der.integer(leaf.serial))
    assert check(parts.build()) == leaf
    parts.algorithm = der.sequence(der.oid(oids.ECDSA_SHA256))
    assert refusal(parts.build()) == "cms-signature-algorithm"


@given(st.integers(0, len(SIGNED) - 1), st.binary(min_size=1, max_size=3))
def test_damaged_signatures_never_end_in_anything_but_a_refusal(position: int, junk: bytes) -> None:
    try:
        check(SIGNED[:position] + junk + SIGNED[position + len(junk) :])
    except GitsignError:
        return


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        cms.parse_signed_data(data)
