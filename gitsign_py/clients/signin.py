"""A person's sign-in: one that is remembered, or a new one by browser, on another device, or with a pasted code.

Where these stand among all sources of a token: :mod:`gitsign_py.clients.tokensources`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from gitsign_py.clients.ambient import NAMES
from gitsign_py.clients.oidc import Client, OAuthError, Provider, Tokens, discover, refresh
from gitsign_py.clients.oidc_browser import BrowserSettings, sign_in_with_browser, sign_in_with_code
from gitsign_py.clients.oidc_device import sign_in_on_device
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.browser import can_open
from gitsign_py.host.consent import Dialogue
from gitsign_py.host.keystore import KeyringStore, remembered
from gitsign_py.host.logins import LoginBook, LoginRecord, forget, secret_name
from gitsign_py.host.plainfile import read_plain

PERSONAL = ("interactive", "device", "oob")
PROVIDERS = (*PERSONAL, *NAMES)
_MAX_SECRET = 64 << 10


@frozen
class SignInSettings:
    """The settings that decide how to sign in; ``provider`` is gitsign.tokenProvider (empty: choose)."""

    issuer: str
    client_id: str
    client_secret_file: str = ""
    provider: str = ""
    browser: BrowserSettings = field(default_factory=BrowserSettings)


@frozen
class SignInTools:
    """The tools of a sign-in: the network, the person, this user's state, the time.

    ``warned`` is the file that keeps a warning about the keyring from being repeated; None where nobody reads it.
    ``is_seen`` says whether what the dialogue shows is seen while the sign-in waits.
    """

    session: HttpSession
    dialogue: Dialogue
    environment: Mapping[str, str]
    store: KeyringStore
    logins: LoginBook
    now: Callable[[], datetime]
    warned: Path | None = None
    is_seen: bool = True


def remembered_token(settings: SignInSettings, tools: SignInTools) -> IdentityToken | None:
    """Use the refresh token that the person had stored; None when there is none, or it has lost its worth."""
    record = tools.logins.find(settings.issuer, settings.client_id)
    if record is None or not record.remembered:
        return None
    with tools.logins.turn():
        return _refreshed(settings, tools, record)


def _refreshed(settings: SignInSettings, tools: SignInTools, record: LoginRecord) -> IdentityToken | None:
    secret = remembered(tools.store, record.secret_name, warn=tools.dialogue.show, stamp=tools.warned)
    if secret is None:
        return None
    provider, client = discover(tools.session, settings.issuer), read_client(settings)
    try:
        tokens = refresh(tools.session, provider, client, secret, now=tools.now())
    except OAuthError as error:
        if error.code != "invalid_grant":  # RFC 6749 §5.2: the others say nothing about the refresh token
            tools.dialogue.show(f"{error.message}; the remembered sign-in was not used")
            return None
        tools.dialogue.show(f"The remembered sign-in is no longer accepted ({error.code}); sign in again.")
        forget(tools.store, tools.logins, record, warn=tools.dialogue.show)
        return None
    if tokens.refresh_token != secret:
        _store(settings, tools, tokens)
    return tokens.identity


def sign_in(settings: SignInSettings, tools: SignInTools) -> Tokens:
    """Have a person sign in; with ``browser.remember`` the refresh token goes into the keyring, if there is one."""
    if settings.provider not in ("", *PERSONAL):
        raise ConfigError(
            "token-provider-unknown",
            f"gitsign.tokenProvider is {settings.provider}, which is not a way to sign in",
            hint=f"use one of {', '.join(PROVIDERS)}",
        )
    provider, client = discover(tools.session, settings.issuer), read_client(settings)
    way = settings.provider or choose(provider, settings, tools)
    if not tools.is_seen and (way == "device" or not can_open(settings.browser.url_opener, tools.environment)):
        raise ConfigError(
            "sign-in-unseen",
            f"signing in ({way}) would wait in vain: git hides the messages of its signing program",
            hint="run gitsign-py login in a terminal first (with the agent it holds for many commits), or set BROWSER",
        )
    tokens = _by(way, provider, client, settings, tools)
    _record(settings, tools, tokens)
    return tokens


def choose(provider: Provider, settings: SignInSettings, tools: SignInTools) -> str:
    """Choose how a person signs in here: a browser where one opens, else another device, else a pasted code."""
    if provider.authorization_endpoint and can_open(settings.browser.url_opener, tools.environment):
        return "interactive"
    if not tools.dialogue.interactive:
        raise ConfigError(
            "no-way-to-sign-in",
            "there is no identity token, and neither a browser nor a terminal to sign in with",
            hint="run gitsign-py login in a terminal first, set SIGSTORE_ID_TOKEN, or set gitsign.tokenProvider",
        )
    return "device" if provider.device_endpoint else "oob"


def _by(way: str, provider: Provider, client: Client, settings: SignInSettings, tools: SignInTools) -> Tokens:
    if way == "device":
        return sign_in_on_device(
            tools.session, provider, client, settings.browser, dialogue=tools.dialogue, now=tools.now
        )
    if way == "oob":
        return sign_in_with_code(
            tools.session, provider, client, settings.browser, dialogue=tools.dialogue, now=tools.now
        )
    return sign_in_with_browser(
        tools.session,
        provider,
        client,
        settings.browser,
        dialogue=tools.dialogue,
        environment=tools.environment,
        now=tools.now,
    )


def _record(settings: SignInSettings, tools: SignInTools, tokens: Tokens) -> None:
    """Note who signed in. A refresh token of an earlier sign-in stays that person's, and never becomes another's."""
    identity = tokens.claims.email or tokens.claims.subject
    record = LoginRecord(settings.issuer, settings.client_id, identity, format_rfc3339(tools.now()), remembered=False)
    if settings.browser.remember and _remember(settings, tools, tokens):
        tools.logins.put(replace(record, remembered=True))
        return
    earlier = tools.logins.find(settings.issuer, settings.client_id)
    if earlier is None or not earlier.remembered:
        tools.logins.put(record)
    elif earlier.identity == identity:
        tools.logins.put(replace(record, remembered=True))
    elif forget(tools.store, tools.logins, earlier, warn=tools.dialogue.show):
        tools.logins.put(record)


def _remember(settings: SignInSettings, tools: SignInTools, tokens: Tokens) -> bool:
    if not tokens.refresh_token:
        tools.dialogue.show("The issuer gives no refresh token: this sign-in cannot be remembered.")
        return False
    return _store(settings, tools, tokens)


def _store(settings: SignInSettings, tools: SignInTools, tokens: Tokens) -> bool:
    try:
        tools.store.set(secret_name(settings.issuer, settings.client_id), tokens.refresh_token)
    except ServiceError as error:
        tools.dialogue.show(f"{error.message}; this sign-in is not remembered")
        return False
    return True


def read_client(settings: SignInSettings) -> Client:
    """Read gitsign.clientSecretFile. Raises ConfigError ``client-secret-unreadable``."""
    if not settings.client_secret_file:
        return Client(settings.client_id)
    try:
        secret = read_plain(Path(settings.client_secret_file).expanduser(), _MAX_SECRET).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = (getattr(error, "strerror", None) or "not ASCII text").lower()
        raise ConfigError(
            "client-secret-unreadable",
            f"gitsign.clientSecretFile {settings.client_secret_file} cannot be read: {words}",
            hint="let it name a file that holds the secret alone, or unset it",
        ) from error
    if len(secret) > _MAX_SECRET:
        raise ConfigError(
            "client-secret-unreadable",
            f"gitsign.clientSecretFile {settings.client_secret_file} has more than {_MAX_SECRET} bytes",
            hint="let it name a file that holds the secret alone, or unset it",
        )
    return Client(settings.client_id, secret)
