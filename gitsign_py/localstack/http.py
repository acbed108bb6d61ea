"""HTTP and nothing else: from starlette's request to ours, from our Response back. Every error has a JSON body.

Only loopback names are served, and the one that clients of a stack with an external URL use. A web page of another
site cannot make a browser mint tokens here: its Host or its Origin gives it away (DNS rebinding, cross-site requests).
"""

import asyncio
import errno
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Route as WebRoute
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError
from gitsign_py.localstack import requestlog
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.lanes import Around, Lane
from gitsign_py.localstack.placement import LOOPBACK_NAMES, Placement
from gitsign_py.localstack.requestlog import Meter, Served
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, plain_errors

_log = logging.getLogger("gitsign_py.localstack")
_ON_LOOPBACK = Placement()
_INTERNAL = "internal error of the local stack; its log says more"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_THREADS = 40
_SHORT_BODY = 1 << 16
"""A longer one takes milliseconds to read: its request has a thread of its own, and nobody waits behind it."""
Table = dict[str, tuple[Service, Route]]
"""The routes of one path by method."""


@dataclass(frozen=True, slots=True)
class _House:
    """The part that every path shares: the threads and lanes of the server, and who may ask."""

    hook: Hook
    place: Placement
    meter: Meter
    threads: ThreadPoolExecutor
    lanes: Mapping[str, Lane]


class _Endpoint:
    """One path as an ASGI application: starlette has matched it, and cut its variable parts out."""

    def __init__(self, table: Table, house: _House) -> None:
        self._table, self._house = table, house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        web, name = WebRequest(scope, receive, send), secrets.token_hex(8)
        await _web_response(await self._serve(web, name), name)(scope, receive, send)

    async def _serve(self, web: WebRequest, name: str) -> Response:
        """Pick the route by method, check the request's form, run the handler in a worker thread."""
        began = time.monotonic()
        notes: dict[str, str] = {}
        method = "GET" if web.method == "HEAD" else web.method  # the server cuts the body of a HEAD answer
        service, route = self._table.get(method, (next(iter(self._table.values()))[0], None))
        try:
            _check_origin(web, self._house.place)
            if route is None:
                raise _wrong_method(web.method, self._table)
            request = await _read(web, route)
        except Refusal as refusal:
            answer = service.errors(refusal)
        else:
            answer = await self._run(service, route, request, notes)
        elapsed = time.monotonic() - began
        told = web.method if web.method in _METHODS else "other"  # each is a figure: not what clients invent
        client = _client(web, self._house.place)
        served = Served(name, service.name, client, told, _path(web), answer.status, elapsed, notes)
        self._house.meter.count(served)
        requestlog.write(served)
        return answer

    async def _run(self, service: Service, route: Route, request: Request, notes: dict[str, str]) -> Response:
        """In a lane what is short and breaks nothing, else in a thread of its own."""
        house = self._house
        work = partial(_noted, notes, service, route, request, house.hook)
        lane = house.lanes.get(route.lane)
        if lane is None or len(request.body) > _SHORT_BODY or not house.hook.calm:
            return await asyncio.get_running_loop().run_in_executor(house.threads, work)
        try:
            return await lane.run(work)
        except (sqlite3.Error, OSError) as error:
            return _broken(service, request, error)


def application(
    services: Iterable[Service],
    hook: Hook,
    place: Placement = _ON_LOOPBACK,
    meter: Meter | None = None,
    writing: Around = nullcontext,
) -> Router:
    """The ASGI application over ``services``. ``writing`` is entered around what writes together.

    Two services must not claim the same method and path.
    """
    threads = ThreadPoolExecutor(_THREADS, "local-stack-request")
    lanes = {"computing": Lane(threads, nullcontext), "writing": Lane(threads, writing)}
    house = _House(hook, place, meter or Meter(), threads, lanes)
    routes = [WebRoute(path, _Endpoint(table, house)) for path, table in _exact_first(_tables(services))]
    return Router(routes, redirect_slashes=False, default=_not_found)


def _tables(services: Iterable[Service]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for service in services:
        for route in service.routes:
            table = tables.setdefault(route.path, {})
            if route.method in table:
                raise ValueError(f"{route.method} {route.path} is claimed twice")
            table[route.method] = (service, route)
    return tables


def _exact_first(tables: dict[str, Table]) -> list[tuple[str, Table]]:
    """Paths without variable parts win over those with, longer ones over shorter ones."""
    return sorted(tables.items(), key=lambda item: (item[0].count("{"), -len(item[0]), item[0]))


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await _web_response(plain_errors(Refusal(404, f"path {scope['path']} was not found")))(scope, receive, send)


def _path(web: WebRequest) -> str:
    """The path alone: starlette's URL is put together with the Host header, which may be no host at all."""
    path: str = web.scope["path"]
    return path


def _client(web: WebRequest, place: Placement) -> str:
    """The client's address; behind a proxy that is believed the one that the proxy saw (its own last entry)."""
    peer = web.client.host if web.client else ""
    forwarded = web.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return printable(forwarded[:64]) if forwarded and place.is_proxy(peer) else peer


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


def _noted(notes: dict[str, str], service: Service, route: Route, request: Request, hook: Hook) -> Response:
    requestlog.share_notes(notes)
    return _handle(service, route, request, hook)


def _handle(service: Service, route: Route, request: Request, hook: Hook) -> Response:
    """Run the handler between the two ends of the hook; whatever it raises becomes an answer."""
    try:
        answer = hook.before(service.name, request) or route.handler(request)
    except Refusal as refusal:
        answer = service.errors(refusal)
    except FormatError as error:
        answer = service.errors(Refusal(400, error.message, reason=error.reason))
    except (sqlite3.Error, OSError) as error:
        answer = _broken(service, request, error)
    except Exception:  # noqa: BLE001 - the client gets an answer and the log the trace
        _log.exception("%s %s failed", request.method, printable(request.path))
        answer = service.errors(Refusal(500, _INTERNAL))
    return hook.after(service.name, request, answer)


def _broken(service: Service, request: Request, error: sqlite3.Error | OSError) -> Response:
    """The answer when disk or database do not do what they should."""
    if isinstance(error, sqlite3.OperationalError | OSError):
        _log.error("%s %s could not be served: %s", request.method, printable(request.path), printable(str(error)))
        return service.errors(Refusal(503, _storage_words(error), reason="storage-unusable"))
    _log.error("%s %s failed", request.method, printable(request.path), exc_info=error)
    return service.errors(_database_refusal(error))


def _database_refusal(error: sqlite3.Error) -> Refusal:
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


def _check_origin(web: WebRequest, place: Placement) -> None:
    headers = web.headers
    hosts, origin = headers.getlist("host"), headers.get("origin")
    if len(hosts) > 1:  # RFC 9112 §3.2
        raise Refusal(400, "the Host header is there twice")
    host = hosts[0] if hosts else ""
    try:
        parts, page = urlsplit(f"//{host}"), urlsplit(origin or "")
        name = parts.hostname
    except ValueError as error:  # "[" begins an IPv6 address that never ends
        raise Refusal(400, "the Host or Origin header is malformed") from error
    if parts.netloc != host or "@" in host:  # a host and a port, and no more (RFC 9110 §7.2)
        raise Refusal(400, "the Host header is malformed")
    if name not in place.names:
        others = "" if place.exposed else "a loopback host name"
        raise Refusal(403, f"only requests for {others or place.origin} are answered")
    if origin is not None and f"{page.scheme}://{page.netloc}" not in _own_origins(host, name or "", place):
        raise Refusal(403, "requests by pages of another origin are not answered")


def _own_origins(host: str, name: str, place: Placement) -> set[str]:
    """Where pages of this server come from: the external URL, and plain HTTP under names of this machine."""
    return {place.url} - {""} | ({f"http://{host}"} if name in LOOPBACK_NAMES else set())


def _wrong_method(method: str, table: Table) -> Refusal:
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
