"""Time-stamp tokens: foreign ones are believed, and each way to be wrong has a reason of its own."""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc3161_client
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsign_py.core import cms, der, oids
from gitsign_py.core.certificate import parse_certificate
from gitsign_py.core.certpath import covers_with_accuracy
from gitsign_py.core.timestamp import (
    DEFAULT_ACCURACY,
    VerifiedTimestamp,
    verify_timestamp,
)
from gitsign_py.core.timestampbuild import granted_token
from gitsign_py.core.trust import CertificateAuthority, Validity, parse_trusted_root
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory
from tests.support.tsafactory import NOW, Authority

REALSTACK = Path(__file__).parents[3] / "shared" / "vectors" / "realstack"
MESSAGE = b"a signature value"
GOOD = factory.make_authority()
ROOT_ONLY = 1  # index into the chain: an authority that the trust root knows by its CA alone


def trusted(
    authority: Authority, *, skip: int = 0, start: datetime | None = None, end: datetime | None = None
) -> CertificateAuthority:
    """The trust root's entry for an authority; ``skip`` leaves out that many certificates from the leaf on."""
    chain = tuple(parse_certificate(one) for one in authority.chain_der[skip:])
    return CertificateAuthority("tests", "tsa", "https://tsa.example", chain, Validity(start, end), "tests")


def verify(token: bytes, *authorities: CertificateAuthority, nonce: int | None = None) -> VerifiedTimestamp:
    return verify_timestamp(token, message=MESSAGE, authorities=authorities or (trusted(GOOD),), nonce=nonce)


def refused(token: bytes, *authorities: CertificateAuthority, nonce: int | None = None) -> str:
    """The reason for which a token is refused."""
    with pytest.raises(VerificationError) as caught:
        verify(token, *authorities, nonce=nonce)
    assert "\n" not in caught.value.message
    return caught.value.reason


# --- what is believed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("embed", [True, False], ids=["embedded", "not-embedded"])
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_each_hash_of_sha2_is_believed_with_and_without_the_certificate(hash_name: str, embed: bool) -> None:
    token = factory.make_token(GOOD, MESSAGE, hash_name=hash_name, signer_hash=hash_name, embed=embed)
    verified = verify(token)
    assert (verified.time, verified.hash_name, verified.serial) == (NOW, hash_name, 77)
    assert verified.policy == factory.POLICY
    assert verified.authority == trusted(GOOD)


KEYS: dict[str, Callable[[], factory.PrivateKey]] = {
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_of_key_is_believed(kind: str) -> None:
    authority = factory.make_authority(key=KEYS[kind]())
    assert verify(factory.make_token(authority, MESSAGE, signer_hash="sha512"), trusted(authority)).time == NOW


def test_an_authority_known_by_its_root_takes_the_certificate_of_the_token() -> None:
    assert verify(factory.make_token(GOOD, MESSAGE), trusted(GOOD, skip=ROOT_ONLY)).time == NOW


def test_the_accuracy_is_the_stated_one_or_a_second() -> None:
    stated = factory.make_token(GOOD, MESSAGE, accuracy={"seconds": 2, "millis": 500, "micros": 7})
    assert verify(stated).accuracy == timedelta(seconds=2, milliseconds=500, microseconds=7)
    years = factory.make_token(GOOD, MESSAGE, accuracy={"seconds": 10**8})
    assert verify(years).accuracy == timedelta(minutes=1)
    assert verify(factory.make_token(GOOD, MESSAGE)).accuracy == DEFAULT_ACCURACY == timedelta(seconds=1)


def test_a_fraction_of_a_second_is_read() -> None:
    time = NOW + timedelta(milliseconds=250)
    assert verify(factory.make_token(GOOD, MESSAGE, time=time)).time == time


def test_the_nonce_counts_only_when_one_was_sent() -> None:
    token = factory.make_token(GOOD, MESSAGE, nonce=2**127 + 5)
    assert verify(token).time == NOW
    assert verify(token, nonce=2**127 + 5).time == NOW


def test_either_form_of_the_certificate_identifier_will_do() -> None:
    leaf = factory.der_of(GOOD.leaf)
    for ess in (
        [("signing_certificate", factory.ess_v1(leaf))],
        [("signing_certificate_v2", factory.ess_v2(leaf, hash_name="sha512"))],
        [("signing_certificate", factory.ess_v1(leaf)), ("signing_certificate_v2", factory.ess_v2(leaf))],
    ):
        assert verify(factory.make_token(GOOD, MESSAGE, signer={"ess": ess})).time == NOW


def test_extensions_that_are_not_critical_are_passed_over() -> None:
    assert verify(factory.make_token(GOOD, MESSAGE, extensions=[("1.2.3.4", False)])).time == NOW


def test_the_second_of_two_windows_of_one_authority_is_found() -> None:
    before = trusted(GOOD, end=NOW - timedelta(days=1))
    after = trusted(GOOD, start=NOW - timedelta(days=1))
    assert verify(factory.make_token(GOOD, MESSAGE), before, after).authority == after


# --- what is refused -------------------------------------------------------------------------------------------------


def _other_extended_usages() -> dict[str, Authority]:
    stamping = ExtendedKeyUsageOID.TIME_STAMPING
    return {
        "no purpose": factory.make_authority(purposes=None),
        "another purpose": factory.make_authority(purposes=(ExtendedKeyUsageOID.CODE_SIGNING,)),
        "two purposes": factory.make_authority(purposes=(stamping, ExtendedKeyUsageOID.CODE_SIGNING)),
        "any purpose": factory.make_authority(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
        "not critical": factory.make_authority(purpose_critical=False),
    }


@pytest.mark.parametrize("case", _other_extended_usages().items(), ids=lambda case: case[0])
def test_a_certificate_must_be_critically_and_solely_for_time_stamping(case: tuple[str, Authority]) -> None:
    _, authority = case
    token = factory.make_token(authority, MESSAGE)
    assert refused(token, trusted(authority)) == "timestamp-eku-wrong"
    assert refused(token, trusted(authority, skip=ROOT_ONLY)) == "timestamp-eku-wrong"


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        ({"version": 2}, "timestamp-version"),
        ({"hash_name": "sha1"}, "timestamp-hash-not-allowed"),
        ({"signer_hash": "sha1"}, "timestamp-hash-not-allowed"),
        ({"extensions": [("1.2.3.4", False), ("1.2.3.5", True)]}, "timestamp-extension-critical-unknown"),
        ({"content_type": "data"}, "timestamp-content-type-wrong"),
        ({"signer": {"content_type": "data"}}, "timestamp-content-type-wrong"),
        ({"signer": {"message_digest": b"\0" * 32}}, "timestamp-signature-invalid"),
        ({"signer": {"ess": []}}, "timestamp-ess-certid-mismatch"),
        ({"tsa": factory.name("somebody else")}, "timestamp-name-mismatch"),
        ({"accuracy": {"seconds": 1, "millis": 1000}}, "timestamp-malformed"),
        ({"accuracy": {"micros": 0}}, "timestamp-malformed"),
        ({"accuracy": {"seconds": -1}}, "timestamp-malformed"),
        ({"signers": lambda _: []}, "timestamp-signers-wrong"),
        ({"content": b"\x30\x00"}, "timestamp-malformed"),
    ],
)
def test_a_token_spoiled_in_one_place_is_refused(signing: dict[str, object], reason: str) -> None:
    assert refused(factory.make_token(GOOD, MESSAGE, **signing)) == reason  # type: ignore[arg-type]


def test_a_token_over_something_else_is_refused() -> None:
    assert refused(factory.make_token(GOOD, b"another signature")) == "timestamp-imprint-mismatch"


def test_a_token_without_the_nonce_that_was_sent_is_refused() -> None:
    assert refused(factory.make_token(GOOD, MESSAGE), nonce=5) == "timestamp-nonce-mismatch"
    assert refused(factory.make_token(GOOD, MESSAGE, nonce=6), nonce=5) == "timestamp-nonce-mismatch"


def test_two_signers_are_refused_even_when_both_are_right() -> None:
    def both(content: bytes) -> list[bytes]:
        return [factory.make_signer(GOOD, content), factory.make_signer(GOOD, content, time=NOW + timedelta(1))]

    assert refused(factory.make_token(GOOD, MESSAGE, signers=both)) == "timestamp-signers-wrong"


def test_the_identifier_of_another_certificate_is_refused() -> None:
    twin = factory.make_authority()
    leaf, other = factory.der_of(GOOD.leaf), factory.der_of(twin.leaf)
    for ess in (
        [("signing_certificate_v2", factory.ess_v2(other))],
        [("signing_certificate_v2", factory.ess_v2(leaf, issuer_serial=other))],
        [("signing_certificate", factory.ess_v1(other))],
        [("signing_certificate", factory.ess_v1(other)), ("signing_certificate_v2", factory.ess_v2(leaf))],
    ):
        assert refused(factory.make_token(GOOD, MESSAGE, signer={"ess": ess})) == "timestamp-ess-certid-mismatch"


def test_further_identifiers_name_certificates_of_the_path_alone() -> None:
    leaf, root, stranger = *GOOD.chain_der, factory.der_of(factory.make_ca().leaf)
    good = [("signing_certificate_v2", factory.ess_v2(leaf, others=[root]))]
    assert verify(factory.make_token(GOOD, MESSAGE, signer={"ess": good})).time == NOW
    bad = [("signing_certificate_v2", factory.ess_v2(leaf, others=[root, stranger]))]
    assert refused(factory.make_token(GOOD, MESSAGE, signer={"ess": bad})) == "timestamp-ess-certid-mismatch"


@pytest.mark.parametrize(
    "value",
    [
        der.octet_string(b""),
        der.sequence(),
        der.sequence(der.sequence()),
        der.sequence(der.sequence(der.octet_string(b"x"))),
        der.sequence(der.sequence(der.sequence(der.octet_string(b"x"), der.integer(1)))),
        der.sequence(der.sequence(der.sequence(der.octet_string(b"x"), der.sequence(der.sequence(), der.integer(1))))),
        der.sequence(der.sequence(*[der.sequence(der.octet_string(b"x"))] * 17)),
    ],
)
def test_an_identifier_of_another_form_is_malformed(value: bytes) -> None:
    assert refused(factory.make_token(GOOD, MESSAGE, signer={"ess": [("any", value)]})) == "timestamp-malformed"


def test_the_authority_may_call_itself_by_an_alternative_name() -> None:
    other = factory.name("alternative")
    authority = factory.make_authority(alternative=x509.DirectoryName(other))
    assert verify(factory.make_token(authority, MESSAGE, tsa=other), trusted(authority)).time == NOW
    third = factory.make_token(authority, MESSAGE, tsa=factory.name("third"))
    assert refused(third, trusted(authority)) == "timestamp-name-mismatch"


def test_an_identifier_by_a_weak_hash_is_refused() -> None:
    ess = [("signing_certificate_v2", factory.ess_v2(factory.der_of(GOOD.leaf), hash_name="sha1"))]
    assert refused(factory.make_token(GOOD, MESSAGE, signer={"ess": ess})) == "timestamp-malformed"


def test_an_authority_that_nobody_trusts_is_refused() -> None:
    stranger = factory.make_authority()
    assert refused(factory.make_token(stranger, MESSAGE)) == "timestamp-authority-untrusted"
    assert (
        refused(factory.make_token(stranger, MESSAGE), trusted(GOOD, skip=ROOT_ONLY)) == "timestamp-authority-untrusted"
    )
    assert refused(factory.make_token(stranger, MESSAGE, embed=False)) == "timestamp-signer-not-found"


def test_a_second_certificate_of_the_same_ca_is_not_the_listed_authority() -> None:
    """The trust root names one leaf: another one under the same root may be for other customers."""
    ca = factory.make_ca()
    listed, other = factory.make_authority(ca=ca), factory.make_authority(ca=ca, common_name="other")
    assert refused(factory.make_token(other, MESSAGE), trusted(listed)) == "timestamp-authority-untrusted"


def test_an_empty_trust_root_believes_nobody() -> None:
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(factory.make_token(GOOD, MESSAGE), message=MESSAGE, authorities=())
    assert caught.value.reason == "timestamp-authority-untrusted"


def test_a_certificate_that_only_copies_name_and_serial_is_refused() -> None:
    """CVE-2026-style confusion: the token carries another certificate that answers to the authority's name."""
    copy = factory.make_authority(ca=replace(factory.make_ca(), leaf=GOOD.issuers[0]), serial=GOOD.leaf.serial_number)
    assert refused(factory.make_token(copy, MESSAGE)) == "timestamp-signer-not-found"
    assert refused(factory.make_token(copy, MESSAGE, embed=False)) == "timestamp-signature-invalid"
    assert refused(factory.make_token(copy, MESSAGE), trusted(GOOD, skip=ROOT_ONLY)) == "timestamp-authority-untrusted"


def test_a_leaf_that_its_own_chain_did_not_issue_is_refused() -> None:
    assert refused(factory.make_token(GOOD, MESSAGE), replace_chain(GOOD, factory.make_ca())) == (
        "timestamp-authority-untrusted"
    )
    alone = replace(trusted(GOOD), chain=(parse_certificate(factory.der_of(GOOD.leaf)),))
    assert refused(factory.make_token(GOOD, MESSAGE), alone) == "timestamp-authority-untrusted"


def replace_chain(authority: Authority, ca: Authority) -> CertificateAuthority:
    return trusted(replace(authority, issuers=(ca.leaf,)))


def test_a_ca_may_not_stamp() -> None:
    authority = factory.make_authority(is_ca=True)
    assert refused(factory.make_token(authority, MESSAGE), trusted(authority)) == "timestamp-key-usage-wrong"


def test_a_key_for_encryption_may_not_stamp() -> None:
    usage = x509.KeyUsage(
        digital_signature=True, key_encipherment=True, content_commitment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    authority = factory.make_authority(usage=usage)
    assert refused(factory.make_token(authority, MESSAGE), trusted(authority)) == "timestamp-key-usage-wrong"


def test_an_unknown_critical_extension_of_the_certificate_is_refused() -> None:
    authority = factory.make_authority(unknown_critical=True)
    assert refused(factory.make_token(authority, MESSAGE), trusted(authority)) == "timestamp-authority-untrusted"


def test_the_certificate_must_be_valid_at_the_time_ends_inclusive() -> None:
    authority = factory.make_authority(not_before=NOW, not_after=NOW + timedelta(hours=1))
    entry = trusted(authority)
    for good in (NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=1, milliseconds=900)):
        assert verify(factory.make_token(authority, MESSAGE, time=good), entry).time == good
    for bad in (NOW - timedelta(seconds=1), NOW + timedelta(hours=1, seconds=1)):
        token = factory.make_token(authority, MESSAGE, time=bad)
        assert refused(token, entry) == "timestamp-certificate-not-valid-at-time"


def test_the_issuers_must_be_valid_at_the_time() -> None:
    authority = factory.make_authority(ca=factory.make_ca(not_before=NOW + timedelta(hours=1)))
    token = factory.make_token(authority, MESSAGE)
    assert refused(token, trusted(authority)) == "timestamp-certificate-not-valid-at-time"


def test_the_window_of_the_trust_root_is_kept_ends_inclusive() -> None:
    token = factory.make_token(GOOD, MESSAGE)
    second = timedelta(seconds=1)
    assert verify(token, trusted(GOOD, start=NOW, end=NOW)).time == NOW
    assert refused(token, trusted(GOOD, start=NOW + second)) == "timestamp-outside-authority-window"
    assert refused(token, trusted(GOOD, end=NOW - second)) == "timestamp-outside-authority-window"


def test_of_several_authorities_the_nearest_miss_is_told() -> None:
    token = factory.make_token(GOOD, MESSAGE)
    late, stranger = trusted(GOOD, end=NOW - timedelta(1)), trusted(factory.make_authority())
    assert refused(token, late, stranger) == refused(token, stranger, late) == "timestamp-outside-authority-window"


def test_a_detached_token_is_malformed() -> None:
    assert refused(factory.make_token(GOOD, MESSAGE, attached=False)) == "timestamp-malformed"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x30\x80\x00\x00", b"\x30\x00", b"\x05\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30" * 5000, b"0" * 200_000],
)
def test_nonsense_is_malformed(data: bytes) -> None:
    assert refused(data) == "timestamp-malformed"


def test_an_indefinite_length_is_refused() -> None:
    """BER lets the outer lengths stand open; one token must have one spelling."""
    token = factory.make_token(GOOD, MESSAGE)
    assert token[1] == 0x82
    assert refused(b"\x30\x80" + token[4:] + b"\x00\x00") == "timestamp-malformed"


def test_a_response_is_no_token() -> None:
    assert refused(factory.make_response(factory.make_token(GOOD, MESSAGE))) == "timestamp-malformed"


# --- the accuracy rule -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "accuracy", "covered"),
    [
        (NOW, 0, True),
        (NOW - timedelta(seconds=1), 1, True),
        (NOW - timedelta(seconds=1, microseconds=1), 1, False),
        (NOW - timedelta(seconds=1), 0, False),
        (NOW - timedelta(seconds=60), 60, True),
        (NOW + timedelta(minutes=10), 1, True),
        (NOW + timedelta(minutes=10, milliseconds=999), 1, True),
        (NOW + timedelta(minutes=10, seconds=1), 1, False),
        (NOW + timedelta(minutes=10, seconds=1), 3600, False),
    ],
)
def test_a_time_may_precede_the_validity_by_its_accuracy_and_never_follow_it(
    time: datetime, accuracy: int, covered: bool
) -> None:
    assert covers_with_accuracy(time, timedelta(seconds=accuracy), NOW, NOW + timedelta(minutes=10)) is covered


# --- foreign witnesses -----------------------------------------------------------------------------------------------


def _realstack() -> Path:
    if not REALSTACK.is_dir():
        pytest.skip("shared vectors are not here")
    return REALSTACK


def _real_authorities() -> tuple[CertificateAuthority, ...]:
    return parse_trusted_root((_realstack() / "trusted_root.json").read_bytes()).timestamp_authorities


@pytest.mark.parametrize("name", ["v1-offline-tsa", "v1-online-tsa", "v2-offline-tsa"])
def test_tokens_of_the_real_authority_in_commits_are_believed(name: str) -> None:
    commit = (_realstack() / f"{name}.commit").read_bytes()
    armor = re.search(rb"-----BEGIN SIGNED MESSAGE-----(.*?)-----END", commit, re.DOTALL)
    assert armor is not None
    signer = cms.parse_signed_data(base64.b64decode(b"".join(armor[1].split()))).signers[0]
    token = cms.attribute_value(signer.unsigned_attributes, oids.TIMESTAMP_TOKEN)
    assert token is not None
    verified = verify_timestamp(token.raw, message=signer.signature, authorities=_real_authorities())
    assert verified.time.date() == datetime(2026, 11, 20, tzinfo=UTC).date()
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(token.raw, message=signer.signature + b"\0", authorities=_real_authorities())
    assert caught.value.reason == "timestamp-imprint-mismatch"


@pytest.mark.parametrize("name", ["cosign", "sigstore-python"])
def test_tokens_of_the_real_authority_in_bundles_are_believed(name: str) -> None:
    bundle = json.loads((_realstack() / f"{name}.v2.sigstore.json").read_bytes())
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    response = base64.b64decode(stamps[0]["signedTimestamp"])
    message = base64.b64decode(bundle["messageSignature"]["signature"])
    verified = verify_timestamp(granted_token(response), message=message, authorities=_real_authorities())
    assert verified.accuracy == timedelta(seconds=1)


def _openssl_verifies(tmp_path: Path, token: bytes, message: bytes, authority: Authority) -> bool:
    files = {"token.der": token, "message": message}
    pem = serialization.Encoding.PEM
    files["root.pem"] = authority.issuers[-1].public_bytes(pem)
    files["leaf.pem"] = authority.leaf.public_bytes(pem)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    arguments = ["openssl", "ts", "-verify", "-token_in", "-in", "token.der", "-data", "message"]
    arguments += ["-CAfile", "root.pem", "-untrusted", "leaf.pem", "-attime", str(int(NOW.timestamp()))]
    return subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("signing", "good"),
    [
        ({}, True),
        ({"hash_name": "sha512", "signer_hash": "sha384", "accuracy": {"seconds": 1}, "nonce": 9}, True),
        ({"signer": {"message_digest": b"\0" * 32}}, False),
        ({"signer": {"ess": []}}, False),
        ({"content_type": "data"}, False),
        ({"tsa": factory.name("somebody else")}, False),
        ({"version": 2}, False),
    ],
)
def test_openssl_comes_to_the_same_verdict(tmp_path: Path, signing: dict[str, object], good: bool) -> None:
    token = factory.make_token(GOOD, MESSAGE, **signing)  # type: ignore[arg-type]
    assert _openssl_verifies(tmp_path, token, MESSAGE, GOOD) is good
    try:
        ours = verify(token).time == NOW
    except VerificationError:
        ours = False
    assert ours is good


@pytest.mark.parametrize("embed", [True, False])
def test_rfc3161_client_comes_to_the_same_verdict(embed: bool) -> None:
    response = factory.make_response(factory.make_token(GOOD, MESSAGE, embed=embed, nonce=9))
    verifier = (
        rfc3161_client.VerifierBuilder()
        .tsa_certificate(GOOD.leaf)
        .add_root_certificate(GOOD.issuers[-1])
        .nonce(9)
        .build()
    )
    parsed = rfc3161_client.decode_timestamp_response(response)
    assert verifier.verify(parsed, hashlib.sha256(MESSAGE).digest())
    assert verify(granted_token(response), nonce=9).time == NOW


TOKEN = factory.make_token(
    GOOD, MESSAGE, accuracy={"seconds": 1, "millis": 5}, nonce=9, tsa=GOOD.leaf.subject, embed=False
)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(TOKEN) - 1), flip=st.integers(1, 255))
def test_no_bit_of_a_token_can_be_turned_unnoticed(at: int, flip: int) -> None:
    """A token without certificates: those are not signed, and one that nobody names is passed over."""
    changed = TOKEN[:at] + bytes([TOKEN[at] ^ flip]) + TOKEN[at + 1 :]
    with pytest.raises(VerificationError) as caught:
        verify(changed)
    assert caught.value.reason.startswith("timestamp-")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.integers(0, len(TOKEN)).map(lambda at: TOKEN[:at])))
def test_no_input_ends_in_anything_but_a_refusal(data: bytes) -> None:
    if data != TOKEN:
        assert refused(data).startswith("timestamp-")
