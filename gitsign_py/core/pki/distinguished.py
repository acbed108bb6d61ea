"""Distinguished names as text, in the one form that two of them are compared in: RFC 4514, last part first.

Values are compared as characters, whatever string type holds them, and exactly: case and spaces count. Text that a
person wrote may name attributes in other ways (E, EMAIL, OID.2.5.4.3) and have spaces between the parts.
"""

import re

from gitsign_py.core.pattern import pattern
from gitsign_py.core.pki import der
from gitsign_py.errors import FormatError

# RFC 4514 §3, and those of other attributes as OpenSSL writes them.
_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_TYPES = {name.upper(): oid for oid, name in _NAMES.items()} | {
    "E": "1.2.840.113549.1.9.1",
    "EMAIL": "1.2.840.113549.1.9.1",
    "S": "2.5.4.8",
    "GIVENNAME": "2.5.4.42",
    "SURNAME": "2.5.4.4",
}
_CODECS = {  # X.680 §8.4: UTF8, Numeric, Printable, Teletex (as all read it), IA5, Visible, Universal, BMP
    0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}  # fmt: skip
_SPECIAL = frozenset('"+,;<>\\')
_PART = pattern(r"[ \t]*(?:OID\.)?([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)[ \t]*=[ \t]*", re.IGNORECASE)
_PAIR = pattern(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_HEX = pattern(r"#((?:[0-9A-Fa-f]{2})+)")
MAX_TEXT = 4096


def name_text(raw: bytes) -> str:
    """The text of a DER Name (RFC 5280 §4.1.2.4). Raises FormatError ``der-...``, ``name-malformed``."""
    parts = [[_pair(one) for one in relative.children()] for relative in der.parse(raw, der.SEQUENCE).children()]
    return _joined(parts)


def written_name(text: str) -> str:
    """The one form of a name that a person wrote. Raises FormatError ``name-malformed``."""
    parts: list[list[tuple[str, str]]] = [[]]
    rest = text
    if len(text) > MAX_TEXT:
        raise _malformed(f"has more than {MAX_TEXT} characters")
    while True:
        head = _PART.match(rest)
        if head is None:
            raise _malformed(f"{rest[:40]!r} is no TYPE=VALUE")
        value, mark, rest = _value(rest[head.end() :])
        parts[-1].append((_oid(head[1]), value))
        if not mark:
            return _joined(parts[::-1])
        if mark == ",":
            parts.append([])


def _joined(parts: list[list[tuple[str, str]]]) -> str:
    """RFC 4514 §2.1: the last part of the name stands first."""
    texts = ["+".join(sorted(f"{_NAMES.get(oid, oid)}={_escaped(value)}" for oid, value in part)) for part in parts]
    return ",".join(reversed(texts))


def _pair(element: der.Element) -> tuple[str, str]:
    reader = der.inside(element)
    oid, value = der.read_oid(reader.next()), reader.next()
    reader.done()
    return oid, _decoded(value)


def _decoded(value: der.Element) -> str:
    """A value of no string type stands as the hex of its DER, behind a NUL that no string has (§2.4)."""
    try:
        text = value.content.decode(_CODECS[value.tag])
    except (KeyError, UnicodeDecodeError):
        return "\0" + value.raw.hex()
    return text if "\0" not in text else "\0" + value.raw.hex()


def _escaped(value: str) -> str:
    """RFC 4514 §2.4; what does not print is written as hex, so that nothing is hidden."""
    if value.startswith("\0"):
        return f"#{value[1:]}"
    inner = value.strip(" ")
    before, after = (len(part) for part in (value.partition(inner)[::2] if inner else (value, "")))
    text = "".join(map(_char, inner))
    return "\\ " * before + ("\\" + text if text.startswith("#") else text) + "\\ " * after


def _char(char: str) -> str:
    if char in _SPECIAL:
        return f"\\{char}"
    return char if char.isprintable() else "".join(f"\\{octet:02x}" for octet in char.encode("utf-8", "surrogatepass"))


def _value(text: str) -> tuple[str, str, str]:
    """A value, the sign after it (empty at the end), and the rest."""
    if found := _HEX.match(text):
        value, at = _decoded(der.parse(bytes.fromhex(found[1]))), found.end()
    else:
        value, at = _string(text)
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    mark = text[at : at + 1]
    if mark not in ("", ",", "+", ";"):
        raise _malformed(f"{mark!r} stands where a part ends")
    return value, mark.replace(";", ","), text[at + 1 :]


def _string(text: str) -> tuple[str, int]:
    found, at, spaces = bytearray(), 0, 0
    while at < len(text) and text[at] not in ",+;":
        char = text[at]
        if char == "\\":
            pair = _PAIR.match(text, at)
            if pair is None:
                raise _malformed("ends in a backslash")
            found += bytes.fromhex(pair[1]) if pair[1] else pair[2].encode("utf-8", "surrogatepass")
            at, spaces = pair.end(), 0
            continue
        if char in '"<>':
            raise _malformed(f"{char} needs a backslash before it")
        found += char.encode("utf-8", "surrogatepass")
        at, spaces = at + 1, spaces + 1 if char == " " else 0
    try:
        return bytes(found[: len(found) - spaces]).decode(), at
    except UnicodeDecodeError as error:
        raise _malformed("is not UTF-8") from error


def _oid(name: str) -> str:
    found = name if name[0].isdigit() else _TYPES.get(name.upper(), "")
    if not found:
        raise _malformed(f"{name} is no type of attribute that is known by name: write its number")
    return found


def _malformed(why: str) -> FormatError:
    return FormatError("name-malformed", f"distinguished name {why}")
