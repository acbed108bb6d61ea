"""Time-stamp tokens that are refused: each way to be wrong has a reason of its own."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsign_py.core.pki import der
from gitsign_py.errors import VerificationError
from tests.support import tsafactory as factory
from tests.support.timestampcheck import GOOD, MESSAGE, refused, verify
from tests.support.tsafactory import NOW


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


def test_an_identifier_by_a_weak_hash_is_refused() -> None:
    ess = [("signing_certificate_v2", factory.ess_v2(factory.der_of(GOOD.leaf), hash_name="sha1"))]
    assert refused(factory.make_token(GOOD, MESSAGE, signer={"ess": ess})) == "timestamp-malformed"


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
