"""The keys of foreign issuers: by discovery at the issuer's URL (OpenID Connect Discovery 1.0 §4), or from a JWKS file.

Bounded in time and size, without redirects, over TLS but on loopback, kept for some minutes. A token with an unknown
key makes the keys be fetched again, once a minute at most, so that tokens cannot make this server ask and ask.
"""

import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import jwt

from gitsign_py.core.encoding import load_json
from gitsign_py.errors import ConfigError, FormatError
from gitsign_py.localstack.service import Refusal

KEPT_SECONDS, AGAIN_SECONDS, FAILED_SECONDS, TOTAL_SECONDS = 600.0, 60.0, 10.0, 10.0
MAX_BYTES = 1 << 20
MAX_ISSUERS = 100
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a private key alone: a public key must never be taken for a shared secret (RFC 8725 §3.1)."""
Fetch = Callable[[str], bytes]
Keys = Mapping[str, jwt.PyJWK]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none: what counts is at the URL that was configured, or nowhere."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _opened(url: str) -> HTTPResponse:
    try:
        answer: HTTPResponse = _OPENER.open(urllib.request.Request(url), timeout=TOTAL_SECONDS)  # noqa: S310 - checked
    except HTTPError as error:
        error.close()  # it holds the connection
        raise
    return answer


def fetch(url: str) -> bytes:
    """GET a document. Raises OSError or HTTPException; ValueError for one that is too large, slow or not over TLS."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}):
        raise ValueError("not an https URL")
    ends, data = time.monotonic() + TOTAL_SECONDS, b""
    with _opened(url) as answer:
        while part := answer.read1(65536):
            data += part
            if len(data) > MAX_BYTES or time.monotonic() > ends:
                raise ValueError("the answer is too large or too slow")
    return data


@dataclass(frozen=True, slots=True)
class _Kept:
    """Keys until ``expires``; the issuer is not asked for a name that is not among them before ``again``."""

    keys: Keys
    expires: float
    again: float


class IssuerKeys:
    """Keys by issuer; ``files`` has the JWKS files of those that are not asked."""

    def __init__(
        self,
        files: Mapping[str, Path] | None = None,
        *,
        get: Fetch = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError ``issuer-keys-unreadable``."""
        self._fixed = {url: _read(path) for url, path in (files or {}).items()}
        self._get, self._clock = get, clock
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept] = {}

    def key(self, issuer: str, name: str) -> jwt.PyJWK | None:
        """The key ``name`` of the issuer; without a name its only key. Raises Refusal ``issuer-unreachable``."""
        if issuer in self._fixed:
            return _named(self._fixed[issuer], name)
        with self._lock:
            asking = self._asking.setdefault(issuer, threading.Lock())
        with asking:  # many tokens at once ask an issuer once, and no other issuer waits for it
            kept, now = self._kept.get(issuer), self._clock()
            if kept is None or now >= kept.expires or (_named(kept.keys, name) is None and now >= kept.again):
                kept = self._renew(issuer, kept, now)
            return _named(kept.keys, name)

    def _renew(self, issuer: str, before: _Kept | None, now: float) -> _Kept:
        try:
            return self._keep(issuer, _Kept(self._discover(issuer), now + KEPT_SECONDS, now + AGAIN_SECONDS))
        except (OSError, HTTPException, ValueError, FormatError) as error:
            if before is not None and now < before.expires:
                return self._keep(issuer, _Kept(before.keys, before.expires, now + AGAIN_SECONDS))
            self._keep(issuer, _Kept({}, now + FAILED_SECONDS, now + FAILED_SECONDS))
            words = "the keys of the token's issuer cannot be fetched"
            raise Refusal(503, words, reason="issuer-unreachable") from error

    def _keep(self, issuer: str, kept: _Kept) -> _Kept:
        with self._lock:
            self._kept.pop(issuer, None)
            while len(self._kept) >= MAX_ISSUERS:
                oldest = next(iter(self._kept))
                self._kept.pop(oldest)
                self._asking.pop(oldest, None)
            self._kept[issuer] = kept
        return kept

    def _discover(self, issuer: str) -> Keys:
        found = load_json(self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"), max_bytes=MAX_BYTES)
        if not isinstance(found, dict) or found.get("issuer") != issuer:  # Discovery §4.3
            raise ValueError("the discovery document is of another issuer")
        return parse_keys(self._get(str(found.get("jwks_uri"))))


def parse_keys(data: bytes) -> Keys:
    """The signing keys of a JWKS (RFC 7517 §5) by their names; others are passed over. Raises FormatError."""
    value: Any = load_json(data, max_bytes=MAX_BYTES)
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        raise FormatError("jwks-malformed", "the key set has no list of keys")
    found: dict[str, jwt.PyJWK] = {}
    for one in listed[:100]:
        if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") in {"RSA", "EC", "OKP"}:
            try:
                key = jwt.PyJWK.from_dict(one)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue
            if key.algorithm_name in ALGORITHMS:
                found[str(one.get("kid", ""))] = key
    return found


def _named(keys: Keys, name: str) -> jwt.PyJWK | None:
    if not name and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(name)


def _read(path: Path) -> Keys:
    try:
        return parse_keys(path.read_bytes())
    except (OSError, FormatError) as error:
        raise ConfigError("issuer-keys-unreadable", f"cannot read the keys in {path}: {error}") from error
