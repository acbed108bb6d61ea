"""Identity tokens as a client sees them: read, never trusted.

A client cannot verify a token (the certificate authority does, RFC 7519 §7.2); it reads the claims to say in plain
words, before any server is asked, why a token cannot work, and to know which identity the certificate must carry.
Hence the type's name: ``UnverifiedClaims``. PKCE, ``state`` and ``nonce`` (RFC 7636, RFC 6749 §10.12, OpenID Connect
Core §3.1.2.1) are here too; their randomness is an argument.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from gitsign_py.core import digests
from gitsign_py.core.encoding import format_rfc3339, load_json
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError, VerificationError

MAX_TOKEN_BYTES = 64 * 1024
CLOCK_LEEWAY = timedelta(seconds=60)
_BASE64URL = pattern(r"[A-Za-z0-9_-]*\Z")
_REGISTERED = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "email", "email_verified"})
_LATEST = 253402300799  # 9999-12-31T23:59:59Z, the last second that a datetime holds


@frozen
class IdentityToken:
    """A compact JWS (RFC 7515 §7.1). A bearer secret: ``repr`` does not show it."""

    raw: str = field(repr=False)


@frozen
class UnverifiedClaims:
    """A token's claims about itself; nobody has checked its signature. ``other`` holds every claim without a field."""

    algorithm: str
    issuer: str
    subject: str
    audience: tuple[str, ...]
    expiry: datetime
    issued_at: datetime | None
    not_before: datetime | None
    email: str | None
    email_verified: bool | None
    nonce: str | None
    other: Mapping[str, object]


@frozen
class Pkce:
    """A proof key for code exchange, method S256: ``verifier`` is kept, ``challenge`` goes with the first request."""

    verifier: str = field(repr=False)
    challenge: str
    method: str = "S256"


def parse_unverified(raw: str) -> UnverifiedClaims:
    """Read the claims of a compact JWS: three base64url parts (no padding, canonical), JSON without repeated names.

    Raises FormatError ``token-invalid``, or ``token-unsigned`` for ``alg: none`` (RFC 7518 §3.6) or no signature.
    """
    if len(raw) > MAX_TOKEN_BYTES:
        raise _invalid(f"it has {len(raw)} characters, at most {MAX_TOKEN_BYTES} are read")
    parts = raw.split(".")
    if len(parts) != 3:
        raise _invalid(f"it has {len(parts)} parts between dots, a signed token has 3")
    header = _json_part(parts[0], "header")
    payload = _json_part(parts[1], "payload")
    signature = _b64url_decode(parts[2], "signature")
    algorithm = _text(header, "alg")
    if algorithm.lower() == "none" or not signature:
        raise FormatError("token-unsigned", "the identity token is not signed (alg none), no server accepts it")
    return _claims(algorithm, payload)


def _claims(algorithm: str, payload: Mapping[str, object]) -> UnverifiedClaims:
    expiry = _time(payload, "exp")
    if expiry is None:
        raise _invalid("it has no exp claim")
    return UnverifiedClaims(
        algorithm=algorithm,
        issuer=_text(payload, "iss"),
        subject=_text(payload, "sub"),
        audience=_audience(payload.get("aud")),
        expiry=expiry,
        issued_at=_time(payload, "iat"),
        not_before=_time(payload, "nbf"),
        email=_optional_text(payload, "email"),
        email_verified=_truth(payload.get("email_verified")),
        nonce=_optional_text(payload, "nonce"),
        other=MappingProxyType({name: value for name, value in payload.items() if name not in _REGISTERED}),
    )


def check_claims(
    claims: UnverifiedClaims, *, now: datetime, audience: str, issuer: str | None = None, nonce: str | None = None
) -> None:
    """Say what is wrong with a token before a server has to.

    ``issuer`` and ``nonce`` are compared when given. A token may be up to a minute from the future, since clocks
    differ; past its expiry it is refused at once, as servers do. Raises VerificationError ``token-expired``,
    ``token-not-yet-valid``, ``token-wrong-audience``, ``token-wrong-issuer`` or ``token-wrong-nonce``.
    """
    _check_time(claims, now)
    if audience not in claims.audience:
        raise VerificationError(
            "token-wrong-audience",
            f"the identity token is for audience {_listed(claims.audience)}, expected {audience}",
            hint=f"get a token with the audience {audience}, or set gitsign.clientID to the token's audience",
            facts={"expected": audience, "got": _listed(claims.audience)},
        )
    if issuer is not None and claims.issuer != issuer:
        raise VerificationError(
            "token-wrong-issuer",
            f"the identity token is from issuer {claims.issuer}, expected {issuer}",
            hint="set gitsign.issuer to the token's issuer, or get a token from the issuer that is set",
            facts={"expected": issuer, "got": claims.issuer},
        )
    if nonce is not None and (claims.nonce is None or not same_secret(claims.nonce, nonce)):
        raise VerificationError(
            "token-wrong-nonce",
            "the identity token does not answer our request: its nonce is another one",
            hint="sign in again; if it repeats, somebody may be replaying tokens",
        )


def _check_time(claims: UnverifiedClaims, now: datetime) -> None:
    if now >= claims.expiry:
        raise VerificationError(
            "token-expired",
            f"the identity token expired at {format_rfc3339(claims.expiry)}, it is now {_seconds(now)}",
            hint="get a new token; if it is new, set this machine's clock",
            facts={"expiry": format_rfc3339(claims.expiry), "now": _seconds(now)},
        )
    starts = [time for time in (claims.not_before, claims.issued_at) if time is not None]
    if starts and max(starts) > now + CLOCK_LEEWAY:
        start = format_rfc3339(max(starts))
        raise VerificationError(
            "token-not-yet-valid",
            f"the identity token is valid from {start}, it is now {_seconds(now)}",
            hint="set this machine's clock, it seems to be behind",
            facts={"start": start, "now": _seconds(now)},
        )


def challenge_subject(claims: UnverifiedClaims, challenge_claim: str | None = None) -> str:
    """Return the text that a certificate authority wants signed as proof of possession.

    ``challenge_claim`` is ``"email"`` or ``"sub"`` as Fulcio's configuration names it for an issuer; None takes the
    e-mail address when the token has one and the subject otherwise, which is what the public issuers come to.
    """
    if challenge_claim not in (None, "email", "sub"):
        raise FormatError("challenge-claim-unknown", f"the certificate authority asks for claim {challenge_claim!r}")
    if challenge_claim == "sub" or (challenge_claim is None and not claims.email):
        return claims.subject
    if not claims.email:
        raise _invalid("it has no email claim, and the certificate authority asks for one")
    return claims.email


def pkce(random: bytes) -> Pkce:
    """Make a PKCE pair (RFC 7636 §4) from 32 to 96 random bytes: 43 to 128 characters of verifier."""
    if not 32 <= len(random) <= 96:
        raise ValueError(f"32 to 96 random bytes make a verifier, not {len(random)}")
    verifier = b64url_encode(random)
    return Pkce(verifier, b64url_encode(digests.sha256(verifier.encode("ascii")).digest()))


def opaque_value(random: bytes) -> str:
    """Make a ``state`` or ``nonce`` from at least 16 random bytes: their base64url."""
    if len(random) < 16:
        raise ValueError(f"at least 16 random bytes are needed, not {len(random)}")
    return b64url_encode(random)


def same_secret(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not tell where they differ."""
    import hmac  # noqa: PLC0415 - for who signs in

    return hmac.compare_digest(one.encode(), other.encode())


def check_state(*, expected: str, got: str | None) -> None:
    """Refuse an answer to somebody else's authorization request. Raises VerificationError ``oidc-state-mismatch``."""
    if got is None or not same_secret(expected, got):
        raise VerificationError(
            "oidc-state-mismatch",
            "the sign-in answer does not belong to our request: its state is another one",
            hint="sign in again from the page that was opened last",
        )


def b64url_encode(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _b64url_decode(text: str, part: str) -> bytes:
    if not _BASE64URL.match(text) or len(text) % 4 == 1:
        raise _invalid(f"its {part} is not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url_encode(data) != text:  # RFC 4648 §3.5: stray bits
        raise _invalid(f"its {part} is not base64url in its canonical form")
    return data


def _json_part(text: str, part: str) -> dict[str, object]:
    data = _b64url_decode(text, part)
    try:
        value = load_json(data, max_bytes=MAX_TOKEN_BYTES)
    except FormatError as error:
        raise _invalid(f"its {part} is {error.message}") from error
    if not isinstance(value, dict):
        raise _invalid(f"its {part} is not a JSON object")
    return value


def _string(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _text(claims: Mapping[str, object], name: str) -> str:
    value = _string(claims, name)
    if value is None or not value.isprintable():
        raise _invalid(f"it has no {name} in printable text")
    return value


def _optional_text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.isprintable():
        raise _invalid(f"its {name} claim is not printable text")
    return value


def _audience(value: object) -> tuple[str, ...]:
    """RFC 7519 §4.1.3: one text or a list of texts."""
    listed = value if isinstance(value, list) else [value]
    texts = tuple(one for one in listed if isinstance(one, str) and one and one.isprintable())
    if not texts or len(texts) != len(listed):
        raise _invalid("its aud claim is neither a text nor a list of texts")
    return texts


def _truth(value: object) -> bool | None:
    """Some issuers write the boolean ``email_verified`` as text."""
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise _invalid("its email_verified claim is not true or false")


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    """RFC 7519 §2 NumericDate: seconds since 1970, fractions allowed and dropped here."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise _invalid(f"its {name} claim is not a time in seconds")
    return datetime.fromtimestamp(int(value), UTC)


def _seconds(time: datetime) -> str:
    return format_rfc3339(time.replace(microsecond=0))


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values)


def _invalid(why: str) -> FormatError:
    return FormatError(
        "token-invalid",
        f"the identity token cannot be used: {why}",
        hint="a token is three base64url parts joined by dots, as the issuer gives it, without quotes or line breaks",
    )
