"""The login page of the local issuer: what it refuses, and what it says to whom."""

import json
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gitsign_py.core.sigstore.token import parse_unverified
from gitsign_py.localstack.context import Context, system_clock
from gitsign_py.localstack.idp import login
from gitsign_py.localstack.idp.deviceflow import DeviceFlow
from gitsign_py.localstack.idp.issuer import REFRESH_AUDIENCE, Issuer, TokenOrder, pkce_challenge
from gitsign_py.localstack.idp.login import Login, redirect_allowed
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.service import Refusal, Request, Response
from gitsign_py.localstack.state import State

REDIRECT = "http://localhost:4711/auth/callback"
VERIFIER = "v" * 43


class Desk:
    """The login page without a socket, with a clock that can be turned."""

    def __init__(self, directory: Path) -> None:
        self.ahead = timedelta()
        self.state = State(directory)
        weakref.finalize(self, self.state.close)
        context = Context("http://127.0.0.1:1", self.state, Keyring(self.state), self._now)
        self.issuer = Issuer(context)
        self.login = Login(self.issuer)
        self.device = DeviceFlow(self.issuer, self.login.order)

    def _now(self) -> datetime:
        return system_clock() + self.ahead

    def token(self, **form: str) -> dict[str, Any]:
        body = urlencode({"client_id": "sigstore", **form}).encode()
        answer: dict[str, Any] = json.loads(self.issuer.token(Request("POST", "/token", body=body)).body)
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "state")
    yield desk
    desk.state.close()


def asked(**changes: str | None) -> dict[str, str]:
    fields: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "sigstore",
        "redirect_uri": REDIRECT,
        "scope": "openid email",
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": pkce_challenge(VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def page(desk: Desk, **changes: str | None) -> Response:
    return desk.login.page(Request("GET", "/auth", query=asked(**changes)))


def submit(desk: Desk, changes: dict[str, str | None] | None = None, **form: str) -> Response:
    body = urlencode({**asked(**(changes or {})), "decision": "allow", "email": "a@b.example", **form}).encode()
    return desk.login.submit(Request("POST", "/auth", body=body))


def redirected(response: Response) -> dict[str, str]:
    assert response.status == 302
    parts = urlsplit(response.headers["Location"])
    assert parts._replace(query="").geturl() == REDIRECT
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def test_the_form_is_plain_html_that_carries_the_request(desk: Desk) -> None:
    response = page(desk, state='"><script>x</script>')
    text = response.body.decode()
    assert response.status == 200
    assert "<script" not in text
    assert "&quot;&gt;&lt;script&gt;" in text
    assert '<label for="email">' in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "evil"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://localhost.evil.example:1/"},
        {"redirect_uri": "http://user@localhost:1/"},
        {"redirect_uri": None},
        {"redirect_uri": "http://localhost:99999/"},
    ],
)
def test_a_wrong_client_or_redirect_is_told_to_the_person_and_never_redirected(
    desk: Desk, changes: dict[str, str | None]
) -> None:
    for response in (page(desk, **changes), submit(desk, changes)):
        assert response.status == 400
        assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
def test_other_mistakes_are_told_to_the_client(desk: Desk, changes: dict[str, str | None], error: str) -> None:
    for response in (page(desk, **changes), submit(desk, changes)):
        answer = redirected(response)
        assert answer["error"] == error
        assert answer["state"] == "the state"
        assert answer["iss"] == "http://127.0.0.1:1"


def test_a_code_is_exchanged_once_with_the_right_verifier_and_redirect(desk: Desk) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    answer = desk.token(code=redirected(submit(desk))["code"], **form)
    assert "refresh_token" not in answer
    for change in ({"code_verifier": "w" * 43}, {"redirect_uri": REDIRECT + "x"}):
        code = redirected(submit(desk))["code"]
        with pytest.raises(Refusal):
            desk.token(code=code, **(form | change))
        with pytest.raises(Refusal, match="used"):  # a code that was tried wrongly is spent too
            desk.token(code=code, **form)


def test_a_missing_state_is_not_made_up(desk: Desk) -> None:
    assert "state" not in redirected(submit(desk, {"state": None}))


def test_who_refuses_gives_no_code(desk: Desk) -> None:
    for decision in ("deny", "", "maybe"):
        answer = redirected(submit(desk, decision=decision))
        assert answer["error"] == "access_denied"
        assert "code" not in answer


def test_what_is_no_address_is_asked_again(desk: Desk) -> None:
    response = submit(desk, email="nobody")
    assert response.status == 400
    assert b'role="alert"' in response.body


def test_out_of_band_shows_the_code_or_the_refusal(desk: Desk) -> None:
    changes: dict[str, str | None] = {"redirect_uri": login.OUT_OF_BAND}
    assert b'<code id="code">' in submit(desk, changes).body
    refused = submit(desk, changes, decision="deny")
    assert refused.status == 400
    assert b"the person refused" in refused.body
    assert page(desk, redirect_uri=login.OUT_OF_BAND, scope="email").status == 400


def refresh_token(desk: Desk) -> str:
    order = desk.login.order("a@b.example", scope="openid offline_access")
    assert order.claims == {}
    return order.refresh_token


def test_a_refresh_token_works_once_and_brings_the_next(desk: Desk) -> None:
    first = refresh_token(desk)
    answer = desk.token(grant_type="refresh_token", refresh_token=first)
    assert answer["refresh_token"] != first
    with pytest.raises(Refusal, match="used before"):
        desk.token(grant_type="refresh_token", refresh_token=first)
    desk.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])


def test_a_refresh_token_outlives_a_restart_and_not_a_month(desk: Desk) -> None:
    first, second = refresh_token(desk), refresh_token(desk)
    desk.login = Login(desk.issuer)
    desk.token(grant_type="refresh_token", refresh_token=first)
    desk.ahead = timedelta(days=31)
    with pytest.raises(Refusal, match="expired"):
        desk.token(grant_type="refresh_token", refresh_token=second)


@pytest.mark.parametrize(
    "make", [lambda _: "", lambda _: "a.b.c", lambda desk: desk.issuer.mint(TokenOrder("a@b.example"))]
)
def test_what_is_no_refresh_token_is_refused(desk: Desk, make: Callable[[Desk], str]) -> None:
    with pytest.raises(Refusal, match="not one of ours"):
        desk.token(grant_type="refresh_token", refresh_token=make(desk))


def test_a_refresh_token_is_no_identity_token(desk: Desk) -> None:
    claims = parse_unverified(refresh_token(desk))
    assert claims.audience == (REFRESH_AUDIENCE,)
    assert claims.email is None


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("http://localhost:1/x", True),
        ("http://127.0.0.1:65535/", True),
        ("http://localhost/x", False),
        ("https://localhost:1/x", False),
        ("http://localhost:1/x?a=b", False),
        ("http://localhost:1/x#f", False),
        ("http://[::1", False),
        ("urn:ietf:wg:oauth:2.0:oob", True),
        ("", False),
    ],
)
def test_redirects_that_are_allowed(target: str, allowed: bool) -> None:
    assert redirect_allowed(target) == allowed


def test_device_codes_end(desk: Desk) -> None:
    def start(client: str = "sigstore") -> Response:
        return desk.device.start(Request("POST", "/device/code", body=urlencode({"client_id": client}).encode()))

    with pytest.raises(Refusal, match="client_id"):
        start("evil")
    code = Request("GET", body=start().body).json()
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    with pytest.raises(Refusal) as pending:
        desk.token(grant_type=grant, device_code=code["device_code"])
    assert pending.value.code == "authorization_pending"
    desk.ahead = timedelta(minutes=6)
    with pytest.raises(Refusal) as expired:
        desk.token(grant_type=grant, device_code=code["device_code"])
    assert expired.value.code == "expired_token"
    form = urlencode({"user_code": code["user_code"], "email": "a@b.example", "decision": "allow"}).encode()
    assert desk.device.submit(Request("POST", "/device", body=form)).status == 400
    start()  # sweeps what has ended
    assert len(desk.device._pending) == 1
