"""Verifies an identity token for the local Fulcio (RFC 7519 §7.2) and says exactly what is wrong with it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from gitsign_py.localstack.fulcio.claims import token_refusal
from gitsign_py.localstack.idp.issuer import ALGORITHM, key_name
from gitsign_py.localstack.keyring import ServerKey

_NOT_BEFORE_LEEWAY = timedelta(minutes=5)
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.InvalidSignatureError, "token-signature-invalid"),
    (jwt.InvalidAudienceError, "token-audience-wrong"),
    (jwt.InvalidIssuerError, "token-issuer-unknown"),
    (jwt.InvalidAlgorithmError, "token-algorithm-wrong"),
    (jwt.MissingRequiredClaimError, "token-claim-missing"),
)


def stated_issuer(token: str) -> str:
    """The ``iss`` that a token states, unverified: it says whose keys the token must verify with, and nothing else.

    Raises Refusal (400) ``token-malformed``.
    """
    try:
        stated = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.InvalidTokenError as error:
        raise token_refusal("token-malformed") from error
    return stated if isinstance(stated, str) else ""


def verify(token: str, *, keys: Sequence[ServerKey], issuer: str, audience: str, now: datetime) -> dict[str, Any]:
    """The claims of a token that one of ``keys`` signed; raises Refusal (400) with a ``token-...`` reason."""

    def find(name: str) -> Any:
        key = next((key for key in keys if key_name(key) == name), None)
        return None if key is None else key.private.public_key()

    return verify_by(token, find, (ALGORITHM,), issuer=issuer, audience=audience, now=now)


def verify_by(
    token: str, find: Callable[[str], Any], algorithms: Sequence[str], *, issuer: str, audience: str, now: datetime
) -> dict[str, Any]:
    """As ``verify``; ``find`` gives the key of a name, or None. Raises what ``find`` raises, too."""
    try:
        key = find(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is None:
            raise token_refusal("token-key-unknown")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=audience,
            issuer=issuer,
            # The times are checked below, against the clock of the service and not the machine's.
            options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "token-malformed")
        raise token_refusal(reason) from error
    _check_times(claims, now)
    return claims


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    if _time(claims, "exp") <= now:
        raise token_refusal("token-expired")
    if "nbf" in claims and _time(claims, "nbf") > now + _NOT_BEFORE_LEEWAY:
        raise token_refusal("token-not-yet-valid")


def _time(claims: dict[str, Any], name: str) -> datetime:
    value = claims[name]
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise token_refusal("token-malformed") from error
