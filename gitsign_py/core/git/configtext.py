"""The text of git's settings (git-config(1), Syntax), read character by character as git's config.c reads it.

Other readers differ from git, and from each other, in files that nobody writes by accident: whoever hands over a
repository could then have one setting for git and another one for us. This reader refuses what git refuses, and so is a
NUL, at which git's own text ends.
"""

import string
from collections.abc import Iterator

_BLANK = " \t\n\r"
_LETTERS = frozenset(string.ascii_letters)
_KEY = frozenset(string.ascii_letters + string.digits + "-")
_ESCAPED = {"t": "\t", "b": "\b", "n": "\n", "\\": "\\", '"': '"'}


def parse_config(data: bytes) -> Iterator[tuple[str, str | None]]:
    """Yield keys (section and name in lower case, the part between them as it is) and values; None where no ``=`` is.

    Raises ValueError in words.
    """
    text = _Text(data.decode("utf-8", "surrogateescape"))
    section = ""
    while not text.ended:
        char = text.next()
        if char in "#;":
            text.skip_line()
        elif char == "[":
            section = f"{_section(text)}."
        elif char in _LETTERS and section:
            yield _setting(text, section + char.lower())
        elif char not in _BLANK:
            raise text.wrong()


class _Text:
    """Characters one by one; a line feed at the end, for ever."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n").removeprefix("\ufeff")
        self._at = 0
        if "\0" in text:
            raise ValueError("there is a NUL in it")

    @property
    def ended(self) -> bool:
        """Whether the last character was taken, and the line feed after it."""
        return self._at > len(self._text)

    def next(self) -> str:
        """Take one character."""
        self._at += 1
        return self._text[self._at - 1] if self._at <= len(self._text) else "\n"

    def skip_line(self) -> None:
        """Take all up to the end of the line."""
        end = self._text.find("\n", self._at)
        self._at = (len(self._text) if end < 0 else end) + 1

    def wrong(self) -> ValueError:
        """The error for what was read last."""
        line = self._text.count("\n", 0, max(self._at - 1, 0)) + 1
        return ValueError(f"line {line} is no setting")


def _section(text: _Text) -> str:
    """``[section]``, ``[section.part]`` or ``[section "part"]``; the bracket is taken already."""
    name: list[str] = []
    while (char := text.next()) != "]":
        if char in _BLANK:
            return f"{''.join(name)}.{_part(text, char)}"
        if text.ended or (char not in _KEY and char != "."):
            raise text.wrong()
        name.append(char.lower())
    if not name:
        raise text.wrong()
    return "".join(name)


def _part(text: _Text, char: str) -> str:
    while char in _BLANK:
        if char == "\n":
            raise text.wrong()
        char = text.next()
    if char != '"':
        raise text.wrong()
    part = []
    while (char := text.next()) != '"':
        char = text.next() if char == "\\" else char
        if char == "\n":
            raise text.wrong()
        part.append(char)
    if text.next() != "]":
        raise text.wrong()
    return "".join(part)


def _setting(text: _Text, begun: str) -> tuple[str, str | None]:
    key = [begun]
    while (char := text.next()) in _KEY:
        key.append(char.lower())
    while char in " \t":
        char = text.next()
    if char == "\n":
        return "".join(key), None
    if char != "=":
        raise text.wrong()
    return "".join(key), _value(text)


def _value(text: _Text) -> str:
    """As parse_value: blanks around it go, a comment ends it, quotes may stand anywhere, a backslash joins lines.

    Of a tab inside git makes a blank before its version 2.45.
    """
    value: list[str] = []
    kept = 0  # characters without the blanks after them
    quoted = False
    while (char := text.next()) != "\n":
        if not quoted and char in _BLANK:
            value += char if value else ""
            continue
        if not quoted and char in "#;":
            text.skip_line()
            break
        if char == '"':
            quoted = not quoted
        elif char == "\\":
            value += _escaped(text)
        else:
            value.append(char)
        kept = len(value)
    if quoted:
        raise text.wrong()
    return "".join(value[:kept])


def _escaped(text: _Text) -> str:
    char = text.next()
    if char == "\n":
        return ""
    if char not in _ESCAPED:
        raise text.wrong()
    return _ESCAPED[char]
