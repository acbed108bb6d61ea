"""The one door to a token: what is chosen, what is remembered, what is said when nothing fits."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import keyring
import pytest

from gitsign_py.clients import ambient
from gitsign_py.clients.oidc import Provider, discover
from gitsign_py.clients.oidc_browser import BrowserSettings
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.clients.signin import SignInSettings, SignInTools, choose, read_client, sign_in
from gitsign_py.clients.tokensources import TOKEN_SOURCES, TokenRequest, first_source, obtain_token
from gitsign_py.core.sigstore.token import IdentityToken, parse_unverified
from gitsign_py.errors import ConfigError
from gitsign_py.host.keystore import KeyringStore
from gitsign_py.host.logins import LoginBook, LoginRecord
from tests.support.memorykeyring import Memory
from tests.support.person import Person
from tests.support.stack import RunningStack
from tests.support.webform import fetch


@pytest.fixture
def backend() -> Iterator[Memory]:
    before = keyring.get_keyring()
    memory = Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ambient, "_GOOGLE_PRODUCT", tmp_path / "product_name")


@pytest.fixture
def settings(stack: RunningStack) -> SignInSettings:
    return SignInSettings(stack.url, "sigstore", provider="device", browser=BrowserSettings(timeout=60, remember=True))


@pytest.fixture
def tools(tmp_path: Path, backend: Memory) -> Iterator[SignInTools]:
    def elsewhere(text: str) -> None:
        if "or open" in text:
            fetch(text.rsplit(maxsplit=1)[-1]).press("allow", email="alice@example.com")

    with HttpSession(Limits(total=60)) as session:
        book = LoginBook(tmp_path / "state" / "logins.json")
        yield SignInTools(
            session, Person(on_show=elsewhere), {}, KeyringStore(timeout=60), book, lambda: datetime.now(UTC)
        )


def person(tools: SignInTools) -> Person:
    assert isinstance(tools.dialogue, Person)
    return tools.dialogue


def obtain(settings: SignInSettings, tools: SignInTools, flag: str | None = None) -> IdentityToken:
    request = request_of(settings, tools, flag)
    return obtain_token(request, tools.session, lambda: (settings, tools))


def request_of(settings: SignInSettings, tools: SignInTools, flag: str | None = None) -> TokenRequest:
    return TokenRequest(settings.issuer, settings.client_id, settings.provider, tools.environment, flag=flag)


def test_the_table_names_each_source_once_and_a_person_last(settings: SignInSettings, tools: SignInTools) -> None:
    names = [source.name for source in TOKEN_SOURCES]
    assert names == ["given", "local-issuer", "platform", "remembered", "person"]
    cases = {"given": {"SIGSTORE_ID_TOKEN": "x", "GITLAB_CI": "1"}, "platform": {"GITLAB_CI": "1"}, "remembered": {}}
    elsewhere = replace(settings, provider="", issuer="https://issuer.example")
    for name, environment in cases.items():
        assert first_source(request_of(elsewhere, replace(tools, environment=environment))).name == name
    here = request_of(replace(settings, provider=""), replace(tools, environment={"GITLAB_CI": "1"}))
    assert first_source(here).name == "local-issuer"
    assert first_source(replace(here, provider="gitlab")).name == "platform"
    assert first_source(replace(here, provider="device")).name == "remembered"


def test_a_given_token_comes_first(stack: RunningStack, settings: SignInSettings, tools: SignInTools) -> None:
    raw = stack.token("bob@example.com")
    for name in ("SIGSTORE_ID_TOKEN",):
        assert obtain(settings, replace(tools, environment={name: raw})).raw == raw
    assert obtain(settings, replace(tools, environment={"SIGSTORE_ID_TOKEN": "x"}), flag=raw).raw == raw
    assert person(tools).shown == []


def test_a_platform_comes_before_a_person(
    stack: RunningStack, settings: SignInSettings, tools: SignInTools, tmp_path: Path
) -> None:
    raw = stack.token("bob@example.com")
    (tmp_path / "token").write_text(raw)
    tools = replace(tools, environment={"SIGSTORE_ID_TOKEN_FILE": str(tmp_path / "token")})
    away = replace(settings, provider="", issuer="https://issuer.example")
    assert obtain(away, tools).raw == raw
    assert obtain(replace(settings, provider="filesystem"), tools).raw == raw
    assert person(tools).shown == []


def test_a_remembered_sign_in_needs_nobody(
    settings: SignInSettings, tools: SignInTools, backend: Memory, stack: RunningStack
) -> None:
    tokens = sign_in(settings, tools)
    assert list(backend.kept) == [("gitsign-py", f"refresh-token sigstore {stack.url}")]
    assert stat.S_IMODE(tools.logins.path.stat().st_mode) == 0o600
    assert tokens.refresh_token not in tools.logins.path.read_text()
    shown = list(person(tools).shown)
    for _ in range(2):  # the refresh token is replaced each time
        before = dict(backend.kept)
        assert parse_unverified(obtain(settings, tools).raw).email == "alice@example.com"
        assert backend.kept != before
    assert person(tools).shown == shown


def test_without_remember_nothing_is_kept(settings: SignInSettings, tools: SignInTools, backend: Memory) -> None:
    settings = replace(settings, browser=replace(settings.browser, remember=False))
    assert sign_in(settings, tools).refresh_token == ""
    assert backend.kept == {}
    record = tools.logins.find(settings.issuer, "sigstore")
    assert record is not None
    assert (record.identity, record.remembered) == ("alice@example.com", False)


def test_a_refresh_token_that_lost_its_worth_means_a_new_sign_in(
    settings: SignInSettings, tools: SignInTools, backend: Memory
) -> None:
    sign_in(settings, tools)
    name = next(iter(backend.kept))
    backend.kept[name] = "worthless"
    assert parse_unverified(obtain(settings, tools).raw).email == "alice@example.com"
    assert "no longer accepted (invalid_grant)" in person(tools).everything


def test_a_keyring_that_hangs_is_a_warning_and_signing_goes_on(
    settings: SignInSettings, tools: SignInTools, backend: Memory
) -> None:
    sign_in(settings, tools)
    backend.delay = 2.0
    tools = replace(tools, store=KeyringStore(timeout=0.5))
    assert parse_unverified(obtain(settings, tools).raw).email == "alice@example.com"
    assert "did not answer within 0.5 s; going on without it" in person(tools).everything


def test_a_keyring_that_refuses_leaves_a_sign_in_that_is_not_remembered(
    settings: SignInSettings, tools: SignInTools, backend: Memory
) -> None:
    backend.trouble = RuntimeError("locked")
    sign_in(settings, tools)
    record = tools.logins.find(settings.issuer, "sigstore")
    assert record is not None
    assert not record.remembered
    assert "this sign-in is not remembered" in person(tools).everything


def test_the_way_is_chosen_by_what_is_there(stack: RunningStack, tools: SignInTools) -> None:
    provider = discover(tools.session, stack.url)
    plain = SignInSettings(stack.url, "sigstore")
    opener = replace(plain, browser=BrowserSettings(url_opener="firefox"))
    assert choose(provider, opener, tools) == "interactive"
    assert choose(provider, plain, tools) == "device"
    assert choose(replace(provider, device_endpoint=""), plain, tools) == "oob"
    with pytest.raises(ConfigError) as caught:
        choose(provider, plain, replace(tools, dialogue=Person(interactive=False)))
    assert caught.value.reason == "no-way-to-sign-in"
    assert "gitsign-py login" in caught.value.hint


def test_an_unknown_provider_is_named(settings: SignInSettings, tools: SignInTools) -> None:
    with pytest.raises(ConfigError) as caught:
        sign_in(replace(settings, provider="carrier-pigeon"), tools)
    assert caught.value.reason == "token-provider-unknown"


def test_a_client_secret_comes_from_its_file(settings: SignInSettings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" s3cret\n")
    assert read_client(replace(settings, client_secret_file=str(tmp_path / "secret"))).secret == "s3cret"
    assert read_client(settings).secret == ""
    (tmp_path / "secret").write_bytes(b"\xff")
    for path in (tmp_path / "secret", tmp_path / "none"):
        with pytest.raises(ConfigError) as caught:
            read_client(replace(settings, client_secret_file=str(path)))
        assert caught.value.reason == "client-secret-unreadable"


@pytest.mark.parametrize("text", ["", "{}", "[7]", '[{"issuer": 1}]', '[{"issuer": "i", "client_id": "c"}]'])
def test_a_login_file_that_cannot_be_read_holds_nothing(tmp_path: Path, text: str) -> None:
    book = LoginBook(tmp_path / "logins.json")
    book.path.write_text(text)
    assert book.all() == ()
    book.put(LoginRecord("i", "c", "who", "when", remembered=True))
    book.put(LoginRecord("i", "c", "other", "when", remembered=False))
    assert [one.identity for one in book.all()] == ["other"]
    book.remove("i", "c")
    book.remove("i", "c")
    assert book.all() == ()


def test_a_provider_without_a_page_is_no_browser_flow(tools: SignInTools) -> None:
    provider = Provider("https://i", "", "https://i/token", device_endpoint="https://i/device")
    opener = SignInSettings("https://i", "c", browser=BrowserSettings(url_opener="firefox"))
    assert choose(provider, opener, tools) == "device"


def test_a_sign_in_that_nobody_would_see_is_refused_at_once(settings: SignInSettings, tools: SignInTools) -> None:
    """It would wait two minutes for a code that was shown to nobody; a browser that opens is seen by itself."""
    for provider in ("device", "interactive"):
        with pytest.raises(ConfigError) as caught:
            obtain(replace(settings, provider=provider), replace(tools, is_seen=False))
        assert caught.value.reason == "sign-in-unseen"
        assert "gitsign-py login" in caught.value.hint
    assert person(tools).shown == []
