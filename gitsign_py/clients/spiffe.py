"""A JWT-SVID from the SPIFFE Workload API: one gRPC call over a Unix socket, spelled out.

The call is FetchJWTSVID of SpiffeWorkloadAPI (spiffe.io, workload.proto): JWTSVIDRequest {1 repeated audience} in,
JWTSVIDResponse {1 repeated JWTSVID {1 spiffe_id, 2 svid, 3 hint}} out. One small unary call needs of HTTP/2 (RFC 9113)
the preface, four frame types and header literals; a gRPC library for it would be larger than this package.
"""

import socket
import time
from collections.abc import Mapping

from gitsign_py.core.protobuf import FieldKind, bytes_field, read_fields
from gitsign_py.errors import ConfigError, FormatError, ServiceError

_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"  # clients.ambient reads it, and loads this module where it is set
TIMEOUT_SECONDS = 5.0
_PATH = b"/SpiffeWorkloadAPI/FetchJWTSVID"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 §3.4
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7  # RFC 9113 §6
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 0x1, 0x1, 0x4, 0x8
_LARGEST_FRAME = 16_384  # RFC 9113 §4.2, the default that we do not raise
_LARGEST_ANSWER = 256 * 1024
_RESPONSE: Mapping[int, FieldKind] = {1: "repeated"}
_SVID: Mapping[int, FieldKind] = {1: "bytes", 2: "bytes", 3: "bytes"}


def fetch_jwt_svid(endpoint: str, audience: str, *, timeout: float = TIMEOUT_SECONDS) -> str:
    """Ask the agent at ``endpoint`` (a path or unix:// URL) for a JWT-SVID with ``audience``: a compact JWS.

    The first identity of the answer counts, as the Workload API says for workloads without a preference. Raises
    ConfigError ``spiffe-endpoint-invalid``, ServiceError ``spiffe-unreachable`` or ``spiffe-refused``.
    """
    path = _socket_path(endpoint)
    if not hasattr(socket, "AF_UNIX"):
        raise _unreachable(path, "this Python has no Unix sockets")
    end = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(_PREFACE + frame(_SETTINGS, 0, 0, b"") + _request(audience))
            body = _answer(connection, end)
    except OSError as error:
        raise _unreachable(path, (error.strerror or str(error)).lower()) from error
    return _first_svid(body)


def _socket_path(endpoint: str) -> str:
    path = endpoint.removeprefix("unix://").removeprefix("unix:")
    if not path.startswith("/"):
        raise ConfigError(
            "spiffe-endpoint-invalid",
            f"{_VARIABLE} is {endpoint}, which is no Unix socket",
            hint="use unix:///path/to/api.sock",
        )
    return path


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Build one HTTP/2 frame (RFC 9113 §4.1): length:24 type:8 flags:8 stream:32."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _request(audience: str) -> bytes:
    headers = b"".join(
        _literal(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", _PATH),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"workload.spiffe.io", b"true"),  # SPIFFE Workload Endpoint §6.1, against forged requests
        )
    )
    message = bytes_field(1, audience.encode())
    body = b"\x00" + len(message).to_bytes(4, "big") + message  # gRPC: not compressed, length:32
    return frame(_HEADERS, _END_HEADERS, 1, headers) + frame(_DATA, _END_STREAM, 1, body)


def _literal(name: bytes, value: bytes) -> bytes:
    """RFC 7541 §6.2.2: a literal that is not indexed, with a new name, no Huffman; all below 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _answer(connection: socket.socket, end: float) -> bytes:
    """Collect the DATA of stream 1 until the stream ends. Raises OSError when the connection or the time does."""
    body = b""
    while time.monotonic() < end:
        header = _exactly(connection, 9)
        length, kind, flags = int.from_bytes(header[:3], "big"), header[3], header[4]
        if length > _LARGEST_FRAME or len(body) > _LARGEST_ANSWER:
            raise OSError("it says more than it may")
        payload = _exactly(connection, length)
        if kind in (_RESET, _GOAWAY):
            raise OSError("it ended the connection")
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            connection.sendall(frame(kind, _ACK, 0, payload if kind == _PING else b""))
        if kind == _DATA:
            body += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return body
    raise TimeoutError("no answer in time")


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise OSError("it closed the connection")
        data += part
    return data


def _first_svid(body: bytes) -> str:
    if not body:  # trailers alone: grpc-status is not 0
        raise _refused("it gives this workload no identity; check its registration entry")
    length = int.from_bytes(body[1:5], "big")
    if body[0] != 0 or length != len(body) - 5:
        raise _refused("its answer is not one plain gRPC message")
    try:
        found = read_fields(body[5:], _RESPONSE, "JWTSVIDResponse").repeated(1)
        svid = read_fields(found[0], _SVID, "JWTSVID").data(2).decode("ascii") if found else ""
    except (FormatError, UnicodeDecodeError) as error:
        raise _refused("its answer holds no JWT-SVID") from error
    if not svid:
        raise _refused("its answer holds no JWT-SVID")
    return svid


def _unreachable(path: str, why: str) -> ServiceError:
    return ServiceError(
        "spiffe-unreachable",
        f"the SPIFFE agent at {path} cannot be reached: {why}",
        hint=f"check that it runs and that {_VARIABLE} names its socket",
        facts={"path": path},
    )


def _refused(why: str) -> ServiceError:
    return ServiceError("spiffe-refused", f"the SPIFFE agent gave no identity token: {why}")
