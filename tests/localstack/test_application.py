"""The ASGI application by itself: who shares a thread and a transaction, and what requests that break off become."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.faults import Faults
from gitsign_py.localstack.http import application
from gitsign_py.localstack.service import Request, Response, Route, Service, plain_errors

HEADERS = [(b"host", b"127.0.0.1"), (b"x-twice", b"first"), (b"x-twice", b"second")]


class Slow(Hook):
    """One of somebody's own, which may wait."""


class Place:
    """An application of one route, and what came to its handler."""

    def __init__(self, hook: Hook, *, full: bool = False) -> None:
        self.together, self.full = 0, full
        self.seen: list[Request] = []
        route = Route("POST", "/entries", self._handle, lane="writing")
        self._app = application([Service("log", (route,), plain_errors)], hook, writing=self._around)

    @contextmanager
    def _around(self) -> Iterator[None]:
        self.together += 1
        yield
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")

    def _handle(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(201, b"{}")

    def ask(self, *parts: bytes, path: str = "/entries", query: bytes = b"", ends: bool = True) -> tuple[int, bytes]:
        """Status and body of the answer; ``ends``: the client sends all that it announced."""
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages.append({"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"})
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": HEADERS}
        asyncio.run(self._app(scope, receive, send))
        start, body = sent
        assert dict(start["headers"])[b"content-length"] == b"%d" % len(body["body"])
        return start["status"], body["body"]


@pytest.mark.parametrize(
    ("hook", "size", "together"),
    [
        (Hook(), 1 << 16, 1),
        (Hook(), (1 << 16) + 1, 0),  # nobody waits behind one that takes long to read
        (Faults(), 1, 1),
        (Faults(["tsa:slow"]), 1, 0),  # nor behind a fault that waits
        (Slow(), 1, 0),
    ],
)
def test_what_is_short_and_does_nothing_else_shares_a_transaction(hook: Hook, size: int, together: int) -> None:
    place = Place(hook)
    assert place.ask(bytes(size)) == (201, b"{}")
    assert (place.together, len(place.seen[0].body)) == (together, size)


def test_a_transaction_that_does_not_reach_the_disk_is_no_success() -> None:
    status, body = Place(Hook(), full=True).ask(b"{}")
    assert status == 503
    assert "database or disk is full" in json.loads(body)["message"]


def test_a_request_comes_whole_or_not_at_all() -> None:
    place = Place(Hook())
    assert place.ask(b"a", b"b", b"", b"c", query=b"q=1&q=2&empty=")[0] == 201
    (request,) = place.seen
    assert (request.body, request.query, request.headers["x-twice"]) == (b"abc", {"q": "2", "empty": ""}, "first")
    assert place.ask(b"a", ends=False)[0] == 400
    assert place.seen == [request]


def test_a_path_of_nobody_is_404() -> None:
    status, body = Place(Hook()).ask(path="/other")
    assert (status, json.loads(body)) == (404, {"code": 404, "message": "path /other was not found"})
