"""The part of Go's text/template that Fulcio's configuration uses for what certificates say of CI jobs.

``{{ .claim }}``, ``{{ index . "claim" }}`` and ``{{if eq VALUE "text"}}A{{else}}B{{end}}``, which does not nest. A text
without braces is a claim's name. Anything else is refused when the configuration is read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitsign_py.errors import ConfigError

_FIELD = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)\Z")
_INDEX = re.compile(r'\(?index \. "([^"]+)"\)?\Z')
_IF = re.compile(r'if eq (.+?) "([^"]*)"\Z')
MAX_TEMPLATE = 1024


class MissingClaimError(Exception):
    """A claim that a template needs is in neither the token nor the defaults."""


Values = Mapping[str, str]
_Piece = Callable[[Values], str]


@dataclass(frozen=True, slots=True)
class Template:
    """Pieces that are put together with a token's claims."""

    pieces: tuple[_Piece, ...]

    def fill(self, values: Values) -> str:
        """Put the values in. Raises MissingClaimError."""
        return "".join(piece(values) for piece in self.pieces)


def parse_template(text: str) -> Template:
    """Read a template. Raises ConfigError ``issuers-template``."""
    if len(text) > MAX_TEMPLATE:
        raise _bad(text[:40])
    if "{{" not in text:
        return Template((_claim(text.strip()),))
    parts = _cut(text)
    at, pieces = 0, []
    while at < len(parts):
        pieces.append(_literal(parts[at]))
        if at + 1 < len(parts):
            condition = _IF.match(parts[at + 1])
            if condition:
                pieces.append(_choice(condition[1], condition[2], parts[at + 2 : at + 6]))
                at += 4
            else:
                pieces.append(_value(parts[at + 1]))
        at += 2
    return Template(tuple(pieces))


def _cut(text: str) -> list[str]:
    """Text and action in turn."""
    first, *rest = text.split("{{")
    parts = [first]
    for piece in rest:
        action, closed, after = piece.partition("}}")
        if not closed:
            raise _bad("{{" + piece)
        parts += (action.removeprefix("-").removesuffix("-").strip(), after)
    return parts


def _choice(value: str, wanted: str, rest: list[str]) -> _Piece:
    """``rest``: the text of the first branch, ``else``, the text of the second, ``end``."""
    first, otherwise, second, end = [*rest, "", "", "", ""][:4]
    if (otherwise, end) != ("else", "end"):
        raise _bad("if")
    given = _value(value)
    return lambda values: first if given(values) == wanted else second


def _value(action: str) -> _Piece:
    match = _FIELD.match(action) or _INDEX.match(action)
    if not match:
        raise _bad(action)
    return _claim(match[1])


def _literal(text: str) -> _Piece:
    if "{{" in text or "}}" in text:
        raise _bad(text)
    return lambda _: text


def _claim(name: str) -> _Piece:
    def given(values: Values) -> str:
        if name not in values:
            raise MissingClaimError(name)
        return values[name]

    return given


def _bad(text: str) -> ConfigError:
    return ConfigError(
        "issuers-template",
        f"the template has {text[:80]!r}, which is not understood",
        hint='values are {{ .claim }} and {{ index . "claim" }}, choices {{if eq VALUE "text"}}A{{else}}B{{end}}',
    )
