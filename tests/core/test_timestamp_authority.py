"""Whose time-stamp tokens are believed: authorities, their certificates, and the times at which these count."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.sigstore.timestamp import verify_timestamp
from gitsign_py.core.trust.root import CertificateAuthority
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory
from tests.support.timestampcheck import GOOD, MESSAGE, ROOT_ONLY, refused, trusted, verify
from tests.support.tsafactory import NOW, Authority


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


def test_the_authority_may_call_itself_by_an_alternative_name() -> None:
    other = factory.name("alternative")
    authority = factory.make_authority(alternative=x509.DirectoryName(other))
    assert verify(factory.make_token(authority, MESSAGE, tsa=other), trusted(authority)).time == NOW
    third = factory.make_token(authority, MESSAGE, tsa=factory.name("third"))
    assert refused(third, trusted(authority)) == "timestamp-name-mismatch"


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
    assert refused(factory.make_token(copy, MESSAGE)) == "timestamp-signer-ambiguous"
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
