"""Markdown for the summary page of a CI run."""

import re
from typing import TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import ACCEPTED

MAX_LISTED = 100
_BACKTICKS = re.compile("`+")
_MARKS: dict[str, str] = {**dict.fromkeys(ACCEPTED, "☑️"), "verified": "✅", "unchecked": "❔"}


class MarkdownReport(ReportFormat):
    """A table of the verdicts, then the commits that are not accepted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows: list[str] = []
        self._left_out = 0

    def begin(self, heading: Heading) -> None:
        """The title and what was audited."""
        revisions = ", ".join(map(_quoted, heading.revisions))
        self._out.write(f"## Signatures of {_quoted(heading.repository)}\n\n{revisions}; ")
        self._out.write(f"policy: {_quoted(heading.policy)}\n\n")
        for notice in heading.notices:
            self._out.write(f"> {_quoted(notice)}\n\n")

    def record(self, record: Record) -> None:
        """Keep a row for what is not accepted."""
        if record.accepted:
            return
        if len(self._rows) >= MAX_LISTED:
            self._left_out += 1
            return
        told = (sentence(record), record.identity, record.subject)
        cells = (f"`{record.oid[:12]}`", record.verdict, *map(_quoted, told))
        self._rows.append(f"| {' | '.join(cells)} |")

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
