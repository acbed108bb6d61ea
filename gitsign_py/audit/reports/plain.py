"""Text for a terminal without tricks or a log file; JSON and NDJSON for programs (docs/schemas)."""

import json
from typing import TextIO

from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.recording import Batch, UnsignedRun
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence, summary_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped

MAX_LISTED = 500


class TextReport(ReportFormat):
    """One line for each commit that is not accepted (all of them with ``verbose``), then the sums."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out, self._verbose = out, verbose
        self._listed = self._left_out = 0

    def begin(self, heading: Heading) -> None:
        """Say what is audited, and what could not be seen."""
        print(f"audit of {escaped(heading.repository)}: {', '.join(map(escaped, heading.revisions))}", file=self._out)
        print(f"policy: {escaped(heading.policy)}; trust root: {escaped(heading.trust_root)}", file=self._out)
        for notice in heading.notices:
            print(f"note: {escaped(notice)}", file=self._out)

    def record(self, record: Record) -> None:
        """One line, up to a number of lines that a person would still read."""
        if record.accepted and not self._verbose:
            return
        if self._listed >= MAX_LISTED and not self._verbose:
            self._left_out += 1
            return
        self._listed += 1
        who = f" by {escaped(record.identity)}" if record.identity else ""
        name = f" {escaped(record.ref)}" if record.kind == "tag" else ""
        subject = escaped(record.subject)
        print(f"{record.oid[:16]}{name} {record.verdict}{who}: {sentence(record)} | {subject}", file=self._out)

    def records(self, records: Batch) -> None:
        """Beyond that number most need not even be made."""
        if (
            isinstance(records, UnsignedRun)
            and self._listed >= MAX_LISTED
            and not (self._verbose or records.first.accepted)
        ):
            self._left_out += len(records)
            return
        super().records(records)

    def end(self, rollup: Rollup) -> None:
        """The sums."""
        if self._left_out:
            print(f"... and {self._left_out} more (--verbose or --format ndjson lists all)", file=self._out)
        for (who, issuer), seen in sorted(rollup.identities.items(), key=lambda item: -item[1].commits)[:20]:
            print(f"  {seen.commits:>7} by {escaped(who)} ({escaped(issuer) or 'key'})", file=self._out)
        for line in summary_lines(rollup):
            print(line, file=self._out)


class NdjsonReport(ReportFormat):
    """One JSON object a line: a record each, then one of type ``summary``."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._heading: Heading | None = None
        self._encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

    def begin(self, heading: Heading) -> None:
        """The heading goes into the summary, so that every other line is a record."""
        self._heading = heading

    def record(self, record: Record) -> None:
        """One line."""
        self._out.write(self._encode(as_object(record)) + "\n")

    def end(self, rollup: Rollup) -> None:
        """The summary."""
        heading = self._heading.as_object() if self._heading else {}
        value = {"type": "summary", **heading, **rollup.as_object(), "exit_status": rollup.exit_status}
        self._out.write(self._encode(value) + "\n")


class JsonReport(ReportFormat):
    """One JSON object: ``heading``, ``records``, ``summary``; written as it comes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._first = True

    def begin(self, heading: Heading) -> None:
        """The heading, and the start of the records."""
        self._out.write('{"heading":' + json.dumps(heading.as_object()) + ',\n"records":[')

    def record(self, record: Record) -> None:
        """One element."""
        self._out.write(("\n" if self._first else ",\n") + json.dumps(as_object(record)))
        self._first = False

    def end(self, rollup: Rollup) -> None:
        """The sums."""
        summary = {**rollup.as_object(), "exit_status": rollup.exit_status}
        self._out.write('],\n"summary":' + json.dumps(summary) + "}\n")
