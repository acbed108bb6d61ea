"""Strict text and binary encodings: one spelling for each value, everything else is refused.

Python is lenient where signatures must not be: ``base64.b64decode`` skips foreign characters and ignores stray bits,
``int`` takes ``1_0`` and `` 7 ``. Everything decoded here encodes back to the same text.
"""

import base64
import binascii
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError

_HEX = pattern(r"(?:[0-9a-f]{2})*\Z")
_DECIMAL = pattern(r"(?:0|[1-9][0-9]{0,19})\Z")
_RFC3339 = pattern(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
_PEM_LINE = pattern(rb".{1,64}")
JSON_DEPTH_LIMIT = 64
JSON_PARTS_LIMIT = 400_000
"""Commas and brackets: counting is cheap, making an object of each is not. The largest SBOM statements have fewer."""


def b64_decode(text: str | bytes) -> bytes:
    """Decode standard base64 with padding (RFC 4648 §4), canonical spelling only.

    Raises FormatError ``base64-invalid`` for other characters, white space, missing padding or stray bits.
    """
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    try:
        data = binascii.a2b_base64(raw)  # skips foreign characters: the comparison finds them
    except binascii.Error as error:
        raise FormatError("base64-invalid", "not valid base64") from error
    # RFC 4648 §3.5: stray bits would give one value two spellings.
    if binascii.b2a_base64(data, newline=False) != raw:
        raise FormatError("base64-invalid", "base64 is not in its canonical form")
    return data


def b64_encode(data: bytes) -> str:
    """Encode bytes as standard base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def hex_decode(text: str, *, length: int | None = None) -> bytes:
    """Decode lower-case hex; ``length`` is the number of bytes expected. Raises FormatError ``hex-invalid``."""
    if not _HEX.match(text):
        raise FormatError("hex-invalid", "not lower-case hex of whole bytes")
    data = bytes.fromhex(text)
    if length is not None and len(data) != length:
        raise FormatError("hex-invalid", f"hex has {len(data)} bytes, expected {length}")
    return data


def decimal_decode(text: str, *, maximum: int = 2**63 - 1) -> int:
    """Decode an ASCII decimal without sign or leading zeros, at most ``maximum``. Raises ``decimal-invalid``."""
    if not _DECIMAL.match(text):
        raise FormatError("decimal-invalid", "not a plain decimal number")
    value = int(text)
    if value > maximum:
        raise FormatError("decimal-invalid", f"number is above {maximum}")
    return value


class ByteReader:
    """Reads the presentation language of TLS (RFC 8446 §3): big-endian integers and length-prefixed vectors."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def remaining(self) -> int:
        """Number of bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Take ``count`` bytes. Raises FormatError ``vector-truncated``."""
        if count < 0 or count > self.remaining:
            raise FormatError("vector-truncated", f"structure ends early: {count} bytes wanted, {self.remaining} left")
        part = self._data[self._at : self._at + count]
        self._at += count
        return part

    def uint(self, width: int) -> int:
        """Take an unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "big")

    def opaque(self, length_width: int) -> bytes:
        """Take ``opaque<0..2^(8*length_width)-1>``."""
        return self.take(self.uint(length_width))

    def finish(self) -> None:
        """Refuse bytes after the end. Raises FormatError ``vector-trailing``."""
        if self.remaining:
            raise FormatError("vector-trailing", f"{self.remaining} bytes after the end of the structure")


def opaque(data: bytes, length_width: int) -> bytes:
    """Encode ``opaque<0..2^(8*length_width)-1>`` (RFC 8446 §3.4). Raises FormatError ``vector-too-long``."""
    if len(data) >= 1 << (8 * length_width):
        raise FormatError("vector-too-long", f"{len(data)} bytes do not fit a {length_width}-byte length")
    return len(data).to_bytes(length_width, "big") + data


def parse_rfc3339(text: str) -> datetime:
    """Parse an RFC 3339 date-time into an aware UTC datetime; digits past microseconds are cut. ``time-invalid``."""
    match = _RFC3339.match(text)
    if not match:
        raise FormatError("time-invalid", "not an RFC 3339 time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micro = int((match[7] or "").ljust(9, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, second, micro, UTC) - _offset(match[8])
    except (ValueError, OverflowError) as error:
        raise FormatError("time-invalid", "not a time of the calendar") from error


def _offset(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError("offset out of range")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def format_rfc3339(time: datetime) -> str:
    """Format an aware datetime as RFC 3339 in UTC with ``Z``; fractions only when they are not zero."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    text = utc.isoformat()[: -len("+00:00")]
    return f"{text.rstrip('0') if utc.microsecond else text}Z"


def pem_decode(text: bytes, label: str) -> tuple[bytes, ...]:
    """Decode every PEM block of ``label`` (RFC 7468); other blocks and text between blocks are passed over.

    Raises FormatError ``pem-invalid`` when a block does not end or its base64 is wrong, or when there is none.
    """
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    lines = [line.strip(b" \t\r") for line in text.split(b"\n")]
    blocks: list[bytes] = []
    block: list[bytes] | None = None  # the lines of the block that is open
    for line in lines:
        if block is None:
            block = [] if line == begin else None
        elif line == end:
            blocks.append(b64_decode(b"".join(block)))
            block = None
        else:
            block.append(line)
    if block is not None:
        raise FormatError("pem-invalid", f"PEM block {label} has no END line")
    if not blocks:
        raise FormatError("pem-invalid", f"no PEM block {label} found")
    return tuple(blocks)


def pem_encode(der: bytes, label: str) -> bytes:
    """Encode one PEM block: 64 columns, LF, newline at the end (RFC 7468 §2)."""
    lines = _PEM_LINE.findall(base64.b64encode(der))
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def load_json(data: bytes, *, max_bytes: int, max_depth: int = JSON_DEPTH_LIMIT) -> Any:
    """Parse JSON (RFC 8259) strictly: UTF-8, no duplicate names, no NaN, at most ``max_bytes`` and ``max_depth``.

    At most 400,000 parts are read. Raises FormatError ``json-too-large``, ``json-too-deep`` or ``json-invalid``.
    """
    if len(data) > max_bytes:
        raise FormatError("json-too-large", f"JSON has {len(data)} bytes, at most {max_bytes} are read")
    if sum(data.count(token) for token in (b",", b"[", b"{")) > JSON_PARTS_LIMIT:
        raise FormatError("json-too-large", f"JSON has more than {JSON_PARTS_LIMIT} parts")
    _check_depth(data, max_depth)
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError("json-invalid", "not valid JSON") from error


def _check_depth(data: bytes, max_depth: int) -> None:
    """Bound the nesting before the recursive parser sees it; brackets inside strings count too only when many."""
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    # Possessive, and with or without its end: what a string holds is never looked at again. One that is not closed
    # would be read once for each quotation mark in it.
    for match in re.finditer(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', data, re.DOTALL):
        token = match.group()
        if token in b"[{":
            depth += 1
            if depth > max_depth:
                raise FormatError("json-too-deep", f"JSON is nested deeper than {max_depth}")
        elif token in b"]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FormatError("json-invalid", "JSON object has a name twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise FormatError("json-invalid", f"JSON may not hold {name}")
