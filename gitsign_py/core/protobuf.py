"""The protobuf wire format (protobuf.dev/programming-guides/encoding), as far as log entries and SPIFFE need it.

Reading is strict: known fields only, each with its wire type, in ascending order, singular ones once, varints in
their shortest form. That is what Go's encoder writes; anything else would give one message several spellings.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import FormatError

MAX_INT64 = 2**63 - 1
_VARINT, _LENGTH = 0, 2  # wire types
FieldKind = Literal["int64", "bytes", "message", "repeated"]


@frozen
class Fields:
    """A message's fields by number; ``name`` is the message's, for errors.

    ``hollow`` says that a bytes or string field is there and empty, which an encoder leaves out; for a message it is
    the reader's to say what an empty one means.
    """

    name: str
    ints: Mapping[int, int]
    parts: Mapping[int, Sequence[bytes]]
    hollow: bool = False

    def int64(self, number: int) -> int:
        """An int64, 0 when it is not there."""
        return self.ints.get(number, 0)

    def data(self, number: int) -> bytes:
        """A bytes, string or message field, empty when it is not there."""
        return self.parts.get(number, (b"",))[0]

    def has(self, number: int) -> bool:
        """Whether a bytes, string or message field is there."""
        return number in self.parts

    def repeated(self, number: int) -> tuple[bytes, ...]:
        """All values of a repeated field."""
        return tuple(self.parts.get(number, ()))

    def text(self, number: int) -> str:
        """A string field (proto3: valid UTF-8)."""
        try:
            return self.data(number).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed(self.name, "has a string that is not UTF-8") from error


def read_fields(data: bytes, kinds: Mapping[int, FieldKind], name: str) -> Fields:
    """Split a message into its fields; ``kinds`` lists all that it may have.

    Raises FormatError ``protobuf-malformed``.
    """
    ints: dict[int, int] = {}
    parts: dict[int, list[bytes]] = {}
    at = last = 0
    size, hollow = len(data), False
    while at < size:
        tag = data[at]
        if tag < 0x80:  # one byte, as nearly all are
            at += 1
        else:
            tag, at = _read_varint(data, at, name)
        number, wire = tag >> 3, tag & 7
        kind = kinds.get(number)
        if kind is None:
            raise _malformed(name, f"has the unknown field {number}")
        if wire != (_VARINT if kind == "int64" else _LENGTH):
            raise _malformed(name, f"has field {number} in another wire type")
        if number < last or (number == last and kind != "repeated"):
            raise _malformed(name, f"has field {number} twice or out of order")
        last = number
        value, at = _read_varint(data, at, name)
        if kind == "int64":
            ints[number] = _int64(value, name)
            continue
        if value > size - at:
            raise _malformed(name, "ends early")
        if not value and kind == "bytes":
            hollow = True
        parts.setdefault(number, []).append(data[at : at + value])
        at += value
    return Fields(name, ints, parts, hollow)


def _read_varint(data: bytes, at: int, name: str) -> tuple[int, int]:
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for count in range(10):  # 64 bits, 7 at a time
        if at + count >= len(data):
            raise _malformed(name, "ends early")
        octet = data[at + count]
        value |= (octet & 0x7F) << 7 * count
        if octet < 0x80:
            if (count and not octet) or value >> 64:
                raise _malformed(name, "has a number that is not in its shortest form")
            return value, at + count + 1
    raise _malformed(name, "has a number of more than 64 bits")


def _int64(value: int, name: str) -> int:
    if value > MAX_INT64:  # two's complement: indexes, sizes and times are never negative
        raise _malformed(name, "has a negative number")
    if value == 0:
        raise _malformed(name, "spells out a default value")
    return value


def int64_field(number: int, value: int) -> bytes:
    """Write an int64 (0 to 2**63-1); proto3 leaves 0 out."""
    if not 0 <= value <= MAX_INT64:
        raise FormatError("protobuf-range", f"number {value} does not fit a field of a log entry")
    return _varint(number << 3 | _VARINT) + _varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """Write a bytes or string field; proto3 leaves an empty one out."""
    return message_field(number, value) if value else b""


def message_field(number: int, content: bytes) -> bytes:
    """Write a message field, or one item of a repeated field, even when it is empty."""
    if number < 16 and len(content) < 0x80:  # one byte each, as nearly all are
        return bytes((number << 3 | _LENGTH, len(content))) + content
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _malformed(name: str, why: str) -> FormatError:
    return FormatError("protobuf-malformed", f"{name} {why}")
