"""JSON held against messages of .proto files, by protobuf's JSON mapping: names, kinds of values, nothing unknown.

As much of the language as in-toto's published messages use (proto3: fields, repeated, maps, messages in messages).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsign_py.core.encoding import b64_decode, parse_rfc3339

_WORDS = re.compile(r'//[^\n]*|"[^"]*"|[\w.]+|[^\s\w]')
_SCALARS: dict[str, Callable[[Any], object]] = {
    "string": lambda value: isinstance(value, str),
    "bytes": lambda value: isinstance(value, str) and b64_decode(value) is not None,
    "uint64": lambda value: isinstance(value, int | str) and int(value) >= 0,
    "google.protobuf.Struct": lambda value: isinstance(value, dict),
    "google.protobuf.Timestamp": lambda value: isinstance(value, str) and _is_time(value),
}


def _is_time(text: str) -> bool:
    try:
        return parse_rfc3339(text) is not None
    except Exception as error:
        raise AssertionError(f"{text} is no time") from error


@dataclass(frozen=True)
class Field:
    kind: str
    is_repeated: bool = False
    is_map: bool = False


@dataclass
class Schema:
    """Messages by their full name, each with its fields by the names that JSON has for them."""

    messages: dict[str, dict[str, Field]] = field(default_factory=dict)

    def __init__(self, *files: Path) -> None:
        self.messages = {}
        for file in files:
            words = [word for word in _WORDS.findall(file.read_text()) if not word.startswith("//")]
            package = words[words.index("package") + 1]
            self._read(words[words.index("message") :], package)

    def check(self, value: Any, name: str) -> None:
        assert isinstance(value, dict), name
        for key, item in value.items():
            assert key in self.messages[name], f"{name} has no field {key}"
            self._check_field(item, self.messages[name][key], name)

    def _check_field(self, value: Any, one: Field, place: str) -> None:
        if one.is_repeated:
            assert isinstance(value, list), place
        if one.is_map:
            assert isinstance(value, dict), place
        for item in value if one.is_repeated else value.values() if one.is_map else [value]:
            if one.kind in _SCALARS:
                assert _SCALARS[one.kind](item), f"{place}: {item!r} is no {one.kind}"
            else:
                self.check(item, next(name for name in (f"{place}.{one.kind}", one.kind) if name in self.messages))

    def _read(self, words: list[str], place: str) -> list[str]:
        """Read messages up to the end of the file or of the one around them; gives what comes after."""
        fields = self.messages.setdefault(place, {})
        while words and words[0] != "}":
            if words[0] == "message":
                words = self._read(words[3:], f"{place}.{words[1]}")[1:]
                continue
            end = words.index(";")
            name, made = _field(words[:end])
            fields[name] = made
            words = words[end + 1 :]
        return words


def _field(words: list[str]) -> tuple[str, Field]:
    """``repeated string verified_levels = 7 [json_name = "verifiedLevels"]``, or ``map<string, string> digest = 2``."""
    at = words.index("=")
    named = words[words.index("json_name") + 2].strip('"') if "json_name" in words else _camel(words[at - 1])
    if words[0] == "map":
        return named, Field(words[4], is_map=True)
    return named, Field(words[at - 2], is_repeated=words[0] == "repeated")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
