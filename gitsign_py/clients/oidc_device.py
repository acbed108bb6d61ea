"""Signing in on another device (RFC 8628): for ssh, containers and machines without a browser."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gitsign_py.clients.answer import one_line
from gitsign_py.clients.oidc import Client, OAuthError, Provider, Tokens, asked_scope, post_form, read_tokens
from gitsign_py.clients.oidc_browser import BrowserSettings, denied
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import pkce
from gitsign_py.errors import ServiceError
from gitsign_py.host.consent import Dialogue

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DEFAULT_INTERVAL = 5.0  # RFC 8628 §3.2
_SLOW_DOWN = 5.0  # RFC 8628 §3.5
_LONGEST_INTERVAL = 60.0
_LONGEST_LIFE = 3600.0


@frozen
class DeviceCode:
    """The issuer's answer (RFC 8628 §3.2); ``expires_in`` and ``interval`` in seconds."""

    device_code: str
    user_code: str
    address: str
    complete_address: str
    expires_in: float
    interval: float


def sign_in_on_device(
    session: HttpSession,
    provider: Provider,
    client: Client,
    settings: BrowserSettings,
    *,
    dialogue: Dialogue,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    """Show a code and an address, then poll until the person has answered there.

    The settings' time-out ends it before the issuer's own limit does; ``sleep`` waits that many seconds. Raises
    ServiceError ``sign-in-denied``, ``sign-in-timeout``, ``oidc-no-device-flow``, ``oidc-refused``; VerificationError
    ``token-...``.
    """
    if not provider.device_endpoint:
        raise ServiceError(
            "oidc-no-device-flow",
            f"the OIDC issuer {provider.issuer} offers no device flow",
            hint="set gitsign.tokenProvider to interactive",
        )
    proof = pkce(secrets.token_bytes(32))  # not asked for by RFC 8628; Dex checks it here too
    form = asked_scope(provider, remember=settings.remember)
    form |= {"code_challenge": proof.challenge, "code_challenge_method": proof.method}
    code = _read_code(post_form(session, provider, client, provider.device_endpoint, form))
    _show(dialogue, code)
    document = _poll(session, provider, client, code, proof.verifier, timeout=settings.timeout, sleep=sleep)
    return read_tokens(document, provider, client, nonce=None, now=now())


def _show(dialogue: Dialogue, code: DeviceCode) -> None:
    lines = ["Sign in on any device:", f"    address  {code.address}", f"    code     {code.user_code}"]
    if code.complete_address:
        lines.append(f"or open   {code.complete_address}")
    dialogue.show("\n".join(lines))


def _poll(
    session: HttpSession,
    provider: Provider,
    client: Client,
    code: DeviceCode,
    verifier: str,
    *,
    timeout: float,
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    form = {"grant_type": GRANT, "device_code": code.device_code, "code_verifier": verifier}
    limit = min(timeout, code.expires_in)
    end, interval = time.monotonic() + limit, code.interval
    while time.monotonic() + interval <= end:
        sleep(interval)
        try:
            return post_form(session, provider, client, provider.token_endpoint, form)
        except OAuthError as error:
            if error.code == "slow_down":
                interval = min(interval + _SLOW_DOWN, _LONGEST_INTERVAL)
            elif error.code == "expired_token":
                break
            elif error.code != "authorization_pending":
                raise _final(error) from error
        except ServiceError as error:  # RFC 8628 §3.5: a connection time-out is no answer; wait longer, ask again
            if error.reason not in ("service-timeout", "service-unreachable"):
                raise
            interval = min(interval * 2, _LONGEST_INTERVAL)
    raise ServiceError(
        "sign-in-timeout",
        f"nobody signed in with the code within {limit:g} s, nothing was signed",
        hint="try again for a new code, or raise gitsign.signInTimeout",
        facts={"seconds": f"{limit:g}"},
    )


def _final(error: OAuthError) -> ServiceError:
    return denied(error.code, "") if error.code == "access_denied" else error


def _read_code(document: Mapping[str, Any]) -> DeviceCode:
    device_code, user_code = document.get("device_code"), document.get("user_code")
    address = document.get("verification_uri") or document.get("verification_url")  # the latter is Google's name
    texts = (device_code, user_code, address)
    if not all(isinstance(text, str) and text and text.isprintable() for text in texts):
        raise ServiceError("oidc-device-answer", "the OIDC issuer's device answer lacks a code or an address")
    check_url("the issuer's device page", str(address))
    complete = document.get("verification_uri_complete")
    return DeviceCode(
        str(device_code),
        one_line(str(user_code)),
        str(address),
        one_line(complete) if isinstance(complete, str) else "",
        _seconds(document.get("expires_in"), _LONGEST_LIFE, default=300.0),
        _seconds(document.get("interval"), _LONGEST_INTERVAL, default=_DEFAULT_INTERVAL),
    )


def _seconds(value: object, most: float, *, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        return default
    return min(float(value), most)
