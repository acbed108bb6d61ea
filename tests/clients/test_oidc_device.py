"""The device flow against the local issuer, its page driven over HTTP, and against issuers that stall or refuse."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from gitsign_py.clients.oidc import Client, Provider, Tokens, discover
from gitsign_py.clients.oidc_browser import BrowserSettings
from gitsign_py.clients.oidc_device import sign_in_on_device
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.errors import GitsignError, ServiceError
from tests.support import tokens
from tests.support.badserver import Action, BadServer, drop, reply, routed, serving
from tests.support.person import Person
from tests.support.stack import RunningStack
from tests.support.webform import fetch

CLIENT = Client("sigstore")
CODE: dict[str, Any] = {
    "device_code": "d", "user_code": "BCDF-GHJK", "verification_uri": "https://i.example/device",
    "expires_in": 300, "interval": 1,
}  # fmt: skip


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=5, backoff=0.01)) as session:
        yield session


def run(
    session: HttpSession,
    provider: Provider,
    person: Person,
    *,
    remember: bool = False,
    timeout: float = 20,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    settings = BrowserSettings(remember=remember, timeout=timeout)
    return sign_in_on_device(session, provider, CLIENT, settings, dialogue=person, now=now, sleep=sleep)


def shown(text: str, label: str) -> str:
    return next(line.split()[-1] for line in text.splitlines() if label in line)


def test_a_person_signs_in_on_another_device(stack: RunningStack, session: HttpSession) -> None:
    """The code is typed with other punctuation and in lower case, as people do (RFC 8628 §6.1)."""

    def elsewhere(text: str) -> None:
        page = fetch(shown(text, "address"))
        assert page.fields["user_code"] == ""
        typed = shown(text, "code ").lower().replace("-", " ")
        assert "Signed in" in page.press("allow", user_code=typed, email="erin@example.com").text

    person = Person(interactive=False, on_show=elsewhere)
    found = run(session, discover(session, stack.url), person, remember=True)
    assert found.claims.email == "erin@example.com"
    assert found.refresh_token
    assert len(person.shown) == 1


def test_polling_goes_on_until_the_person_has_answered(stack: RunningStack, session: HttpSession) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            page = fetch(shown(person.shown[0], "or open"))
            assert page.fields["user_code"] == shown(person.shown[0], "code ")
            page.press("allow", email="frank@example.com")
        time.sleep(seconds)

    person = Person()
    assert run(session, discover(session, stack.url), person, sleep=sleep).claims.email == "frank@example.com"
    assert pauses == [1.0, 1.0, 1.0]


def test_a_refusal_on_the_page_ends_the_polling(stack: RunningStack, session: HttpSession) -> None:
    def elsewhere(text: str) -> None:
        fetch(shown(text, "or open")).press("deny")

    person = Person(on_show=elsewhere)
    with pytest.raises(ServiceError) as caught:
        run(session, discover(session, stack.url), person)
    assert caught.value.reason == "sign-in-denied"


def test_nobody_answers(stack: RunningStack, session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        run(session, discover(session, stack.url), Person(), timeout=1.5)
    assert caught.value.reason == "sign-in-timeout"
    assert "within 1.5 s" in caught.value.message


def test_the_local_issuer_slows_down_who_polls_too_fast(stack: RunningStack, session: HttpSession) -> None:
    """Without real pauses the second poll is too early; the client must then add five seconds (RFC 8628 §3.5)."""
    pauses: list[float] = []

    def impatient(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            fetch(shown(person.shown[0], "or open")).press("allow", email="gina@example.com")

    person = Person()
    assert run(session, discover(session, stack.url), person, sleep=impatient).claims.email == "gina@example.com"
    assert pauses == [1.0, 1.0, 6.0]


def fake(*answers: Action, code: dict[str, Any] | None = None) -> Action:
    return routed({"POST /device": [reply(200, CODE if code is None else code)], "POST /token": answers})


def on(server: BadServer, **more: Any) -> Provider:
    return Provider("https://issuer.example", "", f"{server.url}/token", device_endpoint=f"{server.url}/device", **more)


def error(code: str) -> Action:
    return reply(400, {"error": code})


def good() -> Action:
    now = int(time.time())
    return reply(200, {"id_token": tokens.make({"iat": now, "exp": now + 60})})


def test_every_answer_while_polling_does_what_the_rfc_says(session: HttpSession) -> None:
    pauses: list[float] = []
    script = fake(error("authorization_pending"), error("slow_down"), error("slow_down"), drop(), drop(), good())
    with serving(script) as server:
        found = run(session, on(server), Person(), sleep=pauses.append, timeout=1000)
        forms = [parse_qs(one.body.decode()) for one in server.requests]
    assert found.claims.email == "alice@example.com"
    assert pauses == [1.0, 1.0, 6.0, 11.0, 22.0]
    assert forms[0]["scope"] == ["openid email"]
    assert forms[0]["code_challenge_method"] == ["S256"]
    assert forms[1]["grant_type"] == ["urn:ietf:params:oauth:grant-type:device_code"]
    assert forms[1]["device_code"] == ["d"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error("expired_token"), "sign-in-timeout"),
        (error("access_denied"), "sign-in-denied"),
        (error("invalid_client"), "oidc-refused"),
        (reply(404), "service-status"),
        (reply(200, {"id_token": "x"}), "token-invalid"),
        (reply(200, {"id_token": tokens.make({"iat": 1, "exp": 2})}), "token-expired"),
        (reply(200, {"id_token": tokens.make({"iss": "https://evil.example", "exp": 4e9})}), "token-wrong-issuer"),
        (reply(200, {"id_token": tokens.make(header={"alg": "none"})}), "token-unsigned"),
    ],
)
def test_what_ends_the_polling_is_one_line(session: HttpSession, answer: Action, reason: str) -> None:
    with serving(fake(answer)) as server, pytest.raises(GitsignError) as caught:
        run(session, on(server), Person(), sleep=lambda _seconds: None)
    assert caught.value.reason == reason
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "change",
    [{"device_code": None}, {"user_code": ""}, {"user_code": "\x1b[2J"}, {"verification_uri": 7}, {"device_code": 7}],
)
def test_a_device_answer_without_its_parts_is_refused(session: HttpSession, change: dict[str, Any]) -> None:
    with serving(fake(good(), code=CODE | change)) as server, pytest.raises(ServiceError) as caught:
        run(session, on(server), Person())
    assert caught.value.reason == "oidc-device-answer"


def test_an_address_that_is_no_url_is_not_shown(session: HttpSession) -> None:
    person = Person()
    code = CODE | {"verification_uri": "javascript:alert(1)"}
    with serving(fake(good(), code=code)) as server, pytest.raises(GitsignError):
        run(session, on(server), person)
    assert person.shown == []


@pytest.mark.parametrize("interval", [None, 0, -1, True, "5", 1e9, float(3600)])
def test_an_interval_that_makes_no_sense_is_replaced(session: HttpSession, interval: object) -> None:
    pauses: list[float] = []
    code = CODE | {"interval": interval} | ({"expires_in": "x"} if interval is None else {})
    with serving(fake(good(), code=code)) as server:
        run(session, on(server), Person(), sleep=pauses.append, timeout=1000)
    assert pauses == [60.0 if interval == 3600 else 5.0]


def test_an_issuer_without_a_device_flow_is_named(session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        run(session, Provider("https://i.example", "", "https://i.example/token"), Person())
    assert caught.value.reason == "oidc-no-device-flow"


def test_a_code_works_for_one_person_once(stack: RunningStack, session: HttpSession) -> None:
    first: list[Tokens] = []
    person = Person()
    provider = discover(session, stack.url)
    thread = threading.Thread(target=lambda: first.append(run(session, provider, person)))
    thread.start()
    while not person.shown:
        time.sleep(0.01)
    address = shown(person.shown[0], "or open")
    fetch(address).press("allow", email="henry@example.com")
    second = fetch(address).press("allow", email="mallory@example.com")
    thread.join(20)
    assert second.status == 400
    assert "used or expired" in second.text
    assert first[0].claims.email == "henry@example.com"


def test_the_page_asks_again_for_what_is_no_address(stack: RunningStack, session: HttpSession) -> None:
    page = fetch(f"{stack.url}/device?user_code=%3Cscript%3E").press("allow", email="<b>@", user_code="<script>")
    assert page.status == 400
    assert "not an e-mail address" in page.text
    assert "<script>" not in page.text
    assert replace(page).fields == {"user_code": "<script>", "email": "<b>@"}
