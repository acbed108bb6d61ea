"""A SPIFFE agent by hand: frames as RFC 9113 has them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitsign_py.clients.spiffe import frame
from tests.support.waiting import SECONDS

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
TRAILERS = frame(HEADERS, 0x5, 1, b"")
"""END_STREAM and END_HEADERS; what the headers say is not read."""


def grpc(message: bytes, *, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def svid(token: bytes) -> bytes:
    inner = b"\x0a\x08spiffe:/" + b"\x12" + varint(len(token)) + token
    return b"\x0a" + varint(len(inner)) + inner


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


@contextmanager
def agent(path: Path, *answer: bytes, seen: list[bytes] | None = None) -> Iterator[str]:
    """Answer one connection with these bytes after the request has come in."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                data = b""
                while b"\x00\x01\x00\x00\x00\x01" not in data:  # the DATA frame's header: type 0, END_STREAM, stream 1
                    part = connection.recv(65536)
                    assert part, "the client left"
                    data += part
                with suppress(OSError):  # the client hangs up on what it does not like
                    connection.sendall(b"".join(answer))
                    connection.shutdown(socket.SHUT_WR)
                    while part := connection.recv(65536):
                        data += part
                if seen is not None:
                    seen.append(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path)
        thread.join(SECONDS)
