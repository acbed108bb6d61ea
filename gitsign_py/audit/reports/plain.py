"""Text for a terminal without tricks or a log file; JSON and NDJSON for programs (docs/schemas)."""

import json
from typing import TextIO

from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import (
    Heading,
    ReportFormat,
    cause_lines,
    sentence,
    signer_lines,
    summary_lines,
    warning_lines,
)
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped


class TextReport(ReportFormat):
    """The sums, then one line for each cause; with ``verbose`` first a line for each commit."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out, self._verbose = out, verbose

    def begin(self, heading: Heading) -> None:
        """Say what is audited, and what could not be seen."""
        for about, text in heading.lines():
            print(f"{about:<11} {escaped(text)}", file=self._out)
        print(file=self._out)

    def record(self, record: Record) -> None:
        """One line, for who asks for each commit."""
        if not self._verbose:
            return
        who = f" by {escaped(record.identity)}" if record.identity else ""
        name = f" {escaped(record.ref)}" if record.kind == "tag" else ""
        subject = escaped(record.subject)
        print(f"{record.oid[:16]}{name} {record.verdict}{who}: {sentence(record)} | {subject}", file=self._out)

    def records(self, records: Batch) -> None:
        """Records that nobody reads one by one need not even be made."""
        if self._verbose:
            super().records(records)

    def end(self, rollup: Rollup) -> None:
        """The sums."""
        for line in (*warning_lines(rollup), *summary_lines(rollup)):
            print(line, file=self._out)
        if rollup.causes:
            print("\nnot accepted, by cause:", file=self._out)
        for line in cause_lines(rollup):
            print(line, file=self._out)
        for line in signer_lines(rollup):
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
