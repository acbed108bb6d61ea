"""The device flow of the local issuer (RFC 8628): a code on one screen, a page on another, and patient polling."""

import base64
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gitsign_py.localstack.idp.issuer import (
    CLIENT_ID,
    NAME,
    Form,
    Issuer,
    TokenOrder,
    oauth_error,
    plausible_email,
    read_form,
)
from gitsign_py.localstack.idp.loginpages import device_page, message_page
from gitsign_py.localstack.service import Request, Response, json_response

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LIFETIME = timedelta(minutes=5)
INTERVAL = 1
"""Seconds between polls that a client must leave; short, since this issuer is on the same machine."""
SLOW_DOWN = 5
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels (no words), nothing that is easily mistaken


class MakeOrder(Protocol):
    """Says what the tokens of a sign-in hold."""

    def __call__(self, email: str, *, scope: str) -> TokenOrder:
        """Return the order for ``email``."""
        ...


@dataclass(frozen=True, slots=True)
class _Pending:
    device_code: str
    user_code: str
    scope: str
    expires: datetime
    interval: int
    last_poll: datetime | None = None
    email: str = ""
    denied: bool = False


class DeviceFlow:
    """Holds the sign-ins that wait (in memory: they live for five minutes)."""

    def __init__(self, issuer: Issuer, make_order: MakeOrder) -> None:
        self._issuer = issuer
        self._make_order = make_order
        self._pending: dict[str, _Pending] = {}  # by device code
        self._lock = threading.Lock()
        issuer.grants[GRANT] = self._poll

    def start(self, request: Request) -> Response:
        """``POST /device/code`` (RFC 8628 §3.1, §3.2)."""
        form = read_form(request)
        if form.get("client_id") != CLIENT_ID:
            raise oauth_error("invalid_client", f"client_id must be {CLIENT_ID}", 401)
        context = self._issuer.context
        now = context.now(NAME)
        code = base64.urlsafe_b64encode(context.random(24)).decode()
        letters = "".join(_LETTERS[byte % len(_LETTERS)] for byte in context.random(8))
        pending = _Pending(code, f"{letters[:4]}-{letters[4:]}", form.get("scope", ""), now + LIFETIME, INTERVAL)
        with self._lock:
            self._pending = {name: one for name, one in self._pending.items() if one.expires > now}
            self._pending[code] = pending
        page = f"{context.url}/device"
        return json_response(
            {
                "device_code": code,
                "user_code": pending.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={pending.user_code}",
                "expires_in": int(LIFETIME.total_seconds()),
                "interval": INTERVAL,
            },
            headers={"Cache-Control": "no-store"},
        )

    def page(self, request: Request) -> Response:
        """``GET /device``: the form, with the code filled in when the address holds it (RFC 8628 §3.3.1)."""
        return device_page(action=self._action, user_code=request.query.get("user_code", ""), email="")

    def submit(self, request: Request) -> Response:
        """``POST /device``: the person allows or refuses."""
        form = read_form(request)
        user_code, email = _normal(form.get("user_code", "")), form.get("email", "").strip()
        denied = form.get("decision") != "allow"
        if not denied and not plausible_email(email):
            problem = "That is not an e-mail address."
            return device_page(action=self._action, user_code=user_code, email=email, problem=problem)
        if not self._decide(user_code, email, denied=denied):
            problem = "No sign-in waits for this code. It may be mistyped, used or expired."
            return device_page(action=self._action, user_code=user_code, email=email, problem=problem)
        if denied:
            return message_page("Sign-in refused", "Your terminal has been told. You can close this page.")
        return message_page("Signed in", "Go back to your terminal. You can close this page.")

    @property
    def _action(self) -> str:
        return f"{self._issuer.context.url}/device"

    def _decide(self, user_code: str, email: str, *, denied: bool) -> bool:
        now = self._issuer.context.now(NAME)
        with self._lock:
            for code, one in self._pending.items():
                undecided = not one.email and not one.denied
                if one.user_code == user_code and undecided and one.expires > now:
                    self._pending[code] = replace(one, email="" if denied else email, denied=denied)
                    return True
        return False

    def _poll(self, form: Form) -> TokenOrder:
        """RFC 8628 §3.5: pending, too fast, refused, expired, or the tokens, once."""
        now = self._issuer.context.now(NAME)
        with self._lock:
            one = self._pending.get(form.get("device_code", ""))
            if one is None or one.expires <= now:
                raise oauth_error("expired_token", "the device code is unknown, used or expired")
            if one.denied or one.email:
                del self._pending[one.device_code]
            else:
                self._still_pending(one, now)
        if one.denied:
            raise oauth_error("access_denied", "the person refused")
        return self._make_order(one.email, scope=one.scope)

    def _still_pending(self, one: _Pending, now: datetime) -> None:
        # A tenth of a second of grace: a client that waits the interval by its own clock is not too fast.
        too_fast = one.last_poll is not None and now - one.last_poll < timedelta(seconds=one.interval - 0.1)
        interval = one.interval + SLOW_DOWN if too_fast else one.interval
        self._pending[one.device_code] = replace(one, last_poll=now, interval=interval)
        if too_fast:
            raise oauth_error("slow_down", f"wait at least {interval} s between polls")
        raise oauth_error("authorization_pending", "the person has not answered yet")


def _normal(user_code: str) -> str:
    """RFC 8628 §6.1: neither case nor punctuation matters to the person who types it."""
    letters = "".join(letter for letter in user_code.upper() if letter in _LETTERS)
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == 8 else user_code
