"""The help of every command in the width of its reader's terminal: argparse wraps options, and leaves examples alone.

An example is ``command   comment``. Where both do not fit, the comment goes to a line of its own; a command that is too
long alone goes on after a backslash, as a shell takes it.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import Any

from gitsign_py.core.pattern import pattern

_COMMENT = pattern(r"(?<=\S) {2,}(?=\S)")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples that fit, and folds the others."""

    def __init__(self, prog: str, **options: Any) -> None:
        # argparse makes one for each option, and would load shutil to ask for the width.
        super().__init__(prog, **{"width": columns() - 2} | options)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in fitted(text, width - len(indent)))

    def _format_usage(self, *arguments: Any) -> str:
        usage = super()._format_usage(*arguments)
        folded = (_folded(line, self._width, _margin(line) or " " * 7) for line in usage.split("\n"))
        return "\n".join(line for lines in folded for line in lines)


def columns() -> int:
    """The width of the terminal, as ``shutil.get_terminal_size`` finds it, which loads every archive format."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def fitted(text: str, width: int) -> Iterator[str]:
    """Give the lines of ``text``, none longer than ``width`` where there is a space to break at."""
    paragraph: list[str] = []
    for line in text.strip("\n").split("\n"):
        if line[:1].strip():  # prose begins at the margin
            paragraph.append(line)
            continue
        yield from _prose(paragraph, width)
        paragraph.clear()
        yield from [line] if len(line) <= width else _example(line, width)
    yield from _prose(paragraph, width)


def _prose(lines: list[str], width: int) -> Iterator[str]:
    if all(len(line) <= width for line in lines):
        yield from lines
    else:
        yield from _folded(" ".join(lines), width, "")


def _example(line: str, width: int) -> Iterator[str]:
    """A command and its comment below each other, or one of them alone."""
    parts = _COMMENT.split(line.strip())
    margin = _margin(line)
    command = "  ".join(parts[:-1]) or parts[0]
    yield from _command(margin + command, width, margin + "    ")
    if len(parts) > 1:
        yield from _folded(margin + "    " + parts[-1], width, margin + "    ")


def _command(line: str, width: int, further: str) -> Iterator[str]:
    *first, last = _folded(line, width - 2 if len(line) > width else width, further)
    yield from (f"{one} \\" for one in first)
    yield last


def _folded(line: str, width: int, further: str) -> list[str]:
    import textwrap  # noqa: PLC0415 - each command has this formatter, and few are asked for their help

    return textwrap.wrap(
        line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [line]


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]
