"""The SPIFFE Workload API by hand: frames as RFC 9113 has them, and servers that misbehave."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.clients.spiffe import fetch_jwt_svid, frame
from gitsign_py.errors import ConfigError, ServiceError
from tests.support.spiffekit import DATA, GOAWAY, HEADERS, PING, RESET, SETTINGS, TRAILERS, agent, grpc, svid


def test_a_token_is_fetched(tmp_path: Path) -> None:
    token = b"e30." + b"x" * 300 + b".c2ln"
    seen: list[bytes] = []
    body = grpc(svid(token))
    answer = (
        frame(SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64"),
        frame(SETTINGS, 1, 0, b""),
        frame(PING, 0, 0, b"12345678"),
        frame(HEADERS, 4, 1, b"\x88"),
        frame(DATA, 0, 1, body[:100]),
        frame(DATA, 8, 1, b"\x03" + body[100:] + b"\x00\x00\x00"),  # padded
        TRAILERS,
    )
    with agent(tmp_path / "s", *answer, seen=seen) as path:
        assert fetch_jwt_svid(f"unix://{path}", "sigstore") == token.decode()
    assert seen[0].startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"workload.spiffe.io\x04true" in seen[0]
    assert b"\x00\x00\x00\x00\x0a\x0a\x08sigstore" in seen[0]
    assert seen[0].endswith(frame(SETTINGS, 1, 0, b"") + frame(PING, 1, 0, b"12345678"))


def test_a_long_audience_is_sent_whole(tmp_path: Path) -> None:
    seen: list[bytes] = []
    with agent(tmp_path / "s", frame(DATA, 1, 1, grpc(svid(b"t"))), seen=seen) as path:
        assert fetch_jwt_svid(path, "a" * 200) == "t"
    assert b"\x0a\xc8\x01" + b"a" * 200 in seen[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (TRAILERS, "gives this workload no identity"),
        (frame(DATA, 1, 1, grpc(svid(b"t"), flag=1)), "not one plain gRPC message"),
        (frame(DATA, 1, 1, grpc(svid(b"t")) + b"x"), "not one plain gRPC message"),
        (frame(DATA, 1, 1, grpc(b"")), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(b"\x0a\x7fabc")), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(b"\x08\x01")), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(b"\xff" * 8)), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(svid(b"\xff\xfe"))), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(b"\x0a\x02\x12\x00")), "holds no JWT-SVID"),
        (frame(DATA, 1, 1, grpc(b"\x0a\x06\x12\x01a\x12\x01b")), "holds no JWT-SVID"),  # the token twice
        (frame(DATA, 1, 1, grpc(b"\x0a\x84\x00\x12\x02ab")), "holds no JWT-SVID"),  # a length of two spellings
    ],
)
def test_answers_without_a_token_are_refused(tmp_path: Path, answer: bytes, words: str) -> None:
    with agent(tmp_path / "s", answer) as path, pytest.raises(ServiceError) as caught:
        fetch_jwt_svid(path, "sigstore")
    assert caught.value.reason == "spiffe-refused"
    assert words in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        frame(RESET, 0, 1, bytes(4)),
        frame(GOAWAY, 0, 0, bytes(8)),
        (16_385).to_bytes(3, "big") + bytes(6),
        frame(DATA, 0, 1, bytes(16_384)) * 20,
    ],
)
def test_servers_that_break_off_or_say_too_much_are_given_up(tmp_path: Path, answer: bytes) -> None:
    with agent(tmp_path / "s", answer) as path, pytest.raises(ServiceError) as caught:
        fetch_jwt_svid(path, "sigstore", timeout=1)
    assert caught.value.reason == "spiffe-unreachable"


def test_a_server_that_only_pings_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        thread = threading.Thread(target=_ping_for_ever, args=(listening.accept,))
        thread.start()
        with pytest.raises(ServiceError):
            fetch_jwt_svid(str(tmp_path / "s"), "sigstore", timeout=0.3)
        thread.join(5)


def _ping_for_ever(accept: Callable[[], tuple[socket.socket, object]]) -> None:
    connection, _ = accept()
    with connection:
        try:
            while True:
                connection.sendall(frame(PING, 0, 0, bytes(8)))
                connection.recv(65536)
        except OSError:
            return


def test_no_agent_is_named_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        fetch_jwt_svid(str(tmp_path / "none"), "sigstore")
    assert caught.value.reason == "spiffe-unreachable"
    assert str(tmp_path / "none") in caught.value.message


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "relative/path", ""])
def test_only_unix_sockets_are_taken(endpoint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch_jwt_svid(endpoint, "sigstore")
    assert caught.value.reason == "spiffe-endpoint-invalid"
