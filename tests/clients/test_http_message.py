"""HTTP/1.1 messages of our own (RFC 9112): what is read, and what is refused since its length is not clear."""

from collections.abc import Iterable

import pytest

from gitsign_py.clients.http.message import (
    MAX_HEADERS,
    MAX_LINE,
    Incoming,
    has_length,
    read_body,
    read_head,
    request_bytes,
)
from gitsign_py.clients.http.request import BrokenAnswer, UnusableHeader


def incoming(*pieces: bytes) -> Incoming:
    left = iter(pieces)
    return Incoming(lambda _most: next(left, b""))


def whole(data: bytes, *, method: str = "GET", most: int = 1000, step: int = 0) -> tuple[int, bytes | None, bool]:
    pieces: Iterable[bytes] = (data[at : at + step] for at in range(0, len(data), step)) if step else [data]
    stream = incoming(*pieces)
    status, headers, kept = read_head(stream)
    body = read_body(stream, method, status, headers, most)
    return status, body, kept and has_length(method, status, headers)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", (200, b"hello", True)),
        (OK + b"content-length: 5, 5\r\n\r\nhello", (200, b"hello", True)),
        (OK + b"Content-Length: 5\r\nConnection: Close\r\n\r\nhello", (200, b"hello", False)),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n", (200, b"hello", True)),
        (OK + b"\r\nuntil the end", (200, b"until the end", False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi", False)),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi", True)),
        (b"HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n", (204, b"", True)),
        (b"HTTP/1.1 304\r\n\r\n", (304, b"", True)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + b"\r\n", (200, b"", False)),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", (200, b"hi", True)),
    ],
)
def test_an_answer_is_read_as_long_as_it_says(data: bytes, expected: tuple[int, bytes, bool], step: int) -> None:
    assert whole(data, step=step) == expected


def test_a_head_answer_has_no_body() -> None:
    assert whole(OK + b"Content-Length: 5\r\n\r\n", method="HEAD") == (200, b"", True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40 + OK + b"\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b": no name\r\n\r\n",
        OK + b"Space : x\r\n\r\n",
        OK + b" folded first\r\n\r\n",
        OK + b"X: y\r\n",
        OK + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        OK + b"X: " + b"y" * (MAX_LINE + 70000) + b"\r\n\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: +5\r\n\r\nhello",
        OK + b"Content-Length: 5, 6\r\n\r\nhello!",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: \r\n\r\n",
        OK + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\nhi",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
    ],
)
def test_what_is_not_whole_or_not_clear_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        whole(data)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 1001\r\n\r\n",
        OK + b"Content-Length: 999999999999999\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        OK + b"\r\n" + b"x" * 1001,
    ],
)
def test_a_body_beyond_the_limit_is_not_read(data: bytes) -> None:
    assert whole(data)[1] is None


def test_a_folded_header_is_one_and_repeated_ones_are_joined() -> None:
    stream = incoming(OK + b"A: one\r\n  two\r\nB: x\r\nb: y\r\n\r\n")
    assert read_head(stream)[1] == {"a": "one two", "b": "x, y"}


def test_what_follows_an_answer_is_not_idle() -> None:
    stream = incoming(OK + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n")
    status, headers, _ = read_head(stream)
    assert read_body(stream, "GET", status, headers, 10) == b"hi"
    assert not stream.idle


def test_a_request_is_written_in_full() -> None:
    made = request_bytes("POST", "/a?b", [("Host", "h"), ("X", "")], b"body")
    assert made == b"POST /a?b HTTP/1.1\r\nHost: h\r\nX: \r\n\r\nbody"


@pytest.mark.parametrize(
    ("name", "value"),
    [("X", "a\r\nb"), ("X", "a\n"), ("X", " a"), ("X", "a\0"), ("X", "\u0142"), ("", "a"), ("X Y", "a"), ("X:", "a")],
)
def test_a_header_that_none_may_have_is_not_written(name: str, value: str) -> None:
    with pytest.raises(UnusableHeader):
        request_bytes("GET", "/", [(name, value)], None)
