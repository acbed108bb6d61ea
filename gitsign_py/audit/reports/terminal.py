"""A table for people's eyes, with progress while it is made (rich). Only loaded when stdout is a terminal."""

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence, summary_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import ACCEPTED

MAX_LISTED = 60
_MAX_SUBJECT = 60  # columns
_STYLES = {**dict.fromkeys(ACCEPTED, "green"), "unchecked": "yellow"}


class TerminalReport(ReportFormat):
    """``total`` is the number of commits to come, when it is known; colours follow NO_COLOR (rich)."""

    def __init__(self, out: TextIO, *, total: int | None = None) -> None:
        self._console = Console(file=out)
        self._rows: list[Record] = []
        self._left_out = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("judging", total=total)
        self._count = 0

    def begin(self, heading: Heading) -> None:
        """Say what is audited, and start the bar."""
        where = f"{escaped(heading.repository)}: {', '.join(map(escaped, heading.revisions))}"
        self._console.print(Text(f"audit of {where}"))
        self._console.print(Text(escaped(f"policy: {heading.policy}; trust root: {heading.trust_root}")))
        for notice in heading.notices:
            self._console.print(Text(f"note: {escaped(notice)}", style="yellow"))
        self._progress.start()

    def record(self, record: Record) -> None:
        """Move the bar; keep what will be listed."""
        self._count += 1
        if self._count % 64 == 0:
            self._progress.update(self._task, completed=self._count)
        if record.accepted:
            return
        if len(self._rows) < MAX_LISTED:
            self._rows.append(record)
        else:
            self._left_out += 1

    def close(self) -> None:
        """Take the bar away and give the cursor back, however the audit ends."""
        self._progress.stop()

    def end(self, rollup: Rollup) -> None:
        """The tables."""
        self.close()
        if self._rows:
            self._console.print(self._refused())
        if self._left_out:
            self._console.print(f"... and {self._left_out} more (--format ndjson lists all)")
        if rollup.identities:
            self._console.print(_signers(rollup))
        for line in summary_lines(rollup):
            style = "bold green" if rollup.exit_status == 0 else "bold red"
            self._console.print(Text(line, style=style))

    def _refused(self) -> Table:
        table = _table("not accepted", "commit", "verdict", "why", "subject")
        for record in self._rows:
            verdict = Text(record.verdict, style=_STYLES.get(record.verdict, "red"))
            subject = Text(escaped(record.subject))
            subject.truncate(_MAX_SUBJECT, overflow="ellipsis")
            table.add_row(record.oid[:12], verdict, Text(sentence(record)), subject)
        return table


def _table(title: str, *names: str) -> Table:
    """A table that breaks what is too long for its column, and leaves out nothing."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name == "signed" else "left")
    return table


def _signers(rollup: Rollup) -> Table:
    table = _table("who signed", "signer", "issuer", "signed", "first", "last")
    for (who, issuer), seen in sorted(rollup.identities.items(), key=lambda item: -item[1].commits)[:20]:
        table.add_row(Text(escaped(who)), Text(escaped(issuer)), str(seen.commits), seen.first[:10], seen.last[:10])
    return table
