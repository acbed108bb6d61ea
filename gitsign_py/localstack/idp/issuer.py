"""The OpenID Connect issuer: discovery, keys, tokens (OpenID Connect Discovery 1.0, RFC 6749, RFC 7636, RFC 7519).

Grants are a registry (``Issuer.grants``), so the login page and the device flow plug in from files of their own.
Built in: ``authorization_code`` with PKCE S256, for codes that somebody put there with ``Issuer.authorize``, and
``client_credentials`` without a browser: this issuer believes whoever reaches it on loopback, since it vouches for
nothing outside its own stack.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from gitsign_py.core.encoding import load_json
from gitsign_py.core.trust.root import Validity
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.errors import FormatError
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, TrustPart, json_response

NAME = "idp"
ROLE = "idp"
KEY_KIND, ALGORITHM = "rsa-2048", "RS256"
"""The algorithm that the public issuer signs with; cosign takes a token on its command line under no other
algorithm.
"""
CLIENT_ID = "sigstore"
TOKEN_SECONDS = 60
"""Lifetime of a token when nobody asks for another: as short as the public issuer's."""
MAX_TOKEN_SECONDS = 10 * 365 * 86_400
CODE_LIFETIME = timedelta(minutes=5)
REFRESH_AUDIENCE, REQUEST_AUDIENCE = "urn:gitsign-py:refresh", "urn:gitsign-py:actions"
"""Of tokens that this issuer gives to get them back: for the next token, for those of a CI job."""
FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """The contents of a token: ``seconds`` may be negative (an expired token); ``claims`` override everything else.

    ``refresh_token`` goes out beside the token when it is not empty (OpenID Connect Core §12).
    """

    email: str = ""
    subject: str = ""
    audience: str = CLIENT_ID
    seconds: int = TOKEN_SECONDS
    claims: Mapping[str, Any] = field(default_factory=dict)
    refresh_token: str = ""


Grant = Callable[[Form], TokenOrder]
"""Turns the form of a token request into an order for a token; raises ``oauth_error(...)`` to refuse."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The grant that a code stands for (RFC 6749 §4.1.2, RFC 7636 §4.4): it is exchanged once, by the client that
    asked.
    """

    client_id: str
    redirect_uri: str
    challenge: str
    order: TokenOrder
    expires: datetime


def oauth_error(error: str, description: str, status: int = 400) -> Refusal:
    """A refusal in the form of RFC 6749 §5.2."""
    return Refusal(status, description, code=error, headers=_NO_STORE)


def oauth_errors(refusal: Refusal) -> Response:
    """Write a refusal as ``{"error": ..., "error_description": ...}`` (RFC 6749 §5.2)."""
    value = {"error": str(refusal.code or "invalid_request"), "error_description": refusal.message}
    return json_response(value, refusal.status, refusal.headers)


def email_subject(email: str) -> str:
    """The stable ``sub`` of an e-mail address: 24 hex digits."""
    return hashlib.sha256(email.encode()).hexdigest()[:24]


class Issuer:
    """Holds the grants and the codes that wait for their exchange (in memory: they live for minutes)."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.grants: dict[str, Grant] = {
            "client_credentials": self._browserless,
            "authorization_code": self._exchange,
        }
        self._codes: dict[str, Authorization] = {}
        self._lock = threading.Lock()
        context.keyring.ensure(ROLE, KEY_KIND, context.now(NAME))

    @property
    def keys(self) -> tuple[ServerKey, ...]:
        """Every key whose tokens count, oldest first: one that was replaced counts until its window's end."""
        now = self.context.now(NAME)
        keys = (key for key in self.context.keyring.all(ROLE) if key.kind == KEY_KIND)
        return tuple(key for key in keys if key.ends is None or key.ends > now)

    def new_key(self) -> ServerKey:
        """Make a key that signs tokens from now on; the caller closes the earlier one (``stack rotate``)."""
        return self.context.keyring.add(ROLE, KEY_KIND, self.context.now(NAME))

    def mint(self, order: TokenOrder) -> str:
        """Sign a token: compact JWS, RS256, with ``kid``."""
        key = self.context.keyring.current(ROLE)
        headers = {"typ": "JWT", "kid": key_name(key)}
        # Not jwt.encode, which checks types of claims: ``claims`` may ask for a token that nobody should take.
        payload = json.dumps(self._claims(order)).encode()
        return jwt.PyJWS().encode(payload, key.private, algorithm=ALGORITHM, headers=headers)

    def _claims(self, order: TokenOrder) -> dict[str, Any]:
        now = int(self.context.now(NAME).timestamp())
        subject = order.subject or (email_subject(order.email) if order.email else "")
        claims: dict[str, Any] = {"iss": self.context.url, "sub": subject, "aud": order.audience}
        # An expired token was valid once: it was issued before it expired.
        issued = now if order.seconds > 0 else now + order.seconds - TOKEN_SECONDS
        claims |= {"iat": issued, "nbf": issued, "exp": now + order.seconds}
        if order.email:
            claims |= {"email": order.email, "email_verified": True}
        return claims | dict(order.claims)

    def own_claims(self, token: str, audience: str) -> dict[str, Any] | None:
        """The claims of a token that this issuer made for ``audience``, None when it is none or expired."""
        now = self.context.now(NAME).timestamp()
        # The time is checked below, against the clock of the service and not the machine's.
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": ["exp"]}
        for key in self.keys:
            public = key.private.public_key()
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, public, algorithms=[ALGORITHM], audience=audience, options=options
                )
            except jwt.InvalidTokenError:
                continue
            return claims if isinstance(claims["exp"], int) and claims["exp"] > now else None
        return None

    def authorize(self, *, client_id: str, redirect_uri: str, challenge: str, order: TokenOrder) -> str:
        """Keep an authorization for one exchange and give its code. ``challenge`` is PKCE's, method S256."""
        code = base64.urlsafe_b64encode(self.context.random(24)).decode()
        now = self.context.now(NAME)
        with self._lock:
            self._codes = {name: kept for name, kept in self._codes.items() if kept.expires > now}
            self._codes[code] = Authorization(client_id, redirect_uri, challenge, order, now + CODE_LIFETIME)
        return code

    def _exchange(self, form: Form) -> TokenOrder:
        """RFC 6749 §4.1.3 with RFC 7636 §4.6: a code works once, whether or not the rest of the request is right."""
        with self._lock:
            kept = self._codes.pop(form.get("code", ""), None)
        if kept is None or kept.expires <= self.context.now(NAME):
            raise oauth_error("invalid_grant", "the code is unknown, used or expired")
        if (form.get("client_id"), form.get("redirect_uri")) != (kept.client_id, kept.redirect_uri):
            raise oauth_error("invalid_grant", "client_id or redirect_uri is not that of the authorization request")
        if not hmac.compare_digest(pkce_challenge(form.get("code_verifier", "")), kept.challenge):
            raise oauth_error("invalid_grant", "code_verifier does not fit the code_challenge")
        return kept.order

    def _browserless(self, form: Form) -> TokenOrder:
        email, subject = form.get("login_hint", ""), form.get("subject", "")
        if not email and not subject:
            raise oauth_error("invalid_request", "login_hint (an e-mail address) or subject is needed")
        if email and not plausible_email(email):
            raise oauth_error("invalid_request", "login_hint is not an e-mail address")
        audience = form.get("audience") or form["client_id"]
        return TokenOrder(
            email, subject, audience, _seconds(form.get("ttl", "")), _extra_claims(form.get("claims", ""))
        )

    def token(self, request: Request) -> Response:
        """``POST /token``: the form's ``grant_type`` chooses the grant."""
        form = read_form(request)
        if form.get("client_id") != CLIENT_ID:
            raise oauth_error("invalid_client", f"client_id must be {CLIENT_ID}", 401)
        grant = self.grants.get(form.get("grant_type", ""))
        if grant is None:
            known = ", ".join(sorted(self.grants))
            raise oauth_error("unsupported_grant_type", f"grant_type must be one of {known}")
        order = grant(form)
        token = self.mint(order)
        value = {"access_token": token, "id_token": token, "token_type": "Bearer", "expires_in": order.seconds}
        if order.refresh_token:
            value["refresh_token"] = order.refresh_token
        return json_response(value, headers=_NO_STORE)

    def discovery(self, _: Request) -> Response:
        """``GET /.well-known/openid-configuration`` (OpenID Connect Discovery 1.0 §3; RFC 8628 §4)."""
        url = self.context.url
        return json_response(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/auth",
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/keys",
                "device_authorization_endpoint": f"{url}/device/code",
                "grant_types_supported": sorted(self.grants),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "email", "profile", "offline_access"],
                "authorization_response_iss_parameter_supported": True,
                "token_endpoint_auth_methods_supported": ["none"],
                "claims_supported": ["iss", "sub", "aud", "iat", "exp", "email", "email_verified", "nonce"],
            }
        )

    def jwks(self, _: Request) -> Response:
        """``GET /keys``: the key set (RFC 7517 §5)."""
        return json_response({"keys": [_jwk(key) for key in self.keys]})

    def trust(self) -> TrustPart:
        """Its part of the signing configuration."""
        starts = self.context.keyring.all(ROLE)[0].starts
        return TrustPart(oidc_urls=(Endpoint(self.context.url, 1, Validity(starts, None), "local"),))


def service(issuer: Issuer, further: tuple[Route, ...] = ()) -> Service:
    """The routes of the issuer; ``further`` are those of the login page and the device flow."""
    routes = (
        Route("GET", "/.well-known/openid-configuration", issuer.discovery),
        Route("GET", "/keys", issuer.jwks),
        Route("POST", "/token", issuer.token, accepts=(FORM,)),
    )
    return Service(NAME, routes + further, oauth_errors, issuer.trust)


def key_name(key: ServerKey) -> str:
    """The ``kid`` of a key: 16 hex digits of its id."""
    return key.key_id.hex()[:16]


def pkce_challenge(verifier: str) -> str:
    """BASE64URL(SHA-256(verifier)) (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def plausible_email(text: str) -> bool:
    """One ``@`` with something on both sides, printable ASCII without spaces: what an rfc822Name can hold."""
    local, _, domain = text.partition("@")
    return bool(local and domain) and "@" not in domain and text.isascii() and text.isprintable() and " " not in text


def read_form(request: Request) -> dict[str, str]:
    """The fields of a form body; a field given twice is refused (RFC 6749 §3.2)."""
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, max_num_fields=32, errors="strict")
    except ValueError as error:
        raise oauth_error("invalid_request", "the body is not a valid form") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise oauth_error("invalid_request", "a form field is given twice")
    return form


def _seconds(text: str) -> int:
    digits = text.removeprefix("-")
    if not text:
        return TOKEN_SECONDS
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9) or int(digits) > MAX_TOKEN_SECONDS:
        raise oauth_error("invalid_request", f"ttl must be a number of seconds up to {MAX_TOKEN_SECONDS}")
    return int(text)


def _extra_claims(text: str) -> dict[str, Any]:
    try:
        claims = load_json(text.encode(), max_bytes=16_384, max_depth=8) if text else {}
    except FormatError as error:
        raise oauth_error("invalid_request", "claims is not valid JSON") from error
    if not isinstance(claims, dict):
        raise oauth_error("invalid_request", "claims must be a JSON object")
    return claims


def _jwk(key: ServerKey) -> dict[str, str]:
    """An RSA key as RFC 7518 §6.3.1 has it: modulus and exponent in as few bytes as hold them."""
    assert isinstance(key.private, rsa.RSAPrivateKey)  # noqa: S101 - the issuer's keys are of no other kind
    numbers = key.private.public_key().public_numbers()
    modulus, exponent = (_base64url_uint(number) for number in (numbers.n, numbers.e))
    return {"kty": "RSA", "alg": ALGORITHM, "use": "sig", "kid": key_name(key), "n": modulus, "e": exponent}


def _base64url_uint(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
