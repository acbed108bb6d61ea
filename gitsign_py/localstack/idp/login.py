"""Signing in at the local issuer as a person does: the authorization endpoint, its page, and refresh tokens.

RFC 6749 §4.1 with PKCE (RFC 7636, S256 is required), RFC 8252 loopback redirects, RFC 9207 ``iss``, OpenID Connect
Core §3.1.2 and §12. The page believes the person in front of it: the issuer vouches for nothing outside its own stack.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from gitsign_py.localstack.idp.actions import actions_route
from gitsign_py.localstack.idp.deviceflow import DeviceFlow
from gitsign_py.localstack.idp.issuer import (
    ALGORITHM,
    CLIENT_ID,
    FORM,
    NAME,
    REFRESH_AUDIENCE,
    ROLE,
    Form,
    Issuer,
    TokenOrder,
    email_subject,
    key_name,
    oauth_error,
    plausible_email,
    read_form,
)
from gitsign_py.localstack.idp.loginpages import login_page, message_page
from gitsign_py.localstack.service import Request, Response, Route

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
REFRESH_LIFETIME = timedelta(days=30)
_NOT_IN_REDIRECTS = frozenset(" ?#@\\")
"""What ends a path or is a user's name, if with nothing after it: the answer goes behind the target as its query."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # RFC 7636 §4.2: BASE64URL of a SHA-256
_FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)


class Login:
    """The authorization endpoint. Refresh tokens are signed, so they outlive a restart; used ones are remembered."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._used: set[str] = set()
        issuer.grants["refresh_token"] = self._refresh

    def page(self, request: Request) -> Response:
        """``GET /auth``: the login form, or what is wrong with the request."""
        asked = _asked(request.query)
        wrong = self._wrong(asked)
        if wrong is not None:
            return wrong
        hint = request.query.get("login_hint", "")
        return login_page(action=self._action, hidden=asked, email=hint, client=asked["client_id"])

    def submit(self, request: Request) -> Response:
        """``POST /auth``: the filled form; answers by redirect, or out of band by showing the code."""
        form = read_form(request)
        asked = _asked(form)
        wrong = self._wrong(asked)
        if wrong is not None:
            return wrong
        if form.get("decision") != "allow":
            return self._answer(asked, {"error": "access_denied", "error_description": "the person refused"})
        email = form.get("email", "").strip()
        if not plausible_email(email):
            problem = "That is not an e-mail address."
            return login_page(
                action=self._action, hidden=asked, email=email, client=asked["client_id"], problem=problem
            )
        code = self._issuer.authorize(
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            order=self.order(email, scope=asked.get("scope", ""), nonce=asked.get("nonce", "")),
        )
        return self._answer(asked, {"code": code})

    def order(self, email: str, *, scope: str, nonce: str = "") -> TokenOrder:
        """The contents of a sign-in's tokens; with scope ``offline_access`` a refresh token is among them."""
        order = TokenOrder(email=email, claims={"nonce": nonce} if nonce else {})
        return replace(order, refresh_token=self._mint_refresh(email)) if "offline_access" in scope.split() else order

    @property
    def _action(self) -> str:
        return f"{self._issuer.context.url}/auth"

    def _wrong(self, asked: Mapping[str, str]) -> Response | None:
        """RFC 6749 §4.1.2.1: a wrong client or redirect is told to the person alone, the rest to the client."""
        if asked.get("client_id") != CLIENT_ID:
            return message_page("Unknown client", f"The client must be {CLIENT_ID}.", status=400)
        if not redirect_allowed(asked.get("redirect_uri", "")):
            return message_page("Wrong redirect", "The client's redirect_uri is not a loopback address.", status=400)
        if asked.get("response_type") != "code":
            return self._answer(asked, {"error": "unsupported_response_type"})
        if "openid" not in asked.get("scope", "").split():
            return self._answer(asked, {"error": "invalid_scope", "error_description": "openid is needed"})
        if asked.get("code_challenge_method") != "S256" or not _CHALLENGE.match(asked.get("code_challenge", "")):
            return self._answer(asked, {"error": "invalid_request", "error_description": "PKCE S256 is needed"})
        return None

    def _answer(self, asked: Mapping[str, str], fields: Mapping[str, str]) -> Response:
        if asked["redirect_uri"] == OUT_OF_BAND:
            if "code" not in fields:
                return message_page("Sign-in refused", fields.get("error_description", fields["error"]), status=400)
            return message_page("Signed in", "Copy this code into your terminal.", code=fields["code"])
        fields = {**fields, "iss": self._issuer.context.url}
        if "state" in asked:
            fields["state"] = asked["state"]
        target = asked["redirect_uri"] + "?" + urlencode(fields)
        return Response(302, headers={"Location": target, "Cache-Control": "no-store"})

    def _mint_refresh(self, email: str) -> str:
        context = self._issuer.context
        now = int(context.now(NAME).timestamp())
        name = base64.urlsafe_b64encode(context.random(16)).decode()
        claims = {"aud": REFRESH_AUDIENCE, "iss": context.url, "sub": email, "jti": name, "iat": now}
        claims["exp"] = now + int(REFRESH_LIFETIME.total_seconds())
        key = context.keyring.current(ROLE)
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key_name(key)})

    def _refresh(self, form: Form) -> TokenOrder:
        """RFC 6749 §6; each refresh token works once and brings the next (RFC 9700 §4.14.2)."""
        claims = self._read_refresh(form.get("refresh_token", ""))
        name = str(claims["jti"])
        if name in self._used:
            raise oauth_error("invalid_grant", "the refresh token was used before")
        self._used.add(name)
        email = str(claims["sub"])
        return TokenOrder(email=email, subject=email_subject(email), refresh_token=self._mint_refresh(email))

    def _read_refresh(self, token: str) -> dict[str, Any]:
        claims = self._issuer.own_claims(token, REFRESH_AUDIENCE)
        if claims is None or not {"jti", "sub"} <= claims.keys():
            raise oauth_error("invalid_grant", "the refresh token is not one of ours, or expired")
        return claims


def redirect_allowed(target: str) -> bool:
    """Loopback over http with any port (RFC 8252 §7.3), or out of band; visible ASCII alone (RFC 3986 §2).

    ``urlsplit`` drops line ends and tabs in silence, and a Location header that has them is another one.
    """
    if not target.isascii() or not target.isprintable() or _NOT_IN_REDIRECTS.intersection(target):
        return False
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        return False
    loopback = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1") and port is not None
    return target == OUT_OF_BAND or loopback


def _asked(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields[name] for name in _FIELDS if name in fields}


def login_routes(issuer: Issuer) -> tuple[Route, ...]:
    """The routes beside ``/token``: login page, device flow, tokens for CI jobs; registers grants with ``issuer``."""
    login = Login(issuer)
    device = DeviceFlow(issuer, login.order)
    return (
        Route("GET", "/auth", login.page),
        Route("POST", "/auth", login.submit, accepts=(FORM,)),
        Route("POST", "/device/code", device.start, accepts=(FORM,)),
        Route("GET", "/device", device.page),
        Route("POST", "/device", device.submit, accepts=(FORM,)),
        actions_route(issuer),
    )
