"""Routing and nothing else: from starlette's request to ours, from our Response back. Every error has a JSON body.

Only loopback names are served. A web page of another site cannot make a browser mint tokens here: its Host or its
Origin gives it away (DNS rebinding, cross-site requests).
"""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
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
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, plain_errors

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_log = logging.getLogger("gitsign_py.localstack")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_Table = dict[str, tuple[Service, Route]]


def application(services: Iterable[Service], hook: Hook) -> Starlette:
    """The ASGI application over all services. Two services must not claim the same method and path."""
    tables: dict[str, _Table] = {}
    for service in services:
        for route in service.routes:
            table = tables.setdefault(route.path, {})
            if route.method in table:
                raise ValueError(f"{route.method} {route.path} is claimed twice")
            table[route.method] = (service, route)
    routes = [WebRoute(path, partial(_serve, table, hook), methods=_METHODS) for path, table in _exact_first(tables)]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    app.router.redirect_slashes = False
    return app


def _exact_first(tables: dict[str, _Table]) -> list[tuple[str, _Table]]:
    """Paths without variable parts win over those with, longer ones over shorter ones."""
    return sorted(tables.items(), key=lambda item: (item[0].count("{"), -len(item[0]), item[0]))


async def _serve(table: _Table, hook: Hook, web: WebRequest) -> WebResponse:
    """One path: pick the route by method, check the request's form, run the handler in a worker thread."""
    began = time.monotonic()
    method = "GET" if web.method == "HEAD" else web.method  # the server cuts the body of a HEAD answer
    service, route = table.get(method, (next(iter(table.values()))[0], None))
    try:
        _check_origin(web)
        if route is None:
            raise _wrong_method(web.method, table)
        request = await _read(web, route)
    except Refusal as refusal:
        answer = service.errors(refusal)
    else:
        answer = await run_in_threadpool(_handle, service, route, request, hook)
    elapsed = (time.monotonic() - began) * 1000
    _log.info("%s %s %s %d %.0f ms", service.name, web.method, printable(_path(web)), answer.status, elapsed)
    return _web_response(answer)


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
    except Exception:  # noqa: BLE001 - the client gets an answer and the log the trace
        _log.exception("%s %s failed", request.method, printable(request.path))
        answer = service.errors(Refusal(500, "internal error of the local stack; its log says more"))
    return hook.after(service.name, request, answer)


def _storage_words(error: Exception) -> str:
    """What is wrong with the disk, for a client: SQLite's result codes and errno have no path in them."""
    if isinstance(error, OSError):
        return f"the local stack cannot write: {os.strerror(error.errno or errno.EIO)}"
    return f"the local stack cannot use its database: {error}"


def _web_response(answer: Response) -> WebResponse:
    headers = {**answer.headers, "X-Content-Type-Options": "nosniff"}
    if answer.media_type:
        headers["Content-Type"] = answer.media_type
    return WebResponse(answer.body, answer.status, headers)


async def _not_found(web: WebRequest, _: Exception) -> WebResponse:
    return _web_response(plain_errors(Refusal(404, f"path {_path(web)} was not found")))


def _path(web: WebRequest) -> str:
    """The path alone: starlette's URL is put together with the Host header, which may be no host at all."""
    path: str = web.scope["path"]
    return path


def _check_origin(web: WebRequest) -> None:
    host, origin = web.headers.get("host", ""), web.headers.get("origin")
    try:
        name, page = urlsplit(f"//{host}").hostname, urlsplit(origin or "").netloc
    except ValueError as error:  # "[" begins an IPv6 address that never ends
        raise Refusal(400, "the Host or Origin header is malformed") from error
    if name not in LOOPBACK_NAMES:
        raise Refusal(403, "only requests for a loopback host name are answered")
    if origin is not None and page != host:
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
