"""Finds the line on which a key of a TOML file stands: ``tomllib`` gives values without places.

It reads a text that ``tomllib`` has already accepted, so it needs to know strings, comments, brackets and headers,
and nothing about what is not valid. A key inside an inline table is found on the line where its outermost key stands.
"""

import re

Path = tuple[str | int, ...]
# Possessive, and with or without their ends: no letter of a string is read twice, whatever the text is.
_TOKEN = re.compile(
    r"""(?P<string>\"\"\"(?:[^"\\]++|\\.|"(?!""))*+(?:\"{3,5})?|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"""
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"?|'[^'\n]*+'?)"""
    r"""|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<open>[\[{])|(?P<close>[\]}])|(?P<equals>=)|(?P<word>[A-Za-z0-9_-]+)"""
    r"""|(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)


def lines_of(text: str) -> dict[Path, int]:
    """Map each key's path to its line, counted from 1; items of arrays of tables have their number in the path."""
    places: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement[:1] == ["["]:
            table = _open_table(statement, counts)
            _note(places, table, line)
        elif "=" in statement:
            _note(places, table + _dotted(statement[: statement.index("=")]), line)
    return places


def line_of(places: dict[Path, int], path: Path) -> int:
    """The line of the key, or of the nearest thing around it."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


def _note(places: dict[Path, int], path: Path, line: int) -> None:
    """Remember a key and what stands above it, each where it is named first."""
    for length in range(1, len(path) + 1):
        places.setdefault(path[:length], line)


def _statements(text: str) -> list[tuple[int, list[str]]]:
    """Cut the text into headers and key-value pairs, each with its first line; values keep their tokens."""
    statements: list[tuple[int, list[str]]] = []
    tokens: list[str] = []
    line, first, depth = 1, 1, 0
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup, match.group()
        if kind == "newline" and depth == 0:
            _end_statement(statements, first, tokens)
            tokens = []
        elif kind in ("string", "open", "close", "equals", "word") or value == ".":
            first = first if tokens else line
            tokens.append(value)
            depth += {"open": 1, "close": -1}.get(kind or "", 0)
        line += value.count("\n")
    _end_statement(statements, first, tokens)
    return statements


def _end_statement(statements: list[tuple[int, list[str]]], first: int, tokens: list[str]) -> None:
    if tokens:
        statements.append((first, tokens))


def _open_table(statement: list[str], counts: dict[Path, int]) -> Path:
    """The path of ``[a.b]`` or ``[[a.b]]``: arrays of tables are counted, and entered at their last item."""
    is_array = statement[1:2] == ["["]
    name = _dotted([piece for piece in statement if piece not in "[]"])
    path: Path = ()
    for position, part in enumerate(name):
        path += (part,)
        if is_array and position == len(name) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _dotted(tokens: list[str]) -> Path:
    return tuple(_unquoted(piece) for piece in tokens if piece != ".")


def _unquoted(key: str) -> str:
    """A key without its quotes; one with escapes inside is found by what stands around it."""
    return key[1:-1] if key[:1] in ("'", '"') else key
