"""Identity tokens for tests that need no issuer: the shape of a token, with a signature that nobody checks."""

import json
from datetime import UTC, datetime
from typing import Any

from gitsign_py.core.sigstore.token import b64url_encode

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.example",
    "sub": "subject-1",
    "aud": "sigstore",
    "exp": int(NOW.timestamp()) + 60,
    "iat": int(NOW.timestamp()),
    "email": "alice@example.com",
    "email_verified": True,
}


def part(value: object) -> str:
    return b64url_encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def make(changes: dict[str, Any] | None = None, *, header: object = None, signature: bytes = b"signature") -> str:
    """Make a token from CLAIMS; a change to None drops the claim."""
    claims = {name: value for name, value in {**CLAIMS, **(changes or {})}.items() if value is not None}
    return ".".join((part(header or {"alg": "ES256"}), part(claims), b64url_encode(signature)))
