"""README, CONTRIBUTING, SECURITY and docs: purpose and command first, plain sentences, live links, no block untried.

A command block (a fence without a language, ``sh`` or ``console``, or an indented block) runs in
tests/cli/test_documented_commands.py, unless a comment right above it says ``run by FILE`` or ``not run: WHY``.
"""

import re

import pytest

from gitsign_py.cli.commands import COMMANDS
from gitsign_py.cli.grammar import Node, nodes
from tests.support.pages import ROOT, Block, Page, anchors, pages, sentences

FORBIDDEN = ("who", "whoever", "whom", "what", "whatever", "nobody", "somebody")
WITHIN = 25
"""Lines in which a page has said what it is for and given a command."""
_MODULE_TABLES = "docs/architecture.md"
_NAMES = "docs/api.md"
"""Both are made of the docstrings of the code: tests of their own hold them to it."""
_BY_ATTACKER = "docs/threat-model.md"
"""Its tables name attackers by what they can do, in fragments of sentences."""
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def named(*, without: tuple[str, ...] = ()) -> list[Page]:
    return [page for page in pages() if not page.name.startswith(without)]


def each(found: list[Page]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", found, ids=[page.name for page in found])


def test_the_pages_are_found() -> None:
    names = {page.name for page in pages()}
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/README.md",
        "docs/hooks.md",
        "docs/cli/audit.md",
    } <= names
    assert len([block for page in pages() for block in page.blocks if block.is_command]) > 60


@each(named(without=("docs/adr/", _MODULE_TABLES, _NAMES)))
def test_a_page_begins_with_its_purpose_and_a_command(page: Page) -> None:
    """Decisions have nothing to try; the tables of modules and names are for reading."""
    assert page.purpose, "a title, then a sentence before any heading, table or list"
    first = next((block for block in page.blocks if block.is_command), None)
    assert first is not None
    assert first.line <= WITHIN


@each(named(without=(_MODULE_TABLES, _NAMES)))
def test_no_sentence_begins_with_a_riddle(page: Page) -> None:
    found = sentences(page, cells=page.name != _BY_ATTACKER)
    assert [text for text in found if begins(text) in FORBIDDEN] == []


def begins(sentence: str) -> str:
    return sentence.split(maxsplit=1)[0].strip("*_`,.:;?!").lower()


def test_the_reader_of_sentences_finds_them() -> None:
    page = Page(
        "x.md",
        "# What it is\n\nOne. Who goes\nthere? **What** else.\n\n- Nobody: x\n\n| a | Somebody. |\n\n```\nWho\n```\n",
    )
    found = [begins(text) for text in sentences(page)]
    assert [word for word in found if word in FORBIDDEN] == ["what", "who", "what", "nobody", "somebody"]


@each(named())
def test_links_lead_somewhere(page: Page) -> None:
    for target in _LINK.findall(page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (page.path.parent / place).resolve() if place else page.path
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


def test_the_index_lists_every_page() -> None:
    index = Page("docs/README.md", (ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    listed = {(index.path.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(index.prose)}
    assert [page.name for page in pages() if page.path not in listed | {index.path, ROOT / "README.md"}] == []


@each(named())
def test_a_block_runs_or_says_why_not(page: Page) -> None:
    for block in page.blocks:
        if block.is_command and block.remark:
            assert block.reason or (block.tested_by and (ROOT / block.tested_by).exists()), (block.line, block.remark)
    indented = [block.line for block in page.blocks if block.indented]
    assert not indented or page.name == _MODULE_TABLES, (
        "fence a block, so that a comment above it can say why it cannot run"
    )


def commands_of(block: Block) -> list[list[str]]:
    """The words of each command line that calls the program; a trailing comment and what a pipe does are cut off."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    lines = [
        line.split("gitsign-py ", 1)[1]
        for line in text.splitlines()
        if re.match(r"\s*(?:eval .*)?gitsign-py [a-z]", line)
    ]
    return [re.split(r"\s#|\s\||\s>|\s{3,}|&&|\)\"", line)[0].split() for line in lines]


def node_of(words: list[str], known: dict[tuple[str, ...], Node]) -> Node:
    """The deepest command that the words name."""
    return known.get(tuple(words[:2])) or known[(words[0],)]


@each(named())
def test_commands_have_the_options_that_pages_give_them(page: Page) -> None:
    known = {node.path: node for node in nodes()}
    for block in page.blocks:
        for words in commands_of(block) if block.is_command else []:
            assert words[0] in COMMANDS, (block.line, words)
            options = {name for option in node_of(words, known).options for name in option.names}
            assert {name for word in words[1:] for name in _OPTION.findall(word.split("=")[0])} <= options, (
                block.line,
                words,
            )
