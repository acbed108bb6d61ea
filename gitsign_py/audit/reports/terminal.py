"""Figures, causes and signers in colours, with a bar meanwhile (rich). Only loaded when stdout is a terminal."""

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import Heading, ReportFormat, cause_lines, summary_lines, warning_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped

_STYLES = {"unchecked": "yellow"}


class TerminalReport(ReportFormat):
    """``total`` is the number of commits to come, when it is known; colours follow NO_COLOR (rich)."""

    def __init__(self, out: TextIO, *, total: int | None = None) -> None:
        self._console = Console(file=out)
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
        for about, text in heading.lines():
            self._console.print(Text(f"{about:<11} {escaped(text)}", style="yellow" if about == "note" else ""))
        self._progress.start()

    def record(self, _record: Record) -> None:
        """Move the bar."""
        self._moved(1)

    def records(self, records: Batch) -> None:
        """The same for several."""
        self._moved(len(records))

    def _moved(self, many: int) -> None:
        before, self._count = self._count, self._count + many
        if self._count // 64 != before // 64:
            self._progress.update(self._task, completed=self._count)

    def close(self) -> None:
        """Take the bar away and give the cursor back, however the audit ends."""
        self._progress.stop()

    def end(self, rollup: Rollup) -> None:
        """The figures first, then the tables."""
        self.close()
        for line in warning_lines(rollup):
            self._console.print(Text(line, style="bold yellow"))
        style = "bold green" if rollup.total == rollup.verified else "bold red" if rollup.exit_status == 1 else "yellow"
        first, *others = summary_lines(rollup)
        self._console.print(Text(first, style=style))
        for line in others:
            self._console.print(Text(line))
        for line in cause_lines(rollup):
            self._console.print(Text(line, style=_style(line)))
        if rollup.identities:
            self._console.print(_signers(rollup))


def _style(line: str) -> str:
    """A cause by its verdict; what stands below it is plain."""
    word = line.split()[1].rstrip(":") if not line.startswith(" " * 8) else ""
    return "" if not word else _STYLES.get(word, "red")


def _table(title: str, *names: str) -> Table:
    """A table that breaks what is too long for its column, and leaves out nothing."""
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name == "signed" else "left")
    return table


def _signers(rollup: Rollup) -> Table:
    table = _table("good signatures", "signer", "issuer", "signed", "first", "last")
    for (who, issuer), seen in sorted(rollup.identities.items(), key=lambda item: -item[1].commits)[:20]:
        named = f"{escaped(seen.name)}: " if seen.name else ""
        table.add_row(
            Text(f"{named}{escaped(who)}"), Text(escaped(issuer)), str(seen.commits), seen.first[:10], seen.last[:10]
        )
    return table
