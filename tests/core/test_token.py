"""Identity tokens are read strictly, and what is wrong with one is said before a server is asked."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.sigstore.token import (
    MAX_TOKEN_BYTES,
    IdentityToken,
    b64url_encode,
    challenge_subject,
    check_claims,
    check_state,
    opaque_value,
    parse_unverified,
    pkce,
)
from gitsign_py.errors import FormatError, VerificationError
from tests.support.tokens import CLAIMS, NOW, make, part


def refusal(raw: str) -> FormatError:
    with pytest.raises(FormatError) as caught:
        parse_unverified(raw)
    assert "\n" not in caught.value.message
    return caught.value


def test_the_claims_of_a_token_are_read() -> None:
    claims = parse_unverified(make({"nonce": "n", "nbf": CLAIMS["iat"], "groups": ["a"], "aud": ["sigstore", "x"]}))
    assert claims.issuer == "https://issuer.example"
    assert claims.subject == "subject-1"
    assert claims.audience == ("sigstore", "x")
    assert claims.expiry == NOW + timedelta(seconds=60)
    assert claims.issued_at == claims.not_before == NOW
    assert (claims.email, claims.email_verified, claims.nonce) == ("alice@example.com", True, "n")
    assert claims.algorithm == "ES256"
    assert dict(claims.other) == {"groups": ["a"]}


def test_claims_that_may_be_absent_may_be_absent() -> None:
    claims = parse_unverified(make({"email": None, "email_verified": None, "iat": None}))
    assert (claims.email, claims.email_verified, claims.nonce, claims.issued_at) == (None, None, None, None)


@pytest.mark.parametrize(("value", "meaning"), [("true", True), ("false", False), (False, False)])
def test_a_verified_email_may_be_said_in_text(value: object, meaning: bool) -> None:
    assert parse_unverified(make({"email_verified": value})).email_verified is meaning


def test_fractions_of_a_second_are_dropped() -> None:
    assert parse_unverified(make({"exp": 1.9})).expiry == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a.b",
        "a.b.c.d",
        make() + ".x",
        make() + "=",
        make() + "\n",
        " " + make(),
        make().replace(".", ". "),
        part({"alg": "ES256"}) + "." + part(b"{") + ".c2ln",
        part({"alg": "ES256"}) + "." + part([]) + ".c2ln",
        part(b'{"alg":"ES256","alg":"none"}') + "." + part(CLAIMS) + ".c2ln",
        part({"alg": "ES256"}) + "." + part(b'{"sub":"a","sub":"b"}') + ".c2ln",
        part({"alg": "ES256"}) + "." + part(b"\xff") + ".c2ln",
        part({}) + "." + part(CLAIMS) + ".c2ln",
        "é.é.é",
        make({"groups": "x" * MAX_TOKEN_BYTES}),
    ],
)
def test_what_is_no_token_is_refused(raw: str) -> None:
    assert refusal(raw).reason == "token-invalid"


def test_a_second_spelling_of_the_same_bytes_is_refused() -> None:
    head, payload, _ = make().split(".")
    assert parse_unverified(f"{head}.{payload}.QQ").issuer
    assert "canonical" in refusal(f"{head}.{payload}.QR").message


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": 1},
        {"iss": ""},
        {"iss": "a\x1b[2J"},
        {"sub": None},
        {"sub": "a\nb"},
        {"aud": None},
        {"aud": []},
        {"aud": ["a", 1]},
        {"aud": ["a", ""]},
        {"aud": {"a": 1}},
        {"exp": None},
        {"exp": "1"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**20},
        {"iat": []},
        {"nbf": "now"},
        {"email": 1},
        {"email": "a\u202e@b"},
        {"email_verified": "yes"},
        {"email_verified": 1},
        {"nonce": 7},
    ],
)
def test_a_claim_of_the_wrong_form_is_refused(changes: dict[str, Any]) -> None:
    assert refusal(make(changes)).reason == "token-invalid"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    assert refusal(make(header={"alg": algorithm})).reason == "token-unsigned"


def test_a_token_without_signature_is_refused() -> None:
    assert refusal(make(signature=b"")).reason == "token-unsigned"


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with suppress(FormatError):
        parse_unverified(text)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4),
    st.sampled_from(sorted(CLAIMS)),
)
def test_any_claim_value_is_read_or_refused(value: object, name: str) -> None:
    raw = ".".join((part({"alg": "ES256"}), part({**CLAIMS, name: value}), "c2ln"))
    with suppress(FormatError):
        assert parse_unverified(raw).audience


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(IdentityToken("secret"))


def test_a_good_token_passes_the_check() -> None:
    check_claims(parse_unverified(make({"nonce": "n"})), now=NOW, audience="sigstore", issuer=CLAIMS["iss"], nonce="n")


def problem(changes: dict[str, Any], **options: Any) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        check_claims(parse_unverified(make(changes)), **{"now": NOW, "audience": "sigstore", **options})
    return caught.value


@pytest.mark.parametrize("late", [timedelta(seconds=60), timedelta(days=3)])
def test_an_expired_token_says_when_it_expired(late: timedelta) -> None:
    error = problem({}, now=NOW + late)
    assert error.reason == "token-expired"
    assert format_rfc3339(NOW + timedelta(seconds=60)) in error.message
    assert format_rfc3339(NOW + late) in error.message


def test_the_last_second_counts() -> None:
    check_claims(parse_unverified(make()), now=NOW + timedelta(seconds=59), audience="sigstore")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_points_at_the_clock(claim: str) -> None:
    error = problem({claim: CLAIMS["iat"] + 61, "exp": CLAIMS["exp"] + 600})
    assert error.reason == "token-not-yet-valid"
    assert "clock" in error.hint


def test_a_clock_a_minute_behind_is_no_reason_to_refuse() -> None:
    check_claims(parse_unverified(make({"nbf": CLAIMS["iat"] + 60})), now=NOW, audience="sigstore")


def test_a_wrong_audience_names_both() -> None:
    error = problem({"aud": ["kubernetes", "vault"]})
    assert error.reason == "token-wrong-audience"
    assert error.message == "the identity token is for audience kubernetes, vault, expected sigstore"


def test_a_wrong_issuer_names_both() -> None:
    error = problem({}, issuer="https://other.example")
    assert error.reason == "token-wrong-issuer"
    assert "https://issuer.example" in error.message
    assert "https://other.example" in error.message


@pytest.mark.parametrize("nonce", [None, "another"])
def test_a_token_for_another_request_is_refused(nonce: str | None) -> None:
    assert problem({"nonce": nonce}, nonce="ours").reason == "token-wrong-nonce"


def test_the_challenge_is_the_email_where_there_is_one() -> None:
    assert challenge_subject(parse_unverified(make())) == "alice@example.com"
    assert challenge_subject(parse_unverified(make({"email": None}))) == "subject-1"
    assert challenge_subject(parse_unverified(make({"email": ""}))) == "subject-1"


def test_the_challenge_is_what_the_authority_asks_for() -> None:
    claims = parse_unverified(make())
    assert challenge_subject(claims, "sub") == "subject-1"
    assert challenge_subject(claims, "email") == "alice@example.com"
    with pytest.raises(FormatError, match="asks for one"):
        challenge_subject(parse_unverified(make({"email": None})), "email")
    with pytest.raises(FormatError, match="claim 'login'"):
        challenge_subject(claims, "login")


def test_pkce_is_that_of_rfc_7636_appendix_b() -> None:
    octets = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b580558 53848d79")
    pair = pkce(octets)
    assert pair.verifier == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert (pair.challenge, pair.method) == ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256")
    assert pair.verifier not in repr(pair)
    assert pair.challenge == b64url_encode(hashlib.sha256(pair.verifier.encode()).digest())


@pytest.mark.parametrize("size", [0, 31, 97])
def test_pkce_wants_enough_randomness(size: int) -> None:
    with pytest.raises(ValueError, match="random"):
        pkce(bytes(size))


def test_state_and_nonce_want_enough_randomness() -> None:
    assert opaque_value(bytes(16)) == "A" * 22
    with pytest.raises(ValueError, match="random"):
        opaque_value(bytes(15))


@pytest.mark.parametrize("got", [None, "", "other", "éé"])
def test_another_state_is_refused(got: str | None) -> None:
    check_state(expected="mine", got="mine")
    with pytest.raises(VerificationError) as caught:
        check_state(expected="mine", got=got)
    assert caught.value.reason == "oidc-state-mismatch"


def test_json_numbers_that_are_no_numbers_are_refused() -> None:
    text = json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "NaN").encode()
    assert refusal(f"{part({'alg': 'ES256'})}.{part(text)}.c2ln").reason == "token-invalid"
