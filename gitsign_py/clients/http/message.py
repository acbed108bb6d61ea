"""HTTP/1.1 messages (RFC 9112): a request as bytes, an answer read from a connection, strictly and within bounds.

git starts the program for each signature, and the standard library's ``http.client`` loads a parser of e-mails, which
costs more than everything else on the way to Fulcio (docs/adr/0009-own-http-messages.md). An answer whose length is
not clear beyond doubt is refused (RFC 9112 §6.3): what follows it would be taken for the next one.
"""

from gitsign_py.clients.http.request import BrokenAnswer, UnusableHeader

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_LINE = 64 * 1024
MAX_HEADERS = 100
_INTERIM = 16  # answers 1xx before the one that counts
_PIECE = 64 * 1024
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")  # RFC 9110 §5.6.2
_HEX = frozenset(b"0123456789abcdefABCDEF")


def request_bytes(method: str, target: str, headers: "Iterable[tuple[str, str]]", body: bytes | None) -> bytes:
    """Write a request. ``target`` is ASCII without white space. Raises UnusableHeader."""
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers:
        if not name or not _TOKEN.issuperset(name) or not _is_field_value(value):
            raise UnusableHeader(name)
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _is_field_value(value: str) -> bool:
    """RFC 9110 §5.5: visible characters, and white space between them."""
    return value == value.strip() and all(sign == "\t" or (" " <= sign <= "\xff" and sign != "\x7f") for sign in value)


class Incoming:
    """Bytes of one connection; ``receive`` gives the next ones, none at its end. Its errors pass through."""

    def __init__(self, receive: "Callable[[int], bytes]") -> None:
        self._receive = receive
        self._buffer = bytearray()

    @property
    def idle(self) -> bool:
        """Whether nothing has come that was not asked for."""
        return not self._buffer

    def line(self) -> bytes:
        """One line without its end. RFC 9112 §2.2 lets a single LF end it too. Raises BrokenAnswer."""
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > MAX_LINE or not self._more():
                raise BrokenAnswer("a line does not end")
        if end > MAX_LINE:
            raise BrokenAnswer("a line is too long")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def exactly(self, count: int) -> bytes:
        """So many bytes. Raises BrokenAnswer."""
        while len(self._buffer) < count:
            if not self._more():
                raise BrokenAnswer("the body ends early")
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def some(self) -> bytes:
        """The bytes that are there, none at the end."""
        if not self._buffer:
            self._more()
        piece = bytes(self._buffer)
        self._buffer.clear()
        return piece

    def _more(self) -> bool:
        piece = self._receive(_PIECE)
        self._buffer += piece
        return bool(piece)


def read_head(incoming: Incoming) -> "tuple[int, Mapping[str, str], bool]":
    """Read status, headers (lower-case names, repeated ones joined by commas) and whether the connection may be kept.

    Raises BrokenAnswer.
    """
    for _ in range(_INTERIM):
        version, status = _status(incoming.line())
        headers = _headers(incoming)
        if status >= 200:
            options = {word.strip().lower() for word in headers.get("connection", "").split(",")}
            kept = "close" not in options if version == b"HTTP/1.1" else "keep-alive" in options
            return status, headers, kept
        if status == 101:  # RFC 9110 §15.2.2, which nobody asked for
            break
    raise BrokenAnswer("no answer follows the interim ones")


def _status(line: bytes) -> tuple[bytes, int]:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or code < b"100" or rest[3:4] not in (b"", b" "):
        raise BrokenAnswer("no HTTP/1.1 answer")
    return version, int(code)


def _headers(incoming: Incoming) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for _ in range(MAX_HEADERS):
        line = incoming.line().decode("latin-1")
        if not line:
            return found
        if line[0] in " \t" and last:  # RFC 9112 §5.2, a folded line
            found[last] += f" {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise BrokenAnswer("a header is none")
        last = name.lower()
        found[last] = f"{found[last]}, {value.strip()}" if last in found else value.strip()
    raise BrokenAnswer("more headers than are read")


def read_body(incoming: Incoming, method: str, status: int, headers: "Mapping[str, str]", most: int) -> bytes | None:
    """Read the body, as long as RFC 9112 §6.3 says; None when it has more than ``most`` bytes. Raises BrokenAnswer."""
    if method == "HEAD" or status in (204, 304):
        return b""
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or "content-length" in headers:
            raise BrokenAnswer("the length of the body is not clear")
        return _chunks(incoming, most)
    if "content-length" in headers:
        length = _length(headers["content-length"])
        return None if length > most else incoming.exactly(length)
    return _until_close(incoming, most)


def has_length(method: str, status: int, headers: "Mapping[str, str]") -> bool:
    """Whether the body ends without the connection ending."""
    return method == "HEAD" or status in (204, 304) or "content-length" in headers or "transfer-encoding" in headers


def _length(text: str) -> int:
    """RFC 9110 §8.6: digits; the same ones again, with commas, are taken for one."""
    values = {part.strip() for part in text.split(",")}
    value = values.pop()
    if values or not value.isascii() or not value.isdigit() or len(value) > 18:
        raise BrokenAnswer("the length of the body is not clear")
    return int(value)


def _chunks(incoming: Incoming, most: int) -> bytes | None:
    """RFC 9112 §7.1. Extensions and trailers are read past."""
    parts: list[bytes] = []
    size = 0
    while count := _chunk_size(incoming.line()):
        size += count
        if size > most:
            return None
        parts.append(incoming.exactly(count))
        if incoming.line():
            raise BrokenAnswer("a chunk does not end where it says")
    _headers(incoming)
    return b"".join(parts)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not 0 < len(digits) <= 16 or not _HEX.issuperset(digits):
        raise BrokenAnswer("a chunk has no size")
    return int(digits, 16)


def _until_close(incoming: Incoming, most: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while piece := incoming.some():
        size += len(piece)
        if size > most:
            return None
        parts.append(piece)
    return b"".join(parts)
