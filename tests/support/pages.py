"""README, CONTRIBUTING, SECURITY and docs, taken apart: prose, sentences, blocks, anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
_COMMANDS = ("", "sh", "console")
_FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```[ \t]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}(?![ \-*]*[-*0-9] )[^\n]+\n)+")
_REMARK = re.compile(r"<!-- ([^\n]*) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A block of code: the line that it begins on, its language and text, and the comment right above it."""

    line: int
    language: str
    text: str
    remark: str
    indented: bool = False

    @property
    def is_command(self) -> bool:
        return self.language in _COMMANDS and not self.text.startswith("# ~/")

    @property
    def reason(self) -> str:
        """Why no test runs it; empty where one does."""
        return self.remark.removeprefix("not run: ") if self.remark.startswith("not run: ") else ""

    @property
    def tested_by(self) -> str:
        """The test that runs it, if it is another one than the runner of all blocks."""
        return self.remark.removeprefix("run by ") if self.remark.startswith("run by ") else ""


@dataclass(frozen=True)
class Page:
    """A page by its path below the root of the project."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        fenced = [_block(self.text, match) for match in _FENCE.finditer(self.text)]
        bare = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), self.text)
        indented = [
            Block(bare.count("\n", 0, match.start()) + 1, "", match[0], "", indented=True)
            for match in _INDENTED.finditer(bare)
        ]
        return tuple(sorted([*fenced, *indented], key=lambda block: block.line))

    @property
    def prose(self) -> str:
        """The text without its blocks and comments."""
        return re.sub(r"<!--.*?-->", "", _FENCE.sub("", self.text), flags=re.DOTALL)

    @property
    def purpose(self) -> str:
        """The first paragraph below the title, if it is one of sentences."""
        _, _, below = self.prose.partition("# ")
        first = below.partition("\n")[2].strip().split("\n\n")[0]
        return "" if first.startswith(("#", "|", "-", "    ")) else first


def _block(text: str, match: re.Match[str]) -> Block:
    remark = _REMARK.search(text[: match.start()])
    return Block(text.count("\n", 0, match.start()) + 1, match[1], match[2], remark[1] if remark else "")


def pages() -> list[Page]:
    """Every page for people."""
    paths = [*(ROOT / name for name in _TOP), *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def sentences(page: Page, *, cells: bool = True) -> Iterator[str]:
    """The sentences of prose, headings and items, and of the cells of tables if they count."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.|\||#)\s)", page.prose):
        row = paragraph.lstrip().startswith("|")
        for part in (paragraph.split("|") if cells else []) if row else [paragraph]:
            bare = re.sub(r"^\s*(?:[-*]|\d+\.|#+)\s+", "", part)
            yield from (text for text in re.split(r"(?<=[.!?])\**\s+", bare) if re.search(r"\w", text))


def anchors(text: str) -> set[str]:
    """The names that a forge gives to headings."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
