"""Routing and nothing else: from starlette's request to ours, from our Response back. Every error has a JSON body.

Only loopback names are served, and the one that clients of a stack with an external URL use. A web page of another
site cannot make a browser mint tokens here: its Host or its Origin gives it away (DNS rebinding, cross-site requests).
"""

import errno
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Route as WebRoute

from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError
from gitsign_py.localstack import requestlog
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.placement import Placement
from gitsign_py.localstack.requestlog import Meter, Served
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, plain_errors

_log = logging.getLogger("gitsign_py.localstack")
_ON_LOOPBACK = Placement()
_INTERNAL = "internal error of the local stack; its log says more"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_Table = dict[str, tuple[Service, Route]]


@dataclass(frozen=True, slots=True)
class _House:
    """The part that every path shares."""

    hook: Hook
    place: Placement
    meter: Meter


def application(
    services: Iterable[Service], hook: Hook, place: Placement = _ON_LOOPBACK, meter: Meter | None = None
) -> Starlette:
    """The ASGI application over all services. Two services must not claim the same method and path."""
    tables: dict[str, _Table] = {}
    for service in services:
        for route in service.routes:
            table = tables.setdefault(route.path, {})
            if route.method in table:
                raise ValueError(f"{route.method} {route.path} is claimed twice")
            table[route.method] = (service, route)
    served = (
        (path, partial(_serve, table, _House(hook, place, meter or Meter()))) for path, table in _exact_first(tables)
    )
    routes = [WebRoute(path, endpoint, methods=_METHODS) for path, endpoint in served]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    app.router.redirect_slashes = False
    return app


def _exact_first(tables: dict[str, _Table]) -> list[tuple[str, _Table]]:
    """Paths without variable parts win over those with, longer ones over shorter ones."""
    return sorted(tables.items(), key=lambda item: (item[0].count("{"), -len(item[0]), item[0]))


async def _serve(table: _Table, house: _House, web: WebRequest) -> WebResponse:
    """One path: pick the route by method, check the request's form, run the handler in a worker thread."""
    began, name, notes = time.monotonic(), secrets.token_hex(8), requestlog.begin_notes()
    method = "GET" if web.method == "HEAD" else web.method  # the server cuts the body of a HEAD answer
    service, route = table.get(method, (next(iter(table.values()))[0], None))
    try:
        _check_origin(web, house.place)
        if route is None:
            raise _wrong_method(web.method, table)
        request = await _read(web, route)
    except Refusal as refusal:
        answer = service.errors(refusal)
    else:
        answer = await run_in_threadpool(_handle, service, route, request, house.hook)
    method = web.method if web.method in _METHODS else "other"
    elapsed = time.monotonic() - began
    served = Served(name, service.name, _client(web), method, _path(web), answer.status, elapsed, notes)
    house.meter.count(served)
    requestlog.write(served)
    return _web_response(answer, name)


def _client(web: WebRequest) -> str:
    """The client's address; behind a proxy of this machine the one that the proxy saw (its own last entry)."""
    peer = web.client.host if web.client else ""
    forwarded = web.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return printable(forwarded[:64]) if forwarded and peer in {"127.0.0.1", "::1"} else peer


async def _read(web: WebRequest, route: Route) -> Request:
    _check_media_type(web, route)
    return Request(
        method=web.method,
        path=_path(web),
        parts={name: str(value) for name, value in web.path_params.items()},
        query=dict(web.query_params),
        headers=dict(web.headers),
        body=await _body(web, route.max_body),
    )


def _handle(service: Service, route: Route, request: Request, hook: Hook) -> Response:
    """Run the handler between the two ends of the hook; whatever it raises becomes an answer."""
    try:
        answer = hook.before(service.name, request) or route.handler(request)
    except Refusal as refusal:
        answer = service.errors(refusal)
    except FormatError as error:
        answer = service.errors(Refusal(400, error.message, reason=error.reason))
    except (sqlite3.OperationalError, OSError) as error:
        _log.error("%s %s could not be served: %s", request.method, printable(request.path), printable(str(error)))
        answer = service.errors(Refusal(503, _storage_words(error), reason="storage-unusable"))
    except sqlite3.DatabaseError as error:
        _log.exception("%s %s failed", request.method, printable(request.path))
        answer = service.errors(_database_refusal(error))
    except Exception:  # noqa: BLE001 - the client gets an answer and the log the trace
        _log.exception("%s %s failed", request.method, printable(request.path))
        answer = service.errors(Refusal(500, _INTERNAL))
    return hook.after(service.name, request, answer)


def _database_refusal(error: sqlite3.DatabaseError) -> Refusal:
    """Damaged pages (sqlite.org/rescode.html, primary codes) have a name; what else SQLite says here is our mistake."""
    if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        words = "the local stack's database is damaged; see: gitsign-py stack fsck"
        return Refusal(503, words, reason="storage-damaged")
    return Refusal(500, _INTERNAL)


def _storage_words(error: Exception) -> str:
    """The trouble of the disk, in words for a client: SQLite's result codes and errno have no path in them."""
    if isinstance(error, OSError):
        return f"the local stack cannot write: {os.strerror(error.errno or errno.EIO)}"
    return f"the local stack cannot use its database: {error}"


def _web_response(answer: Response, name: str = "") -> WebResponse:
    headers = {**answer.headers, "X-Content-Type-Options": "nosniff"}
    if name:
        headers["X-Request-Id"] = name
    if answer.media_type:
        headers["Content-Type"] = answer.media_type
    return WebResponse(answer.body, answer.status, headers)


async def _not_found(web: WebRequest, _: Exception) -> WebResponse:
    return _web_response(plain_errors(Refusal(404, f"path {_path(web)} was not found")))


def _path(web: WebRequest) -> str:
    """The path alone: starlette's URL is put together with the Host header, which may be no host at all."""
    path: str = web.scope["path"]
    return path


def _check_origin(web: WebRequest, place: Placement) -> None:
    host, origin = web.headers.get("host", ""), web.headers.get("origin")
    try:
        name, page = urlsplit(f"//{host}").hostname, urlsplit(origin or "").netloc
    except ValueError as error:  # "[" begins an IPv6 address that never ends
        raise Refusal(400, "the Host or Origin header is malformed") from error
    if name not in place.names:
        others = "" if place.exposed else "a loopback host name"
        raise Refusal(403, f"only requests for {others or place.origin} are answered")
    if origin is not None and page not in {host, place.origin or host}:
        raise Refusal(403, "requests by pages of another origin are not answered")


def _wrong_method(method: str, table: _Table) -> Refusal:
    allowed = sorted(table)
    message = f"method {method} is not allowed, but [{','.join(allowed)}] are"
    return Refusal(405, message, headers={"Allow": ", ".join(allowed)})


def _check_media_type(web: WebRequest, route: Route) -> None:
    given = web.headers.get("content-type", "")
    if route.accepts and given.partition(";")[0].strip().lower() not in route.accepts:
        kinds = " ".join(route.accepts)
        raise Refusal(415, f'unsupported media type "{given}", only [{kinds}] are allowed')


async def _body(web: WebRequest, limit: int) -> bytes:
    """The body, read no further than ``limit`` bytes."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in web.stream():
            size += len(part)
            if size > limit:
                raise Refusal(413, f"the body has more than {limit} bytes", headers={"Connection": "close"})
            parts.append(part)
    except ClientDisconnect as error:
        raise Refusal(400, "the body breaks off") from error
    return b"".join(parts)
