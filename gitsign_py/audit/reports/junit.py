"""JUnit XML, as CI servers read it: a test case for each commit, failed when it is not accepted.

The numbers stand in the opening tag, before anything is known; the cases wait in a temporary file until then.
"""

import shutil
import tempfile
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence, warning_lines
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped

_IN_MEMORY = 1 << 20


class JunitReport(ReportFormat):
    """``unchecked`` is an error, every other refusal a failure."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._cases = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 - closed in end
        self._time = ""
        self._heading: Heading | None = None

    def begin(self, heading: Heading) -> None:
        """The time of the run, as the schema wants it: without a zone; and what was not seen."""
        self._time = heading.time.removesuffix("Z").partition(".")[0]
        self._heading = heading

    def record(self, record: Record) -> None:
        """One test case."""
        name = quoteattr(escaped(f"{record.oid} {record.subject}"))
        self._cases.write(f'  <testcase classname="{record.kind}" name={name} time="0">')
        if not record.accepted:
            element = "error" if record.verdict == "unchecked" else "failure"
            words = escaped(sentence(record))
            self._cases.write(
                f'<{element} type="{record.verdict}" message={quoteattr(words)}>{escape(words)}</{element}>'
            )
        self._cases.write("</testcase>\n")

    def end(self, rollup: Rollup) -> None:
        """The suite around the cases."""
        errors = rollup.verdicts["unchecked"]
        failures = rollup.total - rollup.accepted - errors
        assert self._heading is not None  # noqa: S101 - begin comes first
        self._out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        self._out.write(
            f'<testsuite name="gitsign-py audit" tests="{rollup.total}" failures="{failures}" errors="{errors}" '
            f'skipped="0" time="0" timestamp="{self._time}" hostname="localhost">\n'
        )
        self._out.write("  <properties>\n")
        for name, text in (*_figures(rollup), *self._heading.lines()):
            self._out.write(f"    <property name={quoteattr(name or '-')} value={quoteattr(escaped(text))}/>\n")
        self._out.write("  </properties>\n")
        self._cases.seek(0)
        shutil.copyfileobj(self._cases, self._out)
        self._cases.close()
        said = escape("\n".join(map(escaped, (*warning_lines(rollup), *self._heading.notices))))
        self._out.write(f"  <system-out>{said}</system-out>\n  <system-err/>\n</testsuite>\n")


def _figures(rollup: Rollup) -> list[tuple[str, str]]:
    figures = {"total": rollup.total, "verified": rollup.verified}
    figures |= {"accepted": rollup.accepted, "judged": rollup.judged}
    return [*((name, str(count)) for name, count in figures.items()), ("coverage_percent", str(rollup.coverage))]
