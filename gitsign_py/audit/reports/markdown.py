"""Markdown for the summary page of a CI run."""

import re
from typing import TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, figure_lines, sentence, warning_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import ACCEPTED

MAX_LISTED = 100
_BACKTICKS = re.compile("`+")
_MARKS: dict[str, str] = {**dict.fromkeys(ACCEPTED, "☑️"), "verified": "✅", "good": "❔", "unchecked": "❔"}


class MarkdownReport(ReportFormat):
    """The figures, the causes, then the commits that are not accepted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._heading: Heading | None = None
        self._rows: list[str] = []
        self._left_out = 0

    def begin(self, heading: Heading) -> None:
        """The title and what was not seen; the rest of the heading stands below the figures."""
        self._heading = heading
        self._out.write(f"## Signatures of {_quoted(heading.repository)}\n\n")
        for notice in heading.notices:
            self._out.write(f"> {_quoted(notice)}\n\n")

    def record(self, record: Record) -> None:
        """Keep a row for what is not accepted."""
        if record.accepted:
            return
        if len(self._rows) >= MAX_LISTED:
            self._left_out += 1
            return
        claimed = f"{record.claimed} (not proven)" if record.claimed else ""
        told = (sentence(record), record.identity or claimed, record.subject)
        cells = (f"`{record.oid[:12]}`", record.verdict, *map(_quoted, told))
        self._rows.append(f"| {' | '.join(cells)} |")

    def end(self, rollup: Rollup) -> None:
        """The tables."""
        for line in warning_lines(rollup):
            self._out.write(f"> **{line}**\n\n")
        first, *others = figure_lines(rollup)
        self._out.write(f"**{first}**\n\n{'; '.join(others)}\n\n")
        self._out.write("| | verdict | commits |\n|---|---|---:|\n")
        for verdict, count in rollup.verdicts.most_common():
            self._out.write(f"| {_MARKS.get(verdict, '❌')} | {verdict} | {count} |\n")
        self._causes(rollup)
        if self._rows:
            self._out.write("\n| commit | verdict | why | signer | subject |\n|---|---|---|---|---|\n")
            self._out.write("\n".join(self._rows) + "\n")
        if self._left_out:
            self._out.write(f"\n… and {self._left_out} more\n")
        assert self._heading is not None  # noqa: S101 - begin comes first
        self._out.write("\n| | |\n|---|---|\n")
        for about, text in self._heading.lines():
            self._out.write(f"| {about} | {_quoted(text)} |\n")

    def _causes(self, rollup: Rollup) -> None:
        if not rollup.causes:
            return
        self._out.write("\n| commits | verdict | cause | committed by | to do |\n|---:|---|---|---|---|\n")
        for cause in rollup.causes.sorted():
            who = ", ".join(f"{name or 'nobody'} ({count})" for name, count in cause.who.most_common(3))
            cells = map(_quoted, (cause.words, who, cause.todo))
            self._out.write(f"| {cause.commits} | {cause.verdict} | {' | '.join(cells)} |\n")


def _quoted(text: str) -> str:
    """Text out of commits as a code span (GFM 6.3): nothing in it is a link, an image, a mention or HTML.

    Escapes alone would not do: what looks like an address is made a link after they are gone (GFM 6.9).
    """
    safe = escaped(text).strip()
    if not safe:
        return ""
    longest = max((len(run) for run in _BACKTICKS.findall(safe)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return fence + space + safe.replace("|", "\\|") + space + fence
