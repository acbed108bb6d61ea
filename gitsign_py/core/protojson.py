"""Protobuf's JSON mapping, read strictly (protobuf.dev/programming-guides/json), as Go's protojson reads it.

The freedoms of that mapping stay: int64 as a number or a string, base64 standard or URL-safe and with or without
padding, lowerCamelCase or proto field names, null for "not set". The reader refuses what Go's protojson refuses: fields
that the message does not have, a field twice, values of another type. Line breaks inside base64 are passed over, as
Go's base64 does: tools that fill in timestamps by hand wrap them.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, TypeGuard

from gitsign_py.core.encoding import decimal_decode
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError

_PLAIN = pattern(rb"[A-Za-z0-9+/]*\Z")
_CAMEL = pattern(r"[A-Z]")
_SURROGATE = pattern(r"[\ud800-\udfff]")


class Message:
    """One JSON object read as a protobuf message: ``fields`` are all of its fields in lowerCamelCase.

    ``where`` names it in errors, such as ``verificationMaterial.tlogEntries[0]``.
    Raises FormatError ``json-not-object``, ``json-unknown-field`` or ``json-duplicate-field``.
    """

    def __init__(self, value: Any, fields: Collection[str], where: str) -> None:
        if not _is_object(value):
            raise FormatError("json-not-object", f"{where} is not a JSON object")
        self.where = where
        self._values: dict[str, Any] = {}
        names = {_snake(name): name for name in fields} | {name: name for name in fields}
        for key, item in value.items():
            name = names.get(key)
            if name is None:
                raise FormatError("json-unknown-field", f"{where} has the unknown field {_shown(key)}")
            if name in self._values:
                raise FormatError("json-duplicate-field", f"{where} has the field {name} twice")
            self._values[name] = item

    def has(self, name: str) -> bool:
        """Whether the field is set (null is not)."""
        return self._values.get(name) is not None

    def only_one(self, *names: str) -> str | None:
        """Name the one field of a oneof that is set, None for none. Raises FormatError ``json-oneof``."""
        found = [name for name in names if self.has(name)]
        if len(found) > 1:
            raise FormatError("json-oneof", f"{self.where} has both {found[0]} and {found[1]}")
        return found[0] if found else None

    def message(self, name: str, fields: Collection[str]) -> "Message | None":
        """Return the message in ``name``, None when it is not set."""
        return Message(self._values[name], fields, self.path(name)) if self.has(name) else None

    def value(self, name: str) -> Any:
        """Return the JSON value of a field as it stands, None when it is not set."""
        return self._values.get(name)

    def items(self, name: str, *, most: int) -> list[Any]:
        """Return a repeated field of at most ``most`` items. Raises FormatError ``json-type``, ``json-too-many``."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise FormatError("json-type", f"{self.path(name)} is not a list")
        if len(value) > most:
            raise FormatError("json-too-many", f"{self.path(name)} has {len(value)} items, at most {most} are read")
        return value

    def text(self, name: str) -> str:
        """Return a string field, "" when it is not set. Raises FormatError ``json-type``."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise FormatError("json-type", f"{self.path(name)} is not a string")
        # JSON can spell half characters, UTF-8 and protobuf have none. Python knows of a str whether it is ASCII.
        if value and not value.isascii() and _SURROGATE.search(value):
            raise FormatError("json-type", f"{self.path(name)} is not valid Unicode")
        return value or ""

    def data(self, name: str) -> bytes:
        """Return a bytes field, b"" when it is not set. Raises FormatError ``json-type`` or ``json-base64``."""
        value = self._values.get(name)
        return b"" if value is None else decode_bytes(value, self.path(name))

    def int64(self, name: str) -> int:
        """Return an int64 field that may not be negative, 0 when it is not set. Raises FormatError ``json-int64``."""
        value = self._values.get(name)
        if value is None:
            return 0
        return decode_int64(value, self.path(name))

    def path(self, name: str) -> str:
        """Return the name of a field for messages."""
        return f"{self.where}.{name}" if self.where else name


def decode_int64(value: Any, where: str) -> int:
    """Read a non-negative int64: a JSON number without fraction, or a decimal string."""
    if isinstance(value, str):
        try:
            return decimal_decode(value)
        except FormatError as error:
            raise FormatError("json-int64", f"{where} is not a plain number below 2^63") from error
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise FormatError("json-int64", f"{where} is not a plain number below 2^63")
    return value


def decode_bytes(value: Any, where: str) -> bytes:
    """Read base64: standard or URL-safe, padded or not, line breaks passed over; no stray bits."""
    if not isinstance(value, str):
        raise FormatError("json-type", f"{where} is not a base64 string")
    raw = value.encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", b"")
    body = raw.rstrip(b"=")
    if len(raw) != len(body) and (len(raw) % 4 or len(raw) - len(body) > 2):
        raise FormatError("json-base64", f"{where} is not valid base64")
    if b"+" not in body and b"/" not in body:  # one alphabet or the other, never both
        body = body.replace(b"-", b"+").replace(b"_", b"/")
    if not _PLAIN.match(body) or len(body) % 4 == 1:
        raise FormatError("json-base64", f"{where} is not valid base64")
    padded = body + b"=" * (-len(body) % 4)
    data = binascii.a2b_base64(padded)  # cannot fail: alphabet and length were checked
    if base64.b64encode(data) != padded:  # RFC 4648 §3.5: stray bits would give one value two spellings
        raise FormatError("json-base64", f"{where} is base64 with stray bits")
    return data


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)


@cache  # of the names in our own code
def _snake(name: str) -> str:
    return _CAMEL.sub(lambda match: "_" + match.group().lower(), name)


def _shown(key: str) -> str:
    """A foreign field name, shortened and printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in key[:40])
