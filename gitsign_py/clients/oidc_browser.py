"""Signing in with a browser: the authorization code flow with PKCE, by loopback redirect or with a code to paste.

RFC 6749 §4.1, RFC 7636 (S256), RFC 8252, RFC 9207, OpenID Connect Core §3.1. Nothing is kept when it fails: the port is
closed, the verifier forgotten, and the person reads one line.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlencode

from gitsign_py.clients.answer import one_line
from gitsign_py.clients.oidc import AuthorizationRequest, Client, Provider, Tokens, asked_scope, exchange_code
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import Pkce, check_state, opaque_value, pkce, same_secret
from gitsign_py.errors import ConfigError, GitsignError, ServiceError, VerificationError, veiled
from gitsign_py.host.browser import open_url, opener_command
from gitsign_py.host.consent import Dialogue
from gitsign_py.host.loopback import AuthorizationAnswer, LoopbackListener, Page

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
TIMEOUT_SECONDS = 120.0


@frozen
class BrowserSettings:
    """The settings of gitsign that shape the flow; ``timeout`` in seconds, ``close_after`` None: never."""

    redirect_url: str = ""
    connector_id: str = ""
    url_opener: str = ""
    close_after: int | None = 6
    timeout: float = TIMEOUT_SECONDS
    remember: bool = False
    login_hint: str = ""


def sign_in_with_browser(
    session: HttpSession,
    provider: Provider,
    client: Client,
    settings: BrowserSettings,
    *,
    dialogue: Dialogue,
    environment: Mapping[str, str],
    now: Callable[[], datetime],
) -> Tokens:
    """Open the browser, wait for its answer on loopback and exchange the code.

    The URL is shown too, since browsers open on the wrong screen. An answer with another state ends nothing. Raises
    ServiceError ``sign-in-timeout``, ``sign-in-denied``, ``oidc-...``; VerificationError ``oidc-issuer-mismatch`` and
    ``token-...``; ConfigError for settings. KeyboardInterrupt passes through, with the port closed.
    """
    state = _value()
    with LoopbackListener(settings.redirect_url, state=state) as listener:
        request = _request(provider, client, settings, listener.redirect_uri, state)
        if settings.url_opener:
            opener_command(settings.url_opener, request.url)  # one that is no command is said before anything else
        dialogue.show(f"Sign in with your browser:\n    {request.url}")
        if not open_url(request.url, opener=settings.url_opener, environment=environment):
            dialogue.show(f"{_no_browser(settings.url_opener)}: open that address yourself, on this machine.")
        answer = listener.wait(settings.timeout)
        if answer is None:
            raise _timeout(settings.timeout, listener.strangers)
        try:
            tokens = _finish(session, provider, client, request, answer=answer, now=now())
        except GitsignError as error:
            listener.finish(Page("Sign-in failed", f"{error.message}.", success=False))
            raise
        who = tokens.claims.email or tokens.claims.subject
        text = f"You are signed in as {who}. You can close this page and go back to your terminal."
        listener.finish(Page("Signed in", text, success=True, close_after=settings.close_after))
        return tokens


def sign_in_with_code(
    session: HttpSession,
    provider: Provider,
    client: Client,
    settings: BrowserSettings,
    *,
    dialogue: Dialogue,
    now: Callable[[], datetime],
) -> Tokens:
    """Let the person carry the code: open a URL anywhere, paste what the page shows (out of band)."""
    if not dialogue.interactive:
        raise ConfigError(
            "terminal-needed",
            "signing in with a pasted code needs a terminal, and there is none",
            hint="set gitsign.tokenProvider to device, or sign in first with gitsign-py login",
        )
    request = _request(provider, client, settings, OUT_OF_BAND, _value())
    dialogue.show(f"Open this address in any browser and sign in:\n    {request.url}")
    code = dialogue.prompt("Code from the page: ").strip()
    if not code:
        raise ServiceError("sign-in-cancelled", "no code was given, nothing was signed", hint="sign in again")
    return exchange_code(session, provider, client, request, code=code, now=now())


def _value() -> str:
    """A state or nonce that is shown whole."""
    while not _is_shown(value := opaque_value(secrets.token_bytes(24))):
        pass
    return value


def _proof() -> Pkce:
    """A proof whose challenge is shown whole."""
    while not _is_shown((proof := pkce(secrets.token_bytes(32))).challenge):
        pass
    return proof


def _is_shown(value: str) -> bool:
    """Tell whether a value of chance does not look like a token: terminals and logs leave out what does, and without
    it the address is of no use.
    """
    part = f"={value}&"
    return veiled(part, guess=False) == part


def _request(
    provider: Provider, client: Client, settings: BrowserSettings, redirect_uri: str, state: str
) -> AuthorizationRequest:
    if not provider.authorization_endpoint:
        raise ServiceError(
            "oidc-no-browser-flow",
            f"the OIDC issuer {provider.issuer} offers no sign-in page",
            hint="set gitsign.tokenProvider to device or to the platform that gives you tokens",
        )
    proof, nonce = _proof(), _value()
    fields = {
        "response_type": "code",
        "client_id": client.identifier,
        "redirect_uri": redirect_uri,
        **asked_scope(provider, remember=settings.remember),
        "state": state,
        "nonce": nonce,
        "code_challenge": proof.challenge,
        "code_challenge_method": proof.method,
    }
    optional = {"connector_id": settings.connector_id, "login_hint": settings.login_hint}  # connector_id is Dex's
    fields |= {name: value for name, value in optional.items() if value}
    separator = "&" if "?" in provider.authorization_endpoint else "?"
    url = provider.authorization_endpoint + separator + urlencode(fields)
    return AuthorizationRequest(url, redirect_uri, state, nonce, proof)


def _finish(
    session: HttpSession,
    provider: Provider,
    client: Client,
    request: AuthorizationRequest,
    *,
    answer: AuthorizationAnswer,
    now: datetime,
) -> Tokens:
    check_state(expected=request.state, got=answer.state)
    _check_issuer(provider, answer)
    if answer.error:
        raise denied(answer.error, answer.error_description)
    return exchange_code(session, provider, client, request, code=answer.code, now=now)


def _check_issuer(provider: Provider, answer: AuthorizationAnswer) -> None:
    """RFC 9207 §2.4: an issuer that says it names itself must do so, and must be the one that was asked."""
    if not answer.issuer and not provider.sends_issuer:
        return
    if not same_secret(answer.issuer, provider.issuer):
        raise VerificationError(
            "oidc-issuer-mismatch",
            f"the sign-in answer is from issuer {one_line(answer.issuer) or 'unknown'}, expected {provider.issuer}",
            hint="sign in again; if it repeats, another site stands between you and your issuer",
            facts={"expected": provider.issuer, "got": one_line(answer.issuer)},
        )


def denied(error: str, description: str) -> ServiceError:
    """Make the error for an authorization that was not given (RFC 6749 §4.1.2.1, RFC 8628 §3.5)."""
    if error == "access_denied":
        return ServiceError(
            "sign-in-denied", "the sign-in was refused on the issuer's page, nothing was signed", hint="sign in again"
        )
    words = f"{error}: {description}" if description else error
    return ServiceError(
        "sign-in-failed",
        f"the OIDC issuer did not sign you in: {one_line(words)}",
        hint="check gitsign.issuer, gitsign.clientID and gitsign.connectorID",
        facts={"error": one_line(error)},
    )


def _no_browser(opener: str) -> str:
    return f"gitsign.urlOpener ({opener}) opened no browser" if opener else "No browser could be opened here"


def _timeout(seconds: float, strangers: int) -> ServiceError:
    others = f" ({strangers} answers belonged to another sign-in)" if strangers else ""
    return ServiceError(
        "sign-in-timeout",
        f"nobody signed in within {seconds:g} s{others}, nothing was signed",
        hint="try again, or raise gitsign.signInTimeout",
        facts={"seconds": f"{seconds:g}"},
    )
