"""Finds the line on which a key of a TOML file stands: ``tomllib`` gives values without places.

It reads a text that ``tomllib`` has already accepted, so it needs to know strings, comments, brackets and headers,
and nothing about what is not valid. A key inside an inline table is found on the line where its outermost key stands.
A header or a key is one match, and so is a run of letters in a value: it costs no more than ``tomllib``.
"""

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
Statement = tuple[int, str, str]
"""A line, the brackets that open a header there ("" before a value), and the dotted key."""
# Possessive, and with or without their ends: no letter of a string is read twice, whatever the text is.
_QUOTED = r""""(?:[^"\\\n]++|\\[^\n])*+"?+|'[^'\n]*+'?+"""
_LONG = r'''"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?+|\'\'\'(?:[^']++|'(?!''))*+(?:'{3,5})?+'''
_PART = re.compile(rf"[A-Za-z0-9_-]++|{_QUOTED}")
_KEY = rf"(?:{_PART.pattern})(?:[ \t]*+\.[ \t]*+(?:{_PART.pattern}))*+"
_STATEMENT = re.compile(
    rf"(?:[ \t\r\n]++|\#[^\n]*+)*+(?:(?P<head>\[\[?+)[ \t]*+(?P<table>{_KEY})[ \t]*+\]\]?+|(?P<key>{_KEY})[ \t]*+=)"
)
_PIECE = re.compile(rf"""{_LONG}|{_QUOTED}|\#[^\n]*+|\n|[\[{{]|[\]}}]|[^"'\#\n\[\]{{}}]++""", re.DOTALL)
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


def lines_of(text: str) -> dict[Path, int]:
    """Map each key's path to its line, counted from 1; items of arrays of tables have their number in the path."""
    places: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, head, key in _statements(text):
        if head:
            table = _open_table(_dotted(key), counts, is_array=head == "[[")
            _note(places, table, line)
        else:
            _note(places, table + _dotted(key), line)
    return places


def line_of(places: dict[Path, int], path: Path) -> int:
    """The line of the key, or of the nearest thing around it."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


def _note(places: dict[Path, int], path: Path, line: int) -> None:
    """Remember a key and what stands above it, each where it is named first."""
    while path not in places:  # what stands above a known path is known
        places[path] = line
        path = path[:-1]


def _statements(text: str) -> Iterator[Statement]:
    """The headers and the keys of values, in order."""
    line, counted, at = 1, 0, 0
    while found := _STATEMENT.match(text, at):
        head, table, key = found.group("head", "table", "key")
        start = found.start("key" if head is None else "head")
        line += text.count("\n", counted, start)
        counted = start
        yield line, head or "", table or key
        at = found.end() if head else _end_of_value(text, found.end())


def _end_of_value(text: str, at: int) -> int:
    """Where the line ends that closes the value."""
    depth = 0
    for piece in _PIECE.finditer(text, at):
        if piece.group() == "\n" and depth == 0:
            return piece.end()
        depth += _DEPTH.get(piece.group(), 0)
    return len(text)


def _open_table(name: Path, counts: dict[Path, int], *, is_array: bool) -> Path:
    """The path of ``[a.b]`` or ``[[a.b]]``: arrays of tables are counted, and entered at their last item."""
    path: Path = ()
    for position, part in enumerate(name):
        path += (part,)
        if is_array and position == len(name) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _dotted(key: str) -> Path:
    return tuple(_unquoted(part) for part in _PART.findall(key))


def _unquoted(key: str) -> str:
    """A key without its quotes; one with escapes inside is found by what stands around it."""
    return key[1:-1] if key[:1] in ("'", '"') else key
