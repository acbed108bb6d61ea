"""The issuer as a client sees it: discovery, the token endpoint, and every ID token that must be refused."""

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from gitsign_py.clients.oidc import (
    AuthorizationRequest,
    Client,
    OAuthError,
    Provider,
    asked_scope,
    discover,
    exchange_code,
    post_form,
    refresh,
)
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.sigstore.token import Pkce
from gitsign_py.errors import ConfigError, GitsignError, ServiceError
from tests.support import tokens
from tests.support.badserver import BadServer, Received, computed, reply, routed, serving

CLIENT = Client("sigstore")
NONCE = "n-0S6_WzA2Mj"
LATER = 4_000_000_000
"""In 2096: all tests are collected long before one of them runs."""
REQUEST = AuthorizationRequest("", "http://localhost:1/x", "", NONCE, Pkce("v" * 43, ""))


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=3, backoff=0.01)) as session:
        yield session


def provider(issuer: str = "https://issuer.example", url: str = "", **more: Any) -> Provider:
    return Provider(issuer, f"{url}/auth", f"{url}/token", **more)


def claims(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now, "exp": now + 60, "nonce": NONCE, **(changes or {})}


def exchange(
    session: HttpSession, answer: object, *, status: int = 200, client: Client = CLIENT, **more: Any
) -> BadServer:
    with serving(reply(status, answer)) as server:
        try:
            exchange_code(session, provider(url=server.url, **more), client, REQUEST, code="c", now=datetime.now(UTC))
        finally:
            assert len(server.requests) <= 2
        return server


def discovery(changes: dict[str, Any] | None = None, drop: str = "") -> Any:
    def answer(request: Received) -> tuple[int, object, dict[str, str]]:
        url = f"http://{request.headers['host']}"
        document = {"issuer": url, "authorization_endpoint": f"{url}/auth", "token_endpoint": f"{url}/token"}
        document |= changes or {}
        document.pop(drop, None)
        return 200, document, {}

    return computed(answer)


def test_discovery_reads_what_the_flows_need(session: HttpSession) -> None:
    changes = {
        "device_authorization_endpoint": "https://elsewhere.example/device",
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid", "offline_access", 7],
    }
    with serving(discovery(changes)) as server:
        found = discover(session, server.url)
        assert server.requests[0].path == "/.well-known/openid-configuration"
    assert found.token_endpoint == f"{server.url}/token"
    assert found.device_endpoint == "https://elsewhere.example/device"
    assert found.sends_issuer
    assert asked_scope(found, remember=True) == {"scope": "openid email offline_access", "prompt": "consent"}
    assert asked_scope(found, remember=False) == asked_scope(provider(), remember=True) == {"scope": "openid email"}


@pytest.mark.parametrize("name", ["https://evil.example", "http://127.0.0.1", ""])
def test_an_issuer_that_calls_itself_otherwise_is_refused(session: HttpSession, name: str) -> None:
    with serving(discovery({"issuer": name})) as server, pytest.raises(ServiceError) as caught:
        discover(session, server.url)
    assert caught.value.reason == ("oidc-discovery-mismatch" if name else "service-answer-invalid")


def test_a_slash_more_is_another_issuer(session: HttpSession) -> None:
    with serving(discovery()) as server, pytest.raises(ServiceError) as caught:
        discover(session, server.url + "/")
    assert caught.value.reason == "oidc-discovery-mismatch"


@pytest.mark.parametrize(
    "action",
    [
        reply(200, b"<html>login</html>"),
        reply(200, [1]),
        reply(404),
        discovery(drop="token_endpoint"),
        discovery({"device_authorization_endpoint": 7}),
    ],
)
def test_what_is_no_discovery_document_is_one_line(session: HttpSession, action: Any) -> None:
    with serving(action) as server, pytest.raises(ServiceError) as caught:
        discover(session, server.url)
    assert "\n" not in str(caught.value)


def test_an_issuer_or_endpoint_without_tls_is_refused_unless_it_is_here(session: HttpSession) -> None:
    with pytest.raises(ConfigError) as caught:
        discover(session, "http://issuer.example")
    assert caught.value.reason == "oidc-issuer-insecure"
    changes = {"token_endpoint": "http://issuer.example/token"}
    with serving(discovery(changes)) as server, pytest.raises(ConfigError) as caught:
        discover(session, server.url)
    assert caught.value.reason == "oidc-issuer-insecure"


def test_a_good_answer_gives_checked_tokens(session: HttpSession) -> None:
    raw = tokens.make(claims())
    with serving(reply(200, {"id_token": raw, "refresh_token": "r"})) as server:
        found = exchange_code(
            session, provider(url=server.url), CLIENT, REQUEST, code="the code", now=datetime.now(UTC)
        )
    assert found.identity.raw == raw
    assert found.claims.email == "alice@example.com"
    assert found.refresh_token == "r"
    assert "the code" not in repr(found)
    assert parse_qs(server.requests[0].body.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["the code"],
        "redirect_uri": ["http://localhost:1/x"],
        "code_verifier": ["v" * 43],
        "client_id": ["sigstore"],
    }


@pytest.mark.parametrize(
    ("changes", "header", "reason"),
    [
        ({"iss": "https://evil.example"}, None, "token-wrong-issuer"),
        ({"iss": "https://issuer.example/"}, None, "token-wrong-issuer"),
        ({"aud": "somebody-else"}, None, "token-wrong-audience"),
        ({"aud": ["sigstore", "other"]}, None, "token-wrong-party"),
        ({"aud": ["sigstore", "other"], "azp": "other"}, None, "token-wrong-party"),
        ({"azp": "other"}, None, "token-wrong-party"),
        ({"nonce": "another"}, None, "token-wrong-nonce"),
        ({"nonce": None}, None, "token-wrong-nonce"),
        ({"iat": 1, "exp": 60}, None, "token-expired"),
        ({"iat": LATER, "exp": LATER + 3600}, None, "token-not-yet-valid"),
        ({"nbf": LATER}, None, "token-not-yet-valid"),
        ({"iat": None}, None, "token-invalid"),
        ({"exp": None}, None, "token-invalid"),
        ({}, {"alg": "none"}, "token-unsigned"),
        ({}, {"alg": "NONE"}, "token-unsigned"),
        ({}, {"alg": "HS256"}, "token-algorithm"),
        ({}, {"alg": "XX"}, "token-algorithm"),
    ],
)
def test_id_tokens_that_must_be_refused(
    session: HttpSession, changes: dict[str, Any], header: object, reason: str
) -> None:
    with pytest.raises(GitsignError) as caught:
        exchange(session, {"id_token": tokens.make(claims(changes), header=header)})
    assert caught.value.reason == reason
    assert "\n" not in caught.value.message


def test_two_audiences_are_fine_when_we_are_the_authorized_party(session: HttpSession) -> None:
    exchange(session, {"id_token": tokens.make(claims({"aud": ["sigstore", "other"], "azp": "sigstore"}))})


def test_a_token_without_a_signature_is_refused(session: HttpSession) -> None:
    with pytest.raises(GitsignError) as caught:
        exchange(session, {"id_token": tokens.make(claims(), signature=b"")})
    assert caught.value.reason == "token-unsigned"


@pytest.mark.parametrize("answer", [{}, {"id_token": ""}, {"id_token": 7}, {"access_token": "x"}])
def test_an_answer_without_an_id_token_is_named(session: HttpSession, answer: object) -> None:
    with pytest.raises(ServiceError) as caught:
        exchange(session, answer)
    assert caught.value.reason == "oidc-no-token"


def test_the_issuers_reason_is_repeated_on_one_clean_line(session: HttpSession) -> None:
    with pytest.raises(OAuthError) as caught:
        exchange(session, {"error": "invalid_grant", "error_description": "code\n\x1b[31mused"}, status=400)
    assert caught.value.code == "invalid_grant"
    assert str(caught.value) == "the OIDC issuer refused: invalid_grant: code [31mused"


@pytest.mark.parametrize(("status", "body"), [(400, b"no"), (400, {"error": 7}), (401, {}), (500, b"")])
def test_other_failures_keep_the_status(session: HttpSession, status: int, body: object) -> None:
    with pytest.raises(ServiceError) as caught:
        exchange(session, body, status=status)
    assert caught.value.reason == "service-status"


def test_a_client_secret_goes_as_the_issuer_wants_it(session: HttpSession) -> None:
    client = Client("my client", "s3cr:et/")
    assert "s3cr" not in repr(client)
    answer = {"id_token": tokens.make(claims({"aud": "my client"}))}
    basic = exchange(session, answer, client=client).requests[0]
    assert base64.b64decode(basic.headers["authorization"].split()[1]) == b"my+client:s3cr%3Aet%2F"
    assert b"client_secret" not in basic.body
    post = exchange(session, answer, client=client, secret_methods=("client_secret_post",)).requests[0]
    assert "authorization" not in post.headers
    assert parse_qs(post.body.decode())["client_secret"] == ["s3cr:et/"]


def test_a_refresh_keeps_the_old_token_where_no_new_one_comes(session: HttpSession) -> None:
    for given, expected in (("next", "next"), (None, "old")):
        answer = {"id_token": tokens.make(claims({"nonce": None}))} | ({"refresh_token": given} if given else {})
        with serving(reply(200, answer)) as server:
            found = refresh(session, provider(url=server.url), CLIENT, "old", now=datetime.now(UTC))
            form = parse_qs(server.requests[0].body.decode())
        assert found.refresh_token == expected
        assert form["grant_type"] == ["refresh_token"]
        assert form["refresh_token"] == ["old"]


def test_post_form_reads_an_object(session: HttpSession) -> None:
    script = routed({"POST /token": [reply(200, {"a": 1})]})
    with serving(script) as server:
        assert post_form(session, provider(url=server.url), CLIENT, f"{server.url}/token", {}) == {"a": 1}
