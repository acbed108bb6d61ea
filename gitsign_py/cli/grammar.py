"""The command line as data: every command and its options, read from the parsers, for completion and documentation.

Every command's module has ``_parser()``. All of them are imported here, so nothing that git starts may use this.
"""

# ruff: noqa: SLF001 - argparse has no public way to its actions; it has kept these names since Python 2.7

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Literal

from gitsign_py.cli.commands import COMMANDS
from gitsign_py.core.frozen import frozen

Kind = Literal["none", "words", "file", "directory", "revision", "text"]
_FILES = ("FILE", "PATH", "SOCKET")
_REVISIONS = ("REV", "COMMIT")


@frozen
class Value:
    """The words that may follow: nothing, one of ``words``, a file, a directory, a revision, or any text."""

    kind: Kind
    words: tuple[str, ...] = ()


@frozen
class Option:
    """An option by all of its names, its help on one line, the value that it takes and that one's name."""

    names: tuple[str, ...]
    about: str
    value: Value
    metavar: str = ""


@frozen
class Node:
    """A command or subcommand: ``path`` is what is typed, ``about`` one line, ``text`` its description, ``after`` the
    examples; ``children`` the names that may follow and ``arguments`` the operands, with their help; ``operands`` what
    the first of these may be.
    """

    path: tuple[str, ...]
    about: str
    text: str
    after: str
    options: tuple[Option, ...]
    children: tuple[tuple[str, str], ...]
    arguments: tuple[tuple[str, str], ...]
    operands: Value


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    module = import_module(f"gitsign_py.cli.commands.{COMMANDS[name][0]}")
    parser: argparse.ArgumentParser = getattr(module, "_parser")()  # noqa: B009 - by agreement, see above
    return parser


def nodes() -> Iterator[Node]:
    """Every command in the table's order, each followed by its subcommands."""
    for name, (_, about) in COMMANDS.items():
        yield from _walk((name,), about, parser_of(name))


def _walk(path: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Iterator[Node]:
    deeper = _subparsers(parser)
    helps = {choice.dest: choice.help or "" for choice in deeper._get_subactions()} if deeper else {}
    children = {name: helps.get(name, "") for name in deeper.choices} if deeper else {}
    options = tuple(_option(action) for action in parser._actions if action.option_strings and _shown(action))
    operands = [action for action in parser._actions if not action.option_strings and action is not deeper]
    value = _value(operands[0]) if operands else Value("none")
    named = tuple((_metavar(action), _about(action)) for action in operands)
    text, after = (_plain(each) for each in (parser.description, parser.epilog))
    yield Node(path, about, text, after, options, tuple(children.items()), named, value)
    if deeper:
        for name, child in deeper.choices.items():
            yield from _walk((*path, name), children[name], child)


def _subparsers(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser] | None":
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def _shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS


def _option(action: argparse.Action) -> Option:
    metavar = "" if action.nargs == 0 else _metavar(action)
    return Option(tuple(action.option_strings), _about(action), _value(action), metavar)


def _about(action: argparse.Action) -> str:
    return " ".join(_plain(action.help).split())


def _plain(text: str | None) -> str:
    return (text or "").replace("%%", "%").strip("\n")


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices is not None else action.dest.upper()


def _value(action: argparse.Action) -> Value:
    """By choices first, then by the name that the value has in the help."""
    if action.nargs == 0:
        return Value("none")
    if action.choices is not None:
        return Value("words", tuple(str(choice) for choice in action.choices))
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if name in _REVISIONS:
        return Value("revision")
    if name == "DIR":
        return Value("directory")
    return Value("file" if any(word in name for word in _FILES) else "text")
