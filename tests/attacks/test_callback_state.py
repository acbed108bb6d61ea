"""Any page that the person has open can send the browser to the loopback listener of a sign-in.

The attack: it goes on sending answers with a made-up state, an error or a code, so that the sign-in ends before the
issuer's answer comes. Each is answered 400, and the sign-in goes on.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from gitsign_py.clients.oidc import Client, Tokens, discover
from gitsign_py.clients.oidc_browser import BrowserSettings, sign_in_with_browser
from gitsign_py.clients.session import HttpSession
from gitsign_py.errors import ServiceError
from tests.support.browser import Browser
from tests.support.stack import RunningStack
from tests.support.webform import WebPage, fetch

FALSE = (
    {"code": "c", "state": "wrong"},
    {"code": "c"},
    {"code": "c", "state": ""},
    {"error": "access_denied", "state": "wrong"},
    {"error": "access_denied"},
    {"code": "c", "state": "\ud800\x00"},
)


def sign_in(stack: RunningStack, browser: Browser, seconds: float = 20) -> Tokens:
    settings = BrowserSettings(timeout=seconds)
    with HttpSession() as session:
        provider = discover(session, stack.url)
        return sign_in_with_browser(
            session,
            provider,
            Client("sigstore"),
            settings,
            dialogue=browser.person,
            environment={},
            now=lambda: datetime.now(UTC),
        )


def attacked(pages: list[WebPage], then: Callable[[WebPage], WebPage]) -> Callable[[WebPage], WebPage]:
    def act(page: WebPage) -> WebPage:
        for answer in FALSE:
            query = urlencode(answer, errors="surrogatepass")
            pages.append(fetch(f"{page.fields['redirect_uri']}?{query}"))
        return then(page)

    return act


def test_a_sign_in_outlasts_the_answers_of_others(stack: RunningStack) -> None:
    pages: list[WebPage] = []
    browser = Browser(attacked(pages, lambda page: page.press("allow", email="alice@example.com")))
    assert sign_in(stack, browser).claims.email == "alice@example.com"
    assert "You are signed in" in browser.close().text
    assert [page.status for page in pages] == [400] * len(FALSE)
    assert all("another sign-in" in page.text for page in pages)


def test_a_time_out_says_that_others_answered(stack: RunningStack) -> None:
    pages: list[WebPage] = []
    browser = Browser(attacked(pages, lambda page: page))
    with pytest.raises(ServiceError) as caught:
        sign_in(stack, browser, seconds=5)
    browser.close()
    assert caught.value.reason == "sign-in-timeout"
    assert f"{len(FALSE)} answers belonged to another sign-in" in caught.value.message
