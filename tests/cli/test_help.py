"""``--help`` of every command, as people read it on a terminal of 80 columns."""

import argparse
from collections.abc import Iterator

import pytest

from gitsign_py.cli import grammar
from gitsign_py.cli.commands import COMMANDS
from gitsign_py.cli.helptext import fitted
from gitsign_py.cli.overview import print_overview


def _all(path: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield path, parser.format_help()
    deeper = grammar._subparsers(parser)
    for name, child in deeper.choices.items() if deeper else ():
        yield from _all(f"{path} {name}", child)


def test_every_help_fits_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_overview([])
    texts = [("", capsys.readouterr().out)]
    texts += [one for name in COMMANDS for one in _all(name, grammar.parser_of(name))]
    assert len(texts) >= 60
    wide = [(path, line) for path, text in texts for line in text.splitlines() if len(line) > 80]
    assert wide == []


def test_an_example_that_is_too_long_is_one_that_still_can_be_pasted() -> None:
    text = (
        "A line of prose at the margin that is too long.\n\nexamples:\n"
        "  run --first one --second two --third three\n"
        "  run --short   a comment that does not fit beside it\n"
        "  run   fits\n"
    )
    assert list(fitted(text, 30)) == [
        "A line of prose at the margin",
        "that is too long.",
        "",
        "examples:",
        "  run --first one --second \\",
        "      two --third three",
        "  run --short",
        "      a comment that does not",
        "      fit beside it",
        "  run   fits",
    ]
