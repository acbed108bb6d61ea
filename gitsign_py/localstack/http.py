"""HTTP and nothing else: from an ASGI request to ours, from our Response back. Every error has a JSON body.

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
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError
from gitsign_py.localstack import requestlog
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.lanes import Around, Lane
from gitsign_py.localstack.placement import Placement
from gitsign_py.localstack.requestlog import Meter, Served
from gitsign_py.localstack.routing import Router, Table, router
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, plain_errors

_log = logging.getLogger("gitsign_py.localstack")
_ON_LOOPBACK = Placement()
_INTERNAL = "internal error of the local stack; its log says more"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_THREADS = 40
_SHORT_BODY = 1 << 16
"""A longer one takes milliseconds to read: its request has a thread of its own, and nobody waits behind it."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Web:
    """A request whose body is still to come. Of a header that is there twice it has the first one."""

    scope: Scope
    receive: Receive
    headers: Mapping[str, str]

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def path(self) -> str:
        """The path alone: put together with the Host header it may be no URL at all."""
        path: str = self.scope["path"]
        return path


class Application:
    """The ASGI application over all services (asgi.readthedocs.io, "HTTP")."""

    def __init__(self, paths: Router, hook: Hook, place: Placement, meter: Meter, writing: Around) -> None:
        self._router, self._hook, self._place, self._meter = paths, hook, place, meter
        self._threads = ThreadPoolExecutor(_THREADS, "local-stack-request")
        self._lanes = {"computing": Lane(self._threads, nullcontext), "writing": Lane(self._threads, writing)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. The server has no other kind of scope: neither lifespan nor websockets."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
        web = _Web(scope, receive, headers)
        found = self._router.find(web.path)
        if found is None or web.method not in _METHODS:
            await _send(send, plain_errors(Refusal(404, f"path {web.path} was not found")))
            return
        name = secrets.token_hex(8)
        await _send(send, await self._serve(web, *found, name), name)

    async def _serve(self, web: _Web, table: Table, parts: Mapping[str, str], name: str) -> Response:
        """Pick the route by method, check the request's form, run the handler in a worker thread."""
        began = time.monotonic()
        notes: dict[str, str] = {}
        method = "GET" if web.method == "HEAD" else web.method  # the server cuts the body of a HEAD answer
        service, route = table.get(method, (next(iter(table.values()))[0], None))
        try:
            _check_origin(web, self._place)
            if route is None:
                raise _wrong_method(web.method, table)
            request = await _read(web, route, parts)
        except Refusal as refusal:
            answer = service.errors(refusal)
        else:
            answer = await self._run(service, route, request, notes)
        elapsed = time.monotonic() - began
        served = Served(name, service.name, _client(web), web.method, web.path, answer.status, elapsed, notes)
        self._meter.count(served)
        requestlog.write(served)
        return answer

    async def _run(self, service: Service, route: Route, request: Request, notes: dict[str, str]) -> Response:
        """In a lane what is short and breaks nothing, else in a thread of its own."""
        work = partial(_noted, notes, service, route, request, self._hook)
        lane = self._lanes.get(route.lane)
        if lane is None or len(request.body) > _SHORT_BODY or not self._hook.calm:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
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
) -> Application:
    """The application over ``services``. ``writing`` is entered around what writes together.

    Two services must not claim the same method and path.
    """
    return Application(router(services), hook, place, meter or Meter(), writing)


def _client(web: _Web) -> str:
    """The client's address; behind a proxy of this machine the one that the proxy saw (its own last entry)."""
    peer = web.scope["client"][0] if web.scope.get("client") else ""
    forwarded = web.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return printable(forwarded[:64]) if forwarded and peer in {"127.0.0.1", "::1"} else peer


async def _read(web: _Web, route: Route, parts: Mapping[str, str]) -> Request:
    _check_media_type(web, route)
    return Request(
        method=web.method,
        path=web.path,
        parts=parts,
        query=dict(parse_qsl(web.scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=web.headers,
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


async def _send(send: Send, answer: Response, name: str = "") -> None:
    named = {name.lower(): value for name, value in answer.headers.items()} | {"x-content-type-options": "nosniff"}
    if name:
        named["x-request-id"] = name
    if answer.media_type:
        named["content-type"] = answer.media_type
    named.setdefault("content-length", str(len(answer.body)))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _check_origin(web: _Web, place: Placement) -> None:
    host, origin = web.headers.get("host", ""), web.headers.get("origin")
    if sum(name == b"host" for name, _ in web.scope["headers"]) > 1:  # RFC 9112 §3.2
        raise Refusal(400, "the Host header is there twice")
    try:
        name, page = urlsplit(f"//{host}").hostname, urlsplit(origin or "").netloc
    except ValueError as error:  # "[" begins an IPv6 address that never ends
        raise Refusal(400, "the Host or Origin header is malformed") from error
    if name not in place.names:
        others = "" if place.exposed else "a loopback host name"
        raise Refusal(403, f"only requests for {others or place.origin} are answered")
    if origin is not None and page not in {host, place.origin or host}:
        raise Refusal(403, "requests by pages of another origin are not answered")


def _wrong_method(method: str, table: Table) -> Refusal:
    allowed = sorted(table)
    message = f"method {method} is not allowed, but [{','.join(allowed)}] are"
    return Refusal(405, message, headers={"Allow": ", ".join(allowed)})


def _check_media_type(web: _Web, route: Route) -> None:
    given = web.headers.get("content-type", "")
    if route.accepts and given.partition(";")[0].strip().lower() not in route.accepts:
        kinds = " ".join(route.accepts)
        raise Refusal(415, f'unsupported media type "{given}", only [{kinds}] are allowed')


async def _body(web: _Web, limit: int) -> bytes:
    """The body, read no further than ``limit`` bytes."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await web.receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the body breaks off")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise Refusal(413, f"the body has more than {limit} bytes", headers={"Connection": "close"})
        parts.append(part)
    return b"".join(parts)
