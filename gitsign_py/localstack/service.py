"""A local service: routes from request to response, errors in its own style, a part of the trusted root.

No sockets here and none in the services: a test calls a handler with a Request and looks at the Response.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from gitsign_py.core.encoding import load_json
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance
from gitsign_py.core.trust.signingconfig import ConfiguredService as Endpoint
from gitsign_py.errors import FormatError

JSON = "application/json"
MAX_BODY = 1 << 20
"""Largest request body in bytes; more is refused with 413. A signing request has about 2 KiB."""
_NO_TEXTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ``parts`` are the variable parts of the path, header names are in lower case, ``body`` is raw."""

    method: str = "GET"
    path: str = "/"
    parts: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    query: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)
    body: bytes = b""

    def json(self) -> Any:
        """The body as strict JSON without half surrogate pairs (RFC 8259 §8.2). Raises FormatError ``json-...``."""
        value = load_json(self.body, max_bytes=MAX_BODY)
        if b"\\u" not in self.body:  # UTF-8 has none of them (RFC 3629 §3): only an escape can spell one
            return value
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise FormatError("json-invalid", "a text in the body is not valid Unicode") from error
        return value

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises FormatError ``json-...``."""
        value = self.json()
        if not isinstance(value, dict):
            raise FormatError("json-invalid", "the body must be a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: status, body, media type (empty: none is sent) and further headers."""

    status: int = 200
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)


def json_response(value: object, status: int = 200, headers: Mapping[str, str] = _NO_TEXTS) -> Response:
    """An answer with a JSON body, as compact as the real servers write it and with ``<`` and ``—`` left as they are."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, JSON, headers)


class Refusal(Exception):  # noqa: N818 - an answer, not an error
    """A request is refused: HTTP ``status``, one line for the client, the server's own ``code`` (0: from the status).

    ``reason`` is a stable kebab-case word for those answers that have room for one; ``headers`` go out with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int | str = 0,
        reason: str = "",
        headers: Mapping[str, str] = _NO_TEXTS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.reason = reason
        self.headers = headers


Handler = Callable[[Request], Response]
ErrorStyle = Callable[[Refusal], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` may hold ``{name}`` or ``{name:path}`` parts; ``accepts`` are the media types of a body (empty: any).

    A handler that is short, and waits for nothing but the database, may share a thread, and one that writes the
    transaction too: its ``lane`` says so.
    """

    method: str
    path: str
    handler: Handler
    accepts: tuple[str, ...] = ()
    max_body: int = MAX_BODY
    lane: Literal["", "computing", "writing"] = ""


@dataclass(frozen=True, slots=True)
class TrustPart:
    """The additions of one service to the trusted root, the signing configuration and the directory (``files``)."""

    tlogs: tuple[TransparencyLogInstance, ...] = ()
    certificate_authorities: tuple[CertificateAuthority, ...] = ()
    ctlogs: tuple[TransparencyLogInstance, ...] = ()
    timestamp_authorities: tuple[CertificateAuthority, ...] = ()
    ca_urls: tuple[Endpoint, ...] = ()
    oidc_urls: tuple[Endpoint, ...] = ()
    rekor_urls: tuple[Endpoint, ...] = ()
    tsa_urls: tuple[Endpoint, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def _no_part() -> TrustPart:
    return TrustPart()


def _nothing() -> None:
    """Services without background work neither start nor stop anything."""


@dataclass(frozen=True, slots=True)
class Service:
    """A named set of routes. ``trust`` is asked anew each time the client files are written."""

    name: str
    routes: tuple[Route, ...]
    errors: ErrorStyle
    trust: Callable[[], TrustPart] = _no_part
    start: Callable[[], None] = _nothing
    stop: Callable[[], None] = _nothing


def plain_errors(refusal: Refusal) -> Response:
    """Errors as ``{"code": status, "message": text}``: the style of paths that belong to no service."""
    code = refusal.code or refusal.status
    return json_response({"code": code, "message": refusal.message}, refusal.status, refusal.headers)
