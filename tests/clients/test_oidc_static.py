"""Tokens of the bundled issuer: for the asking, and on loopback alone."""

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from gitsign_py.clients.oidc_static import StackTokenSource
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.sigstore.token import parse_unverified
from gitsign_py.errors import ConfigError, ServiceError
from tests.support.badserver import reply, serving, unused_url
from tests.support.stack import RunningStack
from tests.support.tokens import make

EMAIL = "alice@example.com"


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=3.0, backoff=0.01), jitter=lambda: 0.0) as opened:
        yield opened


def test_the_local_stack_gives_a_token_for_the_committer(session: HttpSession, stack: RunningStack) -> None:
    claims = parse_unverified(StackTokenSource(session, stack.url, EMAIL).token().raw)
    assert (claims.email, claims.issuer, claims.audience) == (EMAIL, stack.url, ("sigstore",))


def test_the_request_is_a_form(session: HttpSession) -> None:
    with serving(reply(200, {"id_token": make()})) as server:
        StackTokenSource(session, server.url, EMAIL).token()
    (seen,) = server.requests
    assert (seen.method, seen.path) == ("POST", "/token")
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["sigstore"],
        "login_hint": [EMAIL],
        "audience": ["sigstore"],
    }


@pytest.mark.parametrize(
    "issuer", ["https://oauth2.sigstore.dev/auth", "http://127.0.0.1.evil.example", "http://10.0.0.1"]
)
def test_an_issuer_elsewhere_is_never_asked(session: HttpSession, issuer: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StackTokenSource(session, issuer, EMAIL).token()
    assert caught.value.reason == "token-source-missing"
    assert "SIGSTORE_ID_TOKEN" in caught.value.hint


@pytest.mark.parametrize("answer", [reply(404), reply(405), reply(400, {"error": "unsupported_grant_type"})])
def test_a_local_issuer_of_another_make_needs_another_source(session: HttpSession, answer: object) -> None:
    with serving(answer) as server, pytest.raises(ConfigError) as caught:  # type: ignore[arg-type]
        StackTokenSource(session, server.url, EMAIL).token()
    assert caught.value.reason == "token-source-missing"


def test_a_refusal_is_told_in_the_issuers_words(session: HttpSession, stack: RunningStack) -> None:
    with pytest.raises(ServiceError) as caught:
        StackTokenSource(session, stack.url, "not an address").token()
    assert "login_hint is not an e-mail address" in caught.value.message
    assert "user.email" in caught.value.hint


def test_no_address_is_said_before_anything_is_asked(session: HttpSession) -> None:
    with pytest.raises(ConfigError) as caught:
        StackTokenSource(session, unused_url(), "").token()
    assert caught.value.reason == "token-email-missing"


@pytest.mark.parametrize(
    "value",
    [b"garbage", [], {}, {"id_token": 1}, {"id_token": "x"}, {"id_token": make({"email": "eve@example.com"})}],
)
def test_an_answer_that_is_no_token_of_ours_is_refused(session: HttpSession, value: object) -> None:
    with serving(reply(200, value)) as server, pytest.raises(ServiceError) as caught:
        StackTokenSource(session, server.url, EMAIL).token()
    assert caught.value.reason == "service-answer-invalid"


def test_an_issuer_that_is_down_is_named(session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        StackTokenSource(session, unused_url(), EMAIL).token()
    assert caught.value.reason == "service-unreachable"
    assert caught.value.message.startswith("OIDC issuer at ")
