"""Attack: clients that send half a request, nothing at all, or junk, and those that never read, hold no server."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from gitsign_py.localstack import connections, process
from gitsign_py.localstack.connections import HTTPTOOLS, Rarely, open_files_allow, protocol
from gitsign_py.localstack.placement import Limits, Placement
from gitsign_py.localstack.service import Response, Route, Service, plain_errors
from gitsign_py.localstack.stack import Stack
from tests.support.waiting import wait_until

LARGE = 64 << 20
HALF = b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"
HALF += b"Content-Type: application/x-www-form-urlencoded\r\n"
SHAPES = {"nothing": b"", "half a header": HALF[:40], "no end": HALF, "half a body": HALF + b"\r\ngrant_type="}


READERS = [
    pytest.param(False, id="h11"),
    pytest.param(True, id="httptools", marks=pytest.mark.skipif(not HTTPTOOLS, reason="needs httptools")),
]


@pytest.fixture(params=READERS)
def small(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setattr(connections, "protocol", partial(protocol, httptools=request.param))
    route = Route("GET", "/large", lambda _: Response(200, bytes(LARGE)))
    place = Placement(limits=Limits(connections=20, request_seconds=2.0, idle_seconds=1))
    with Stack(tmp_path / "s", 0, place=place, further=(Service("large", (route,), plain_errors),)) as stack:
        yield stack


def connect(stack: Stack, first: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", stack.port), 20)
    client.sendall(first)
    return client


@pytest.mark.parametrize("shape", SHAPES)
def test_many_more_of_them_than_places_leave_room_for_others(
    small: Stack, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as held:
        for _ in range(60):
            held.enter_context(connect(small, SHAPES[shape]))
            assert process.answers(small.info, 20)
    assert len(caplog.records) < 20


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_them_ends_in_time(small: Stack, shape: str) -> None:
    """Also one that goes on sending, a byte now and then: the whole request has the time, not each byte."""
    with connect(small, SHAPES[shape]) as client:
        client.settimeout(0.2)
        for _ in range(100):
            try:
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                client.sendall(b"x" if shape == "half a body" else b"")
            except ConnectionError:
                return
    raise AssertionError("it is still connected")


def test_an_idle_connection_ends(small: Stack) -> None:
    with connect(small, b"GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as client:
        received = b""
        while part := client.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 200")


def test_a_client_that_never_reads_ends(small: Stack) -> None:
    """The answer is larger than all buffers on its way; what is read late has no end."""
    with connect(small, b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as client:
        assert client.recv(1)
        wait_until(lambda: not small._server.server_state.connections)
        received = 0
        with suppress(ConnectionError):
            while part := client.recv(1 << 20):
                received += len(part)
    assert received < LARGE


ENDLESS = {
    "a header's value": HALF + b"X: ",
    "headers": HALF,
    "a path": b"GET /",
    "trailers": HALF.replace(b"Content-Length: 900", b"Transfer-Encoding: chunked") + b"\r\n1\r\nx\r\n0\r\n",
    "the length of a chunk": HALF.replace(b"Content-Length: 900", b"Transfer-Encoding: chunked") + b"\r\n1;x=",
}


@pytest.mark.parametrize("shape", ENDLESS)
def test_a_head_without_an_end_is_not_kept(small: Stack, shape: str) -> None:
    """However quickly it comes: 64 KiB are kept, and what the buffers on its way hold."""
    part = b"X: y\r\n" * 10_000 if shape in {"headers", "trailers"} else b"a" * 60_000
    sent = 0
    with connect(small, ENDLESS[shape]) as client, suppress(ConnectionError):
        while sent < LARGE:
            client.sendall(part)
            sent += len(part)
    assert sent < LARGE


def test_a_request_that_comes_before_the_answer_of_the_last_is_answered_too(small: Stack) -> None:
    with connect(small, b"GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3) as client:
        received = b""
        while part := client.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 200") == 3


def test_junk_writes_few_lines(small: Stack, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        with connect(small, b"\x16\x03\x01 no HTTP at all\r\n\r\n") as client:
            client.recv(100)
    assert len(caplog.records) <= 10


def test_a_message_that_comes_again_is_counted() -> None:
    now = [0.0]
    rarely = Rarely(2, 60.0, lambda: now[0])
    record = logging.makeLogRecord({"msg": "invalid request"})
    assert [rarely.filter(record) for _ in range(5)] == [True, True, False, False, False]
    now[0] = 61.0
    assert rarely.filter(record)
    assert record.getMessage() == "invalid request (and 3 times more before)"


def test_places_are_no_more_than_descriptors() -> None:
    assert open_files_allow(1) in {1, 16}
    assert open_files_allow(1 << 40) < 1 << 40
