"""The issuer: discovery, keys, tokens, grants, and what it refuses."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from gitsign_py.localstack.context import Context
from gitsign_py.localstack.idp.issuer import Issuer, TokenOrder, pkce_challenge
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.service import Refusal, Request
from gitsign_py.localstack.state import State
from tests.support.stack import RunningStack, StackAnswer

FORM = "application/x-www-form-urlencoded"


def ask(stack: RunningStack, **form: str) -> StackAnswer:
    asked = {"grant_type": "client_credentials", "client_id": "sigstore", "login_hint": "a@example.com"} | form
    kept = {name: value for name, value in asked.items() if value}
    return stack.request("POST", "/token", urlencode(kept).encode(), FORM)


def verified(stack: RunningStack, token: str, audience: str = "sigstore") -> dict[str, Any]:
    """The claims, checked the way a relying party does: by discovery and key set alone."""
    discovery = stack.get("/.well-known/openid-configuration").json()
    assert discovery["issuer"] == stack.url
    keys = stack.get(discovery["jwks_uri"].removeprefix(stack.url)).json()
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(key) for key in keys["keys"] if key["kid"] == kid)
    algorithms = discovery["id_token_signing_alg_values_supported"]
    return dict(jwt.decode(token, key, algorithms=algorithms, audience=audience, issuer=discovery["issuer"]))


def test_token_verifies_by_discovery_and_key_set(stack: RunningStack) -> None:
    answer = ask(stack)
    claims = verified(stack, answer.json()["id_token"])
    assert answer.headers["cache-control"] == "no-store"
    assert claims["email"] == "a@example.com"
    assert claims["email_verified"] is True
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"] == 60
    assert abs(claims["iat"] - time.time()) < 30


def test_tokens_are_signed_as_the_public_issuer_signs(stack: RunningStack) -> None:
    """cosign takes a token for a token only when its algorithm is RS256, and for a file name otherwise."""
    assert jwt.get_unverified_header(stack.token())["alg"] == "RS256"
    assert {key["kty"] for key in stack.get("/keys").json()["keys"]} == {"RSA"}


def test_subject_is_the_same_for_the_same_address(stack: RunningStack) -> None:
    subjects = [verified(stack, stack.token(email))["sub"] for email in ("a@x.org", "a@x.org", "b@x.org")]
    assert subjects[0] == subjects[1] != subjects[2]


def test_audience_lifetime_subject_and_claims_can_be_ordered(stack: RunningStack) -> None:
    answer = ask(stack, audience="other", ttl="3600", subject="me", claims='{"nonce": "n", "email_verified": false}')
    claims = verified(stack, answer.json()["id_token"], audience="other")
    assert (claims["aud"], claims["sub"], claims["nonce"]) == ("other", "me", "n")
    assert claims["email_verified"] is False
    assert claims["exp"] - claims["iat"] == 3600


def test_negative_lifetime_gives_a_token_that_was_valid_once(stack: RunningStack) -> None:
    token = ask(stack, ttl="-30").json()["id_token"]
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(stack, token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iat"] < claims["exp"] < time.time()


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_id": "stranger"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"login_hint": ""}, 400, "invalid_request"),
        ({"login_hint": "no-address"}, 400, "invalid_request"),
        ({"login_hint": "a@b@c"}, 400, "invalid_request"),
        ({"login_hint": "ä@example.com"}, 400, "invalid_request"),
        ({"ttl": "soon"}, 400, "invalid_request"),
        ({"ttl": "9999999999"}, 400, "invalid_request"),
        ({"claims": "{"}, 400, "invalid_request"),
        ({"claims": "[]"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "made-up"}, 400, "invalid_grant"),
    ],
)
def test_bad_token_request_gets_an_oauth_error(
    stack: RunningStack, change: dict[str, str], status: int, error: str
) -> None:
    answer = ask(stack, **change)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert "id_token" not in answer.json()


def test_field_given_twice_is_refused(stack: RunningStack) -> None:
    answer = stack.request("POST", "/token", b"client_id=sigstore&client_id=x", FORM)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


def test_body_that_is_no_form_is_refused(stack: RunningStack) -> None:
    assert stack.request("POST", "/token", b"\xff\xfe", FORM).status == 400
    answer = stack.post("/token", {"client_id": "sigstore"})
    assert (answer.status, answer.json()["error"]) == (415, "invalid_request")


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with closing(State(tmp_path / "s")) as state:
        yield Issuer(Context("http://127.0.0.1:1", state, Keyring(state)))


VERIFIER = "v" * 43


def exchange(issuer: Issuer, **change: str) -> Any:
    order = TokenOrder(email="a@example.com", claims={"nonce": "n"})
    challenge = pkce_challenge(VERIFIER)
    code = issuer.authorize(
        client_id="sigstore", redirect_uri="http://localhost:9/cb", challenge=challenge, order=order
    )
    form = {"grant_type": "authorization_code", "client_id": "sigstore", "redirect_uri": "http://localhost:9/cb"}
    form |= {"code": code, "code_verifier": VERIFIER} | change
    request = Request("POST", "/token", body=urlencode(form).encode())
    return request, lambda: issuer.token(request)


def test_code_is_exchanged_once(issuer: Issuer) -> None:
    _, call = exchange(issuer)
    assert b"id_token" in call().body
    with pytest.raises(Refusal) as caught:
        call()
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize(
    "change", [{"code_verifier": "w" * 43}, {"redirect_uri": "http://localhost:9/other"}, {"code_verifier": ""}]
)
def test_code_needs_its_verifier_and_its_redirect(issuer: Issuer, change: dict[str, str]) -> None:
    _, call = exchange(issuer, **change)
    with pytest.raises(Refusal) as caught:
        call()
    assert (caught.value.status, caught.value.code) == (400, "invalid_grant")
