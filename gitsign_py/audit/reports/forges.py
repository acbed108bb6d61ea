"""The formats that forges show beside a change: GitLab's Code Quality, GitHub's annotations; and CSV for a
spreadsheet.
"""

import csv
import hashlib
import json
from collections.abc import Iterable
from typing import Any, TextIO

from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import Heading, ReportFormat, figure_lines, sentence, warning_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.model import POLICY_PATH

_SEVERITY = {"bad": "blocker", "malformed": "blocker", "unauthorised": "critical", "unchecked": "minor"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class GitlabReport(ReportFormat):
    """One Code Quality issue for each commit that is not accepted (GitLab's docs, "Code Quality report format").

    A commit is no place in a file: it stands at the first line of the policy. So do the heading, and what the audit did
    not see.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._first = True

    def begin(self, heading: Heading) -> None:
        """The start of the array, an issue with the heading, and one for each thing that the audit did not see."""
        self._out.write("[")
        self._write(_audited(heading))
        for notice in heading.notices:
            self._write(_not_seen(notice))

    def record(self, record: Record) -> None:
        """One issue."""
        if not record.accepted:
            self._write(_issue(record))

    def _write(self, issue: dict[str, Any]) -> None:
        self._out.write(("\n" if self._first else ",\n") + json.dumps(issue))
        self._first = False

    def end(self, rollup: Rollup) -> None:  # noqa: ARG002 - the format has no place for it
        """The end of it."""
        self._out.write("\n]\n")


def _issue(record: Record) -> dict[str, Any]:
    words = f"{record.kind} {record.oid[:12]} {record.verdict}: {sentence(record)} ({escaped(record.subject)})"
    return _at_policy(
        description=words,
        check_name=f"gitsign/{record.reason or record.verdict}",
        fingerprint=record.oid,
        severity=_SEVERITY.get(record.verdict, "major"),
    )


def _audited(heading: Heading) -> dict[str, Any]:
    """One fingerprint for every run, so that GitLab does not call it new in each merge request."""
    digest = hashlib.sha256(b"gitsign/audited").hexdigest()
    words = escaped("; ".join(heading.facts()))
    return _at_policy(description=words, check_name="gitsign/audited", fingerprint=digest, severity="info")


def _not_seen(notice: str) -> dict[str, Any]:
    text = escaped(notice)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _at_policy(description=text, check_name="gitsign/not-seen", fingerprint=digest, severity="info")


def _at_policy(**members: str) -> dict[str, Any]:
    return {**members, "location": {"path": POLICY_PATH, "lines": {"begin": 1}}}


class GithubReport(ReportFormat):
    """One annotation for each cause: GitHub shows ten of a step ("Workflow commands for GitHub Actions")."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, heading: Heading) -> None:
        """The heading, and the things that the audit did not see."""
        self._say("notice", "audited", "; ".join(heading.facts()))
        for notice in heading.notices:
            self._say("warning", "not seen", notice)

    def record(self, record: Record) -> None:
        """Causes count, not commits."""

    def records(self, records: Batch) -> None:
        """The same for several."""

    def end(self, rollup: Rollup) -> None:
        """The causes, and the figures."""
        for line in warning_lines(rollup):
            self._say("warning", "signatures", line)
        for cause in rollup.causes.sorted():
            kind = "warning" if cause.verdict == "unchecked" else "error"
            many = "1 commit" if cause.commits == 1 else f"{cause.commits} commits"
            words = f"{cause.words} [{cause.reason}], first {cause.example[:12]}; to do: {cause.todo}"
            self._say(kind, f"{many} {cause.verdict}", words)
        self._say("notice", "signatures", "; ".join(figure_lines(rollup)))

    def _say(self, kind: str, title: str, text: str) -> None:
        self._out.write(f"::{kind} title={_property(title)}::{_data(escaped(text))}\n")


def _data(text: str) -> str:
    """As GitHub's runner takes a message apart again."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class CsvReport(ReportFormat):
    """A line for each commit and tag (RFC 4180), with the fields of the JSON records.

    The heading and the notices are lines as well, with their words in ``message``.
    """

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.writer(out, lineterminator="\r\n")
        self._fields = [name for name in Record._fields if name != "steps"]

    def begin(self, heading: Heading) -> None:
        """The names of the columns; then lines of the kinds ``heading`` and ``notice``."""
        self._writer.writerow(self._fields)
        self._say("heading", heading.facts())
        self._say("notice", heading.notices)

    def _say(self, kind: str, lines: Iterable[str]) -> None:
        for text in lines:
            line = {"kind": kind, "message": cell(text)}
            self._writer.writerow([line.get(name, "") for name in self._fields])

    def record(self, record: Record) -> None:
        """One line."""
        value = as_object(record)
        self._writer.writerow([cell(value[name]) for name in self._fields])

    def end(self, rollup: Rollup) -> None:
        """The lines are all."""


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula: what commits say is not ours."""
    if not isinstance(value, str):
        return value
    text = escaped(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


class SeveralReports(ReportFormat):
    """Writes the same audit in several formats."""

    def __init__(self, *reports: ReportFormat) -> None:
        self._reports = reports

    def begin(self, heading: Heading) -> None:
        """Each begins."""
        for report in self._reports:
            report.begin(heading)

    def record(self, record: Record) -> None:
        """Each writes it."""
        for report in self._reports:
            report.record(record)

    def records(self, records: Batch) -> None:
        """The same for several."""
        for report in self._reports:
            report.records(records)

    def end(self, rollup: Rollup) -> None:
        """Each ends."""
        for report in self._reports:
            report.end(rollup)

    def close(self) -> None:
        """Each lets go."""
        for report in self._reports:
            report.close()
