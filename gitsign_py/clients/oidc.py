"""An OpenID Connect issuer as a client sees it: discovery, the token endpoint, and what must hold of an ID token.

The token's signature is not checked here: it comes straight from the token endpoint over TLS, which OpenID Connect
Core §3.1.3.7 item 6 takes in place of the signature, and the certificate authority checks it before it believes a word.
So an issuer without TLS is refused unless it is on this machine. ``alg: none`` and shared-secret algorithms are
refused all the same.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from gitsign_py.clients.answer import Answer, one_line, status_error
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url, is_loopback, join_url
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.sigstore.token import IdentityToken, Pkce, UnverifiedClaims, check_claims, parse_unverified
from gitsign_py.errors import ConfigError, FormatError, ServiceError, VerificationError

SERVICE = "the OIDC issuer"
SCOPE = "openid email"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_OAUTH_STATUSES = (200, 400, 401, 403)


@frozen
class Provider:
    """An issuer's metadata (OpenID Connect Discovery 1.0 §3, RFC 8628 §4, RFC 9207 §3); empty text: it has none."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    device_endpoint: str = ""
    sends_issuer: bool = False
    scopes: tuple[str, ...] = ()
    secret_methods: tuple[str, ...] = ("client_secret_basic",)


@frozen
class Client:
    """The client as the issuer knows it: gitsign.clientID, and the secret of gitsign.clientSecretFile (may be
    empty).
    """

    identifier: str
    secret: str = field(default="", repr=False)


@frozen
class AuthorizationRequest:
    """One authorization request and what its answer is checked against."""

    url: str
    redirect_uri: str
    state: str
    nonce: str
    proof: Pkce


@frozen
class Tokens:
    """The outcome of a sign-in: the ID token, its checked claims, and a refresh token (may be empty)."""

    identity: IdentityToken
    claims: UnverifiedClaims
    refresh_token: str = field(default="", repr=False)


def discover(session: HttpSession, issuer: str) -> Provider:
    """Fetch ``issuer``/.well-known/openid-configuration; the issuer it names must be the very same text.

    Raises ServiceError ``oidc-discovery-mismatch`` (OpenID Connect Discovery 1.0 §4.3), ``service-...``; ConfigError
    ``oidc-issuer-insecure``.
    """
    _require_tls(issuer)
    answer = session.exchange(SERVICE, "GET", join_url(issuer, "/.well-known/openid-configuration"))
    document = _object(answer)
    named = _text(answer, document, "issuer")
    if named != issuer:
        raise ServiceError(
            "oidc-discovery-mismatch",
            f"the OIDC issuer at {issuer} calls itself {one_line(named)}",
            hint="set gitsign.issuer to the issuer's own name, letter by letter",
            facts={"expected": issuer, "got": one_line(named)},
        )
    provider = Provider(
        issuer=issuer,
        authorization_endpoint=_text(answer, document, "authorization_endpoint", required=False),
        token_endpoint=_text(answer, document, "token_endpoint"),
        device_endpoint=_text(answer, document, "device_authorization_endpoint", required=False),
        sends_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        scopes=_texts(document.get("scopes_supported")),
        secret_methods=_texts(document.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
    )
    for url in (provider.authorization_endpoint, provider.token_endpoint, provider.device_endpoint):
        if url:
            _require_tls(url)
    return provider


def asked_scope(provider: Provider, *, remember: bool) -> dict[str, str]:
    """Return what to ask for; ``offline_access`` only for who wants a refresh token and where there is one.

    An issuer may pass over that without ``prompt=consent`` (OpenID Connect Core §11).
    """
    if remember and "offline_access" in provider.scopes:
        return {"scope": f"{SCOPE} offline_access", "prompt": "consent"}
    return {"scope": SCOPE}


def post_form(
    session: HttpSession, provider: Provider, client: Client, url: str, form: Mapping[str, str]
) -> dict[str, Any]:
    """POST a form as ``client`` (RFC 6749 §2.3.1, §3.2) and return the JSON object of a success.

    Raises OAuthError for an error that the issuer names (RFC 6749 §5.2), ServiceError for everything else.
    """
    fields, headers = {**form, "client_id": client.identifier}, dict(_FORM)
    if client.secret and "client_secret_basic" in provider.secret_methods:
        pair = f"{quote_plus(client.identifier)}:{quote_plus(client.secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    elif client.secret:
        fields["client_secret"] = client.secret
    answer = session.exchange(
        SERVICE, "POST", url, body=urlencode(fields).encode(), headers=headers, expected=_OAUTH_STATUSES
    )
    if answer.status == 200:
        return _object(answer)
    raise _oauth_error(answer)


class OAuthError(ServiceError):
    """The issuer said no, and said why: ``code`` is one of RFC 6749 §5.2 or RFC 8628 §3.5."""

    def __init__(self, code: str, description: str) -> None:
        self.code = code
        words = f"{code}: {description}" if description else code
        super().__init__(
            "oidc-refused",
            f"the OIDC issuer refused: {one_line(words)}",
            hint=_HINTS.get(code, ""),
            facts={"error": code},
        )


_HINTS = {
    "invalid_client": "check gitsign.clientID and gitsign.clientSecretFile",
    "unauthorized_client": "check gitsign.clientID: the issuer does not let this client sign in this way",
    "unsupported_grant_type": "the issuer does not offer this way; try another gitsign.tokenProvider",
    "invalid_grant": "sign in again",
}


def _oauth_error(answer: Answer) -> ServiceError:
    try:
        document = _object(answer)
    except ServiceError:
        return status_error(answer)
    code, description = document.get("error"), document.get("error_description")
    if not isinstance(code, str) or not code:
        return status_error(answer)
    return OAuthError(one_line(code), description if isinstance(description, str) else "")


def exchange_code(
    session: HttpSession, provider: Provider, client: Client, request: AuthorizationRequest, *, code: str, now: datetime
) -> Tokens:
    """Exchange an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5) for checked tokens."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": request.redirect_uri}
    form["code_verifier"] = request.proof.verifier
    document = post_form(session, provider, client, provider.token_endpoint, form)
    return read_tokens(document, provider, client, nonce=request.nonce, now=now)


def refresh(session: HttpSession, provider: Provider, client: Client, refresh_token: str, *, now: datetime) -> Tokens:
    """Exchange a refresh token (RFC 6749 §6); the answer holds the next one, or the old one goes on."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": SCOPE}
    document = post_form(session, provider, client, provider.token_endpoint, form)
    tokens = read_tokens(document, provider, client, nonce=None, now=now)
    return tokens if tokens.refresh_token else Tokens(tokens.identity, tokens.claims, refresh_token)


def read_tokens(
    document: Mapping[str, Any], provider: Provider, client: Client, *, nonce: str | None, now: datetime
) -> Tokens:
    """Read a token answer and check its ID token (OpenID Connect Core §3.1.3.7).

    ``nonce`` None: none was sent. Raises ServiceError ``oidc-no-token``; FormatError, VerificationError ``token-``…
    """
    raw, refresh_token = document.get("id_token"), document.get("refresh_token")
    if not isinstance(raw, str) or not raw:
        raise ServiceError(
            "oidc-no-token", "the OIDC issuer gave no id_token", hint="check that it allows scope openid"
        )
    claims = parse_unverified(raw)
    check_id_token(claims, issuer=provider.issuer, client_id=client.identifier, nonce=nonce, now=now)
    return Tokens(IdentityToken(raw), claims, refresh_token if isinstance(refresh_token, str) else "")


def check_id_token(claims: UnverifiedClaims, *, issuer: str, client_id: str, nonce: str | None, now: datetime) -> None:
    """Check what OpenID Connect Core §3.1.3.7 asks of a client, the signature aside (see the module's text)."""
    if claims.algorithm not in _ALGORITHMS:
        raise FormatError(
            "token-algorithm", f"the identity token is signed with {claims.algorithm}, which proves nothing"
        )
    if claims.issued_at is None:
        raise FormatError("token-invalid", "the identity token cannot be used: it has no iat claim")
    check_claims(claims, now=now, audience=client_id, issuer=issuer, nonce=nonce)
    party = claims.other.get("azp")
    if (party is not None or len(claims.audience) > 1) and party != client_id:
        raise VerificationError(
            "token-wrong-party",
            f"the identity token was made for client {one_line(str(party))}, expected {client_id}",
            hint="sign in with the client that gitsign.clientID names",
            facts={"expected": client_id, "got": one_line(str(party))},
        )


def _require_tls(url: str) -> None:
    check_url(SERVICE, url)
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise ConfigError(
            "oidc-issuer-insecure",
            f"the OIDC issuer's address {url} is not https",
            hint="set gitsign.issuer to an https URL; http is for this machine alone",
            facts={"url": url},
        )


def _object(answer: Answer) -> dict[str, Any]:
    document = answer.json()
    if not isinstance(document, dict):
        raise answer.invalid("it is not a JSON object")
    return document


def _text(answer: Answer, document: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    value = document.get(name)
    if isinstance(value, str) and value:
        return value
    if required or value is not None:
        raise answer.invalid(f"it has no {name}")
    return ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
