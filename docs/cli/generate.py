"""Write docs/cli/*.md from the parsers: ``python docs/cli/generate.py``. A test holds the files against them."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from gitsign_py.cli.grammar import Node, nodes

FOLDER = Path(__file__).parent
_HEAD = "<!-- made by docs/cli/generate.py -->\n"
_CHECKED = "<!-- not run: help of the program; tests/house/test_pages.py checks its commands against the parsers -->"
_INTRODUCTION = """\
This page lists every command; each has a page with its options and examples. The program prints the same text:

```sh
gitsign-py --help
gitsign-py verify --help
```"""
_TOP = ("# Commands", "", _INTRODUCTION, "", "| command | |", "|---|---|")


def pages() -> dict[str, str]:
    """Every page by its file name."""
    commands = [list(group) for _, group in groupby(nodes(), lambda node: node.path[0])]
    index = [f"| [{group[0].path[0]}]({group[0].path[0]}.md) | {_cell(group[0].about)} |" for group in commands]
    found = {"README.md": "\n".join([_HEAD, *_TOP, *index, ""])}
    for group in commands:
        found[f"{group[0].path[0]}.md"] = _HEAD + "\n" + "\n".join(line for node in group for line in _lines(node))
    return found


def _lines(node: Node) -> Iterator[str]:
    yield f"{'#' * len(node.path)} gitsign-py {' '.join(node.path)}"
    yield ""
    yield " ".join(node.text.split()) or node.about
    yield ""
    if node.after:  # above the tables: a reader wants the example first
        yield from [_CHECKED, "```", node.after, "```", ""]
    yield from _table([(f"`{name}`", about) for name, about in node.arguments])
    yield from _table([(f"`{name}`", about) for name, about in node.children])
    options = [option for option in node.options if "--help" not in option.names]
    yield from _table(
        [(f"`{', '.join(one.names)}{' ' if one.metavar else ''}{one.metavar}`", one.about) for one in options]
    )


def _table(rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield from ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(about)} |" for name, about in rows), ""]


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


if __name__ == "__main__":
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
