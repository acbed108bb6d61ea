"""Time-stamp tokens that are believed, and how exact a time they prove."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gitsign_py.core.pki.certpath import covers_with_accuracy
from gitsign_py.core.sigstore.timestamp import DEFAULT_ACCURACY
from tests.support import tsafactory as factory
from tests.support.rsakeys import rsa_key
from tests.support.timestampcheck import GOOD, MESSAGE, ROOT_ONLY, trusted, verify
from tests.support.tsafactory import NOW


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
    "rsa": lambda: rsa_key(0),
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
