"""The messages of the time-stamp protocol, against openssl's and rfc3161-client's encoders and readers."""

import hashlib
import subprocess
from pathlib import Path

import pytest
import rfc3161_client
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.pki import der
from gitsign_py.core.pki.timestampbuild import (
    TimestampRequest,
    build_request,
    granted_token,
    parse_request,
    parse_response,
    parse_tst_info,
)
from gitsign_py.errors import FormatError, GitsignError, VerificationError
from tests.support import tsafactory as factory

DIGEST = hashlib.sha256(b"message").digest()
REQUESTS = st.builds(
    TimestampRequest,
    hash_name=st.sampled_from(["sha256", "sha384", "sha512"]),
    imprint=st.binary(max_size=64),
    nonce=st.none() | st.integers(0, 2**160),
    certificates=st.booleans(),
    policy=st.none() | st.just(factory.POLICY),
)


@given(REQUESTS)
def test_a_request_reads_back_as_it_was_built(request: TimestampRequest) -> None:
    assert parse_request(build_request(request)) == request


def test_openssl_reads_our_request(tmp_path: Path) -> None:
    path = tmp_path / "query.der"
    path.write_bytes(build_request(TimestampRequest("sha256", DIGEST, nonce=0x1234ABCD)))
    text = subprocess.run(
        ["openssl", "ts", "-query", "-in", str(path), "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert "Hash Algorithm: sha256" in text
    assert "Nonce: 0x1234ABCD" in text
    assert "Certificate required: yes" in text


def test_we_read_the_requests_of_others(tmp_path: Path) -> None:
    built = rfc3161_client.TimestampRequestBuilder().data(b"message").nonce(nonce=True).build().as_bytes()
    assert parse_request(built).hash_name == "sha512"
    command = ["openssl", "ts", "-query", "-digest", DIGEST.hex(), "-sha256", "-no_nonce", "-out", "q.der"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert parse_request((tmp_path / "q.der").read_bytes()) == TimestampRequest("sha256", DIGEST, certificates=False)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((der.integer(2),), "timestamp-malformed"),
        (
            (der.integer(1), der.sequence(der.sequence(der.oid("1.3.14.3.2.26")), der.octet_string(b""))),
            "timestamp-hash-not-allowed",
        ),
        (
            (
                der.integer(1),
                der.sequence(der.sequence(der.oid("2.16.840.1.101.3.4.2.1")), der.octet_string(DIGEST)),
                der.context(0, b""),
            ),
            "timestamp-extension-critical-unknown",
        ),
        (
            (
                der.integer(1),
                der.sequence(der.sequence(der.oid("2.16.840.1.101.3.4.2.1")), der.octet_string(DIGEST)),
                der.boolean(False),
            ),
            "timestamp-malformed",
        ),
    ],
)
def test_a_request_that_cannot_be_served_is_refused(parts: tuple[bytes, ...], reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_request(der.sequence(*parts))
    assert caught.value.reason == reason


def test_a_request_by_a_weak_hash_is_not_built() -> None:
    with pytest.raises(FormatError) as caught:
        build_request(TimestampRequest("sha1", b"\0" * 20))
    assert caught.value.reason == "timestamp-hash-not-allowed"


def test_a_refusal_is_told_in_words() -> None:
    texts = ["try\nlater", "x" * 500]
    response = parse_response(
        factory.make_response(None, status=2, texts=texts, failures={"bad_alg", "system_failure"})
    )
    assert response.token is None
    assert response.failures == (0, 25)
    assert response.words.startswith("rejected; hash algorithm not supported; system failure; try?later; xxx")
    assert len(response.words) < 400


def test_an_unknown_status_is_told_as_a_number() -> None:
    assert parse_response(factory.make_response(None, status=9)).words == "status 9"


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5])
def test_only_a_plain_grant_gives_a_token(status: int) -> None:
    token = factory.make_token(factory.make_authority(), b"m") if status == 1 else None
    with pytest.raises(VerificationError) as caught:
        granted_token(factory.make_response(token, status=status))
    assert caught.value.reason == "timestamp-not-granted"


def test_a_grant_gives_its_token() -> None:
    token = factory.make_token(factory.make_authority(), b"m")
    assert granted_token(factory.make_response(token)) == token


@pytest.mark.parametrize(
    "data",
    [
        der.sequence(der.sequence(der.integer(2), der.sequence(der.encode(der.PRINTABLE_STRING, b"text")))),
        der.sequence(der.sequence(der.integer(2), der.sequence(), der.encode(der.BIT_STRING, b"\x00\x80\x00"))),
        der.sequence(der.sequence(der.integer(2)), der.integer(1)),
    ],
)
def test_a_response_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_response(data)


@pytest.mark.parametrize("extensions", [b"", der.integer(1), der.sequence(der.oid("1.2.3"))])
def test_extensions_of_another_form_are_refused(extensions: bytes) -> None:
    good = factory.make_tst_info(b"m")
    with pytest.raises(FormatError):
        parse_tst_info(der.sequence(der.parse(good).content, der.context(1, extensions)))


def test_a_token_and_a_refusal_do_not_go_together() -> None:
    token = factory.make_token(factory.make_authority(), b"m")
    for response in (factory.make_response(token, status=2), factory.make_response(None, status=0)):
        with pytest.raises(FormatError) as caught:
            parse_response(response)
        assert caught.value.reason == "timestamp-malformed"


@given(st.binary(max_size=200))
def test_no_input_ends_in_anything_but_our_errors(data: bytes) -> None:
    for parse in (parse_request, parse_response, parse_tst_info, granted_token):
        with pytest.raises(GitsignError):
            parse(data)


def test_a_huge_response_is_not_read() -> None:
    with pytest.raises(FormatError) as caught:
        parse_response(b"\x30" * 100_000_000)
    assert caught.value.reason == "timestamp-malformed"
