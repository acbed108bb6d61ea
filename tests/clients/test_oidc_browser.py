"""The browser flow against the local issuer and against issuers that lie; the person's part is played over HTTP."""

import base64
import secrets
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gitsign_py.clients.oidc import Client, Provider, Tokens, discover, refresh
from gitsign_py.clients.oidc_browser import BrowserSettings, sign_in_with_browser, sign_in_with_code
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.sigstore.token import pkce
from gitsign_py.errors import ConfigError, GitsignError, ServiceError
from gitsign_py.host.terminal import for_terminal
from tests.support.badserver import changed_json, forward, serving
from tests.support.browser import Browser
from tests.support.person import Person
from tests.support.stack import RunningStack
from tests.support.webform import WebPage, fetch

CLIENT = Client("sigstore")


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=5, backoff=0.01)) as session:
        yield session


def now() -> datetime:
    return datetime.now(UTC)


def allow(page: WebPage) -> WebPage:
    return page.press("allow", email="alice@example.com")


def run(session: HttpSession, provider: Provider, browser: Browser, settings: BrowserSettings | None = None) -> Tokens:
    return sign_in_with_browser(
        session,
        provider,
        CLIENT,
        settings or BrowserSettings(timeout=60),
        dialogue=browser.person,
        environment={},
        now=now,
    )


def test_a_person_signs_in(stack: RunningStack, session: HttpSession) -> None:
    browser = Browser(allow)
    tokens = run(session, discover(session, stack.url), browser)
    page = browser.close()
    assert tokens.claims.email == "alice@example.com"
    assert tokens.refresh_token == ""
    assert page.status == 200
    assert "You are signed in as alice@example.com" in page.text
    assert "window.close()" in page.text
    assert "6 seconds" in page.text
    assert urlsplit(page.url).hostname == "localhost"
    query = parse_qs(urlsplit(browser.address).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["openid email"]
    assert "connector_id" not in query
    assert "No browser could be opened here" in browser.person.everything


def test_what_looks_like_a_token_is_drawn_again(
    stack: RunningStack, session: HttpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminals and logs leave it out, and the address would be of no use: one in 130 had such a part."""
    proofs = (pkce(number.to_bytes(32)) for number in count())
    odd = next(one for one in proofs if for_terminal(f"={one.challenge}&") != f"={one.challenge}&")
    value = base64.urlsafe_b64decode("AAAAeyDosS8GTBuyIwyQH_viDBux0000")
    drawn = {24: [value, value], 32: [base64.urlsafe_b64decode(f"{odd.verifier}=")]}
    real = secrets.token_bytes
    monkeypatch.setattr(secrets, "token_bytes", lambda size: drawn[size].pop() if drawn.get(size) else real(size))
    browser = Browser(allow)
    run(session, discover(session, stack.url), browser)
    browser.close()
    assert drawn == {24: [], 32: []}
    shown = browser.person.everything
    assert for_terminal(shown) == shown
    assert "eyDosS8G" not in shown
    assert odd.challenge not in shown


def test_settings_shape_the_request(stack: RunningStack, session: HttpSession) -> None:
    browser = Browser(allow)
    settings = BrowserSettings(
        redirect_url="http://127.0.0.1:0/some/where", connector_id="https://c.example", close_after=None,
        timeout=60, remember=True, login_hint="bob@example.com",
    )  # fmt: skip
    tokens = run(session, discover(session, stack.url), browser, settings)
    page = browser.close()
    query = parse_qs(urlsplit(browser.address).query)
    assert urlsplit(query["redirect_uri"][0])._replace(netloc="").geturl() == "http:///some/where"
    assert query["connector_id"] == ["https://c.example"]
    assert query["login_hint"] == ["bob@example.com"]
    assert query["scope"] == ["openid email offline_access"]
    assert "<script" not in page.text
    again = refresh(session, discover(session, stack.url), CLIENT, tokens.refresh_token, now=now())
    assert again.claims.email == "alice@example.com"
    assert again.refresh_token not in ("", tokens.refresh_token)
    with pytest.raises(ServiceError, match="used before"):
        refresh(session, discover(session, stack.url), CLIENT, tokens.refresh_token, now=now())


def test_the_browser_is_opened_by_the_opener(stack: RunningStack, session: HttpSession, tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    root = Path(__file__).resolve().parents[2]
    script.write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from tests.support.webform import fetch\n"
        "open(sys.argv[2], 'w').write(fetch(sys.argv[1]).press('allow', email='carol@example.com').text)\n"
    )
    settings = BrowserSettings(url_opener=f"{sys.executable} {script} {{{{.URL}}}} {tmp_path / 'page'}", timeout=60)
    person = Person()
    tokens = sign_in_with_browser(
        session, discover(session, stack.url), CLIENT, settings, dialogue=person, environment={}, now=now
    )
    assert tokens.claims.email == "carol@example.com"
    assert len(person.shown) == 1  # the address, and no complaint


def test_a_refusal_on_the_page_is_one_line(stack: RunningStack, session: HttpSession) -> None:
    browser = Browser(lambda page: page.press("deny"))
    with pytest.raises(ServiceError) as caught:
        run(session, discover(session, stack.url), browser)
    assert caught.value.reason == "sign-in-denied"
    page = browser.close()
    assert page.status == 400
    assert "Sign-in failed" in page.text


def test_a_closed_browser_is_a_timeout(stack: RunningStack, session: HttpSession) -> None:
    browser = Browser(lambda page: page)
    with pytest.raises(ServiceError) as caught:
        run(session, discover(session, stack.url), browser, BrowserSettings(timeout=0.5))
    browser.close()
    assert caught.value.reason == "sign-in-timeout"
    assert "within 0.5 s" in caught.value.message
    assert "gitsign.signInTimeout" in caught.value.hint


def test_ctrl_c_leaves_no_open_port(stack: RunningStack, session: HttpSession) -> None:
    class Impatient(Person):
        def show(self, text: str) -> None:
            super().show(text)
            if "No browser" in text:
                raise KeyboardInterrupt

    person = Impatient()
    provider = discover(session, stack.url)
    with pytest.raises(KeyboardInterrupt):
        sign_in_with_browser(session, provider, CLIENT, BrowserSettings(), dialogue=person, environment={}, now=now)
    redirect = parse_qs(urlsplit(person.shown[0].split()[-1]).query)["redirect_uri"][0]
    with pytest.raises(OSError, match="refused"):
        fetch(redirect)


def twisted(change: dict[str, str | None]) -> Callable[[WebPage], WebPage]:
    """A page that answers our loopback listener with something else than the issuer would."""

    def act(page: WebPage) -> WebPage:
        asked = page.fields
        answer: dict[str, str | None] = {"code": "c", "state": asked["state"], "iss": page.url.split("/auth")[0]}
        return fetch(
            asked["redirect_uri"] + "?" + urlencode({k: v for k, v in (answer | change).items() if v is not None})
        )

    return act


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "https://evil.example"}, "oidc-issuer-mismatch"),
        ({"iss": None}, "oidc-issuer-mismatch"),
        ({"code": "made-up"}, "oidc-refused"),
        ({"code": None, "error": "server_error", "error_description": "no\x1b[2Jtime"}, "sign-in-failed"),
    ],
)
def test_answers_that_are_not_the_issuers_are_refused(
    stack: RunningStack, session: HttpSession, change: dict[str, str | None], reason: str
) -> None:
    browser = Browser(twisted(change))
    with pytest.raises(GitsignError) as caught:
        run(session, discover(session, stack.url), browser)
    assert caught.value.reason == reason
    assert caught.value.message.isprintable()
    page = browser.close()
    assert page.status == 400
    assert "Sign-in failed" in page.text


def test_a_code_is_worth_nothing_without_its_verifier(stack: RunningStack, session: HttpSession) -> None:
    """Another program that took the code from the browser cannot use it (RFC 7636)."""
    stolen: list[str] = []

    def steal(page: WebPage) -> WebPage:
        listener = page.fields["redirect_uri"]
        thief = replace_redirect(page)
        stolen.append(thief)
        return fetch(f"{listener}?error=access_denied&state={page.fields['state']}&iss={stack.url}")

    def replace_redirect(page: WebPage) -> str:
        code = ""

        class NoRedirect(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args: Any) -> None:
                nonlocal code
                code = parse_qs(urlsplit(args[-1]).query)["code"][0]

        opener = urllib.request.build_opener(NoRedirect)
        with pytest.raises(OSError, match="302"):
            opener.open(page.action, urlencode({**page.fields, "email": "a@b.example", "decision": "allow"}).encode())
        return code

    browser = Browser(steal)
    with pytest.raises(ServiceError):
        run(session, discover(session, stack.url), browser)
    redirect = browser.close().url.partition("?")[0]
    form = {"grant_type": "authorization_code", "client_id": "sigstore", "code": stolen[0], "redirect_uri": redirect}
    answer = stack.request(
        "POST", "/token", urlencode({**form, "code_verifier": "x" * 43}).encode(), "application/x-www-form-urlencoded"
    )
    assert answer.status == 400
    assert answer.json()["error"] == "invalid_grant"


def test_a_wrong_nonce_in_the_token_is_refused(stack: RunningStack, session: HttpSession) -> None:
    """A real token of the real issuer, for another sign-in."""
    other = {"id_token": stack.token("alice@example.com", nonce="of-another-sign-in")}
    with serving(forward(stack.url, changed_json(lambda _: other))) as between:
        provider = replace(discover(session, stack.url), token_endpoint=f"{between.url}/token")
        browser = Browser(allow)
        with pytest.raises(GitsignError) as caught:
            run(session, provider, browser)
        assert caught.value.reason == "token-wrong-nonce"
        assert "nonce" in browser.close().text


def test_an_issuer_without_a_login_page_is_named(session: HttpSession) -> None:
    provider = Provider("https://i.example", "", "https://i.example/token")
    with pytest.raises(ServiceError) as caught:
        run(session, provider, Browser(allow))
    assert caught.value.reason == "oidc-no-browser-flow"


def test_a_code_can_be_pasted(stack: RunningStack, session: HttpSession) -> None:
    codes: list[str] = []

    def show(text: str) -> None:
        page = fetch(text.rsplit(maxsplit=1)[-1]).press("allow", email="dave@example.com")
        assert "Copy this code" in page.text
        codes.append(page.text.partition('<code id="code">')[2].partition("<")[0])

    class Paster(Person):
        def prompt(self, text: str) -> str:
            self.shown.append(text)
            return f"  {codes[0]}\n"

    person = Paster(on_show=show)
    settings = BrowserSettings()
    provider = discover(session, stack.url)
    tokens = sign_in_with_code(session, provider, CLIENT, settings, dialogue=person, now=now)
    assert tokens.claims.email == "dave@example.com"
    assert person.shown[-1] == "Code from the page: "


def test_no_code_means_no_sign_in(stack: RunningStack, session: HttpSession) -> None:
    provider = discover(session, stack.url)
    with pytest.raises(ServiceError) as caught:
        sign_in_with_code(session, provider, CLIENT, BrowserSettings(), dialogue=Person(), now=now)
    assert caught.value.reason == "sign-in-cancelled"
    silent = Person(interactive=False)
    with pytest.raises(ConfigError) as refused:
        sign_in_with_code(session, provider, CLIENT, BrowserSettings(), dialogue=silent, now=now)
    assert refused.value.reason == "terminal-needed"
