"""DER, strictly (X.690 §8, §10, §11): one encoding for each value, nothing after the end.

Written here because the project stands or falls with exactness at this place: asn1crypto and OpenSSL accept BER where
a signature must have one spelling only. Low tag numbers only (no structure that we read has others).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from gitsign_py.errors import FormatError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, IA5_STRING = 0x0C, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
_NAMED_BITS = 64  # X.509 and RFC 3161 name 26 at most, and a set of millions takes the memory of all
_TEXT_CODECS = {UTF8_STRING: "utf-8", PRINTABLE_STRING: "ascii", IA5_STRING: "ascii"}
_TAG_NAMES = {
    INTEGER: "INTEGER",
    OCTET_STRING: "OCTET STRING",
    OID: "OBJECT IDENTIFIER",
    SEQUENCE: "SEQUENCE",
    SET: "SET",
}


class Element(NamedTuple):
    """One tag-length-value: ``tag`` the identifier octet, ``content`` the value, ``raw`` all of its bytes.

    A named tuple, since an audit makes 150 of them for each signature: five times cheaper than a frozen dataclass.
    """

    tag: int
    content: bytes
    raw: bytes

    def children(self) -> tuple["Element", ...]:
        """The elements inside a constructed one."""
        content = self.content
        size, at = len(content), 0
        found: list[Element] = []
        while at < size:
            found.append(element := element_at(content, at))
            at += len(element[2])
        return tuple(found)


_new = tuple.__new__  # what Element(...) calls in the end, without the two calls on the way


class Reader:
    """Reads one element after the other from the content of a constructed element."""

    def __init__(self, content: bytes) -> None:
        self._data = content
        self._at = 0

    def peek(self) -> int | None:
        """Identifier octet of the next element, None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def next(self, tag: int | None = None) -> Element:
        """Take the next element, which must have ``tag`` if one is given. Raises FormatError ``der-...``."""
        data, at = self._data, self._at
        if at >= len(data):
            raise FormatError("der-truncated", f"DER ends where {_name(tag)} was expected")
        if tag is not None and data[at] != tag:
            raise FormatError("der-unexpected-tag", f"expected {_name(tag)} in DER, got {_name(data[at])}")
        element = element_at(data, at)
        self._at = at + len(element[2])
        return element

    def optional(self, tag: int) -> Element | None:
        """Take the next element if it has ``tag``."""
        return self.next(tag) if self.peek() == tag else None

    def done(self) -> None:
        """Refuse elements after the last one expected. Raises FormatError ``der-trailing``."""
        if self._at != len(self._data):
            raise FormatError(
                "der-trailing", f"{len(self._data) - self._at} bytes of DER after the last expected field"
            )


def _name(tag: int | None) -> str:
    return "an element" if tag is None else _TAG_NAMES.get(tag, f"tag 0x{tag:02x}")


def element_at(data: bytes, at: int) -> Element:
    """The element that begins at ``at``. Raises FormatError ``der-...``."""
    tag = data[at]
    if tag & 0x1F == 0x1F:
        raise FormatError("der-high-tag", "DER tag number above 30")
    try:
        length = data[at + 1]
    except IndexError:
        raise FormatError("der-truncated", "DER ends before a length") from None
    start = at + 2
    if length >= 0x80:  # most elements are shorter, and need no further call
        length, start = _long_length(data, at + 1)
    end = start + length
    if end > len(data):
        raise FormatError("der-truncated", f"DER element of {length} bytes, {len(data) - start} are there")
    return _new(Element, (tag, data[start:end], data[at:end]))


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Definite, shortest form (X.690 §10.1) of 128 and more. Gives the length and where the content starts."""
    count = data[at] & 0x7F
    if not 1 <= count <= 4:
        raise FormatError("der-length", "DER length is indefinite or above 4 bytes")
    octets = data[at + 1 : at + 1 + count]
    length = int.from_bytes(octets, "big")
    if len(octets) < count or octets[0] == 0 or length < 0x80:
        raise FormatError("der-length", "DER length is not in its shortest form")
    return length, at + 1 + count


def parse(data: bytes, tag: int | None = None) -> Element:
    """Parse exactly one element that fills ``data``. Raises FormatError ``der-...``."""
    fits = data and (tag is None or data[0] == tag)
    element = element_at(data, 0) if fits else Reader(data).next(tag)  # the reader says what does not fit
    if len(element[2]) != len(data):
        raise FormatError("der-trailing", f"{len(data) - len(element[2])} bytes of DER after the last expected field")
    return element


def inside(element: Element, tag: int = SEQUENCE) -> Reader:
    """Read what is in an element, which must have ``tag``. Raises FormatError ``der-unexpected-tag``."""
    return Reader(_expect(element, tag))


def _expect(element: Element, tag: int) -> bytes:
    if element.tag != tag:
        raise FormatError("der-unexpected-tag", f"expected {_name(tag)} in DER, got {_name(element.tag)}")
    return element.content


def read_integer(element: Element) -> int:
    """INTEGER in the fewest octets (X.690 §8.3.2)."""
    content = _expect(element, INTEGER)
    if not content or (len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) & 0x80 == 0):
        raise FormatError("der-integer", "DER INTEGER is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def read_boolean(element: Element) -> bool:
    """BOOLEAN 0x00 or 0xFF (X.690 §11.1)."""
    content = _expect(element, BOOLEAN)
    if content not in (b"\x00", b"\xff"):
        raise FormatError("der-boolean", "DER BOOLEAN is neither 00 nor FF")
    return content == b"\xff"


def read_octet_string(element: Element) -> bytes:
    """OCTET STRING, primitive (X.690 §10.2)."""
    return _expect(element, OCTET_STRING)


def read_bit_string(element: Element) -> bytes:
    """BIT STRING of whole octets: keys and signatures (X.690 §8.6)."""
    content = _expect(element, BIT_STRING)
    if not content or content[0] != 0:
        raise FormatError("der-bit-string", "DER BIT STRING is not of whole octets")
    return content[1:]


def read_named_bits(element: Element) -> frozenset[int]:
    """BIT STRING with named bits, numbers of the bits set; no trailing zero bits (X.690 §11.2.2)."""
    content = _expect(element, BIT_STRING)
    if len(content) > _NAMED_BITS // 8 + 1:
        raise FormatError("der-bit-string", f"DER BIT STRING has more than {_NAMED_BITS} named bits")
    unused = content[0] if content else 8
    if unused > 7 or (len(content) == 1 and unused) or (len(content) > 1 and not content[-1] >> unused & 1):
        raise FormatError("der-bit-string", "DER named bits are not in their shortest form")
    if content[-1] & ((1 << unused) - 1) and len(content) > 1:
        raise FormatError("der-bit-string", "DER unused bits are not zero")
    bits = "".join(f"{octet:08b}" for octet in content[1:])
    return frozenset(number for number, bit in enumerate(bits) if bit == "1")


def read_oid(element: Element) -> str:
    """OBJECT IDENTIFIER as dotted string (X.690 §8.19)."""
    return _dotted(_expect(element, OID))


@lru_cache(maxsize=512)
def _dotted(content: bytes) -> str:
    """Remembered: an audit meets the same few identifiers tens of thousands of times."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise FormatError("der-oid", "DER OBJECT IDENTIFIER is cut off or too long")
    arcs: list[int] = []
    value, start = 0, True
    for octet in content:
        if start and octet == 0x80:
            raise FormatError("der-oid", "DER OBJECT IDENTIFIER has a padded arc")
        value, start = value << 7 | octet & 0x7F, not octet & 0x80
        if start:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def read_text(element: Element) -> str:
    """UTF8String, PrintableString or IA5String."""
    codec = _TEXT_CODECS.get(element.tag)
    if codec is None:
        raise FormatError("der-unexpected-tag", f"expected a text in DER, got {_name(element.tag)}")
    try:
        return element.content.decode(codec)
    except UnicodeDecodeError as error:
        raise FormatError("der-text", "DER text is not valid in its encoding") from error


def read_null(element: Element) -> None:
    """NULL without content (X.690 §8.8)."""
    if _expect(element, NULL):
        raise FormatError("der-null", "DER NULL is not empty")


def read_time(element: Element) -> datetime:
    """UTCTime or GeneralizedTime in UTC, seconds given (RFC 5280 §4.1.2.5); fractions as X.690 §11.7 allows."""
    if element.tag not in (UTC_TIME, GENERALIZED_TIME):
        raise FormatError("der-unexpected-tag", f"expected a time in DER, got {_name(element.tag)}")
    text = element.content.decode("ascii", "replace")
    century = ""
    if element.tag == UTC_TIME:
        century = "20" if text[:2] < "50" else "19"
    whole, point, fraction = (century + text).removesuffix("Z").partition(".")
    wrong_fraction = point and (element.tag == UTC_TIME or not 1 <= len(fraction) <= 9 or fraction[-1] == "0")
    if not text.endswith("Z") or len(whole) != 14 or wrong_fraction or not (whole + fraction).isascii():
        raise FormatError("der-time", "DER time is not in its canonical UTC form")
    return _calendar(whole, fraction)


def _calendar(whole: str, fraction: str) -> datetime:
    if not (whole + fraction).isdecimal():
        raise FormatError("der-time", "DER time has other characters than digits")
    year, month, day = int(whole[:4]), int(whole[4:6]), int(whole[6:8])
    hour, minute, second = int(whole[8:10]), int(whole[10:12]), int(whole[12:])
    try:
        return datetime(year, month, day, hour, minute, second, int(fraction[:6].ljust(6, "0")), UTC)
    except ValueError as error:
        raise FormatError("der-time", "DER time is not a time of the calendar") from error


# --- writing ---------------------------------------------------------------------------------------------------------


def encode(tag: int, content: bytes) -> bytes:
    """Tag, shortest definite length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of encoded parts, in this order."""
    return encode(SEQUENCE, b"".join(parts))


def set_of(parts: list[bytes] | tuple[bytes, ...]) -> bytes:
    """SET OF encoded parts, sorted as X.690 §11.6 asks (shorter ones padded with zeros compare alike)."""
    return encode(SET, b"".join(sorted(parts)))


def integer(value: int) -> bytes:
    """INTEGER, two's complement, fewest octets."""
    width = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return encode(INTEGER, value.to_bytes(width, "big", signed=True))


def boolean(value: bool) -> bytes:
    """BOOLEAN."""
    return encode(BOOLEAN, b"\xff" if value else b"\x00")


def octet_string(value: bytes) -> bytes:
    """OCTET STRING."""
    return encode(OCTET_STRING, value)


def bit_string(value: bytes) -> bytes:
    """BIT STRING of whole octets."""
    return encode(BIT_STRING, b"\x00" + value)


def utf8_string(value: str) -> bytes:
    """UTF8String."""
    return encode(UTF8_STRING, value.encode())


def null() -> bytes:
    """NULL."""
    return encode(NULL, b"")


@lru_cache(maxsize=512)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted string."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OID, b"".join(_arc(arc) for arc in (first * 40 + second, *rest)))


def _arc(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(value & 0x7F | 0x80)
    return bytes(reversed(octets))


def context(number: int, content: bytes, *, constructed: bool = True) -> bytes:
    """Context-specific tag ``[number]`` around ``content``: EXPLICIT when that is a whole element, else IMPLICIT."""
    return encode((0xA0 if constructed else 0x80) | number, content)


def utc_time(time: datetime) -> bytes:
    """UTCTime with seconds (years 1950 to 2049)."""
    return encode(UTC_TIME, time.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(time: datetime) -> bytes:
    """GeneralizedTime with whole seconds."""
    return encode(GENERALIZED_TIME, time.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
