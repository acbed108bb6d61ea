"""Markdown for the summary page of a CI run."""

from typing import TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, printable, sentence
from gitsign_py.audit.rollup import Rollup

MAX_LISTED = 100
_MARKS = {"verified": "✅", "exempt": "☑️", "forge-merge": "☑️", "unchecked": "❔"}


class MarkdownReport:
    """A table of the verdicts, then the commits that are not accepted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows: list[str] = []
        self._left_out = 0

    def begin(self, heading: Heading) -> None:
        """The title and what was audited."""
        revisions = ", ".join(f"`{_code(name)}`" for name in heading.revisions)
        self._out.write(
            f"## Signatures of {_text(heading.repository)}\n\n{revisions}; policy: {_text(heading.policy)}\n\n"
        )
        for notice in heading.notices:
            self._out.write(f"> {_text(notice)}\n\n")

    def record(self, record: Record) -> None:
        """Keep a row for what is not accepted."""
        if record.accepted:
            return
        if len(self._rows) >= MAX_LISTED:
            self._left_out += 1
            return
        cells = (f"`{record.oid[:12]}`", record.verdict, sentence(record), record.identity, record.subject)
        self._rows.append("| " + " | ".join((cells[0], *map(_text, cells[1:]))) + " |")

    def end(self, rollup: Rollup) -> None:
        """The tables."""
        self._out.write(f"**{rollup.accepted} of {rollup.total}** accepted, {rollup.coverage:.1f} % coverage\n\n")
        self._out.write("| | verdict | commits |\n|---|---|---:|\n")
        for verdict, count in rollup.verdicts.most_common():
            self._out.write(f"| {_MARKS.get(verdict, '❌')} | {verdict} | {count} |\n")
        if self._rows:
            self._out.write("\n| commit | verdict | why | signer | subject |\n|---|---|---|---|---|\n")
            self._out.write("\n".join(self._rows) + "\n")
        if self._left_out:
            self._out.write(f"\n… and {self._left_out} more\n")


def _text(text: str) -> str:
    """Text out of commits is not markup: no links, images, mentions or HTML come out of it."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_{}[]()#+!|~@" else char for char in escaped)


def _code(text: str) -> str:
    return printable(text).replace("`", "'").replace("|", "\\|")
