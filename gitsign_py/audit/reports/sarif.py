"""SARIF 2.1.0 (OASIS): one result for each commit that is not accepted; code-scanning pages read it.

A commit is no place in a file, so the location is the policy's file with the commit as a logical location; the
commit's id also stands in ``partialFingerprints``, by which findings are told apart between runs.
"""

import json
from typing import Any, TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import ACCEPTED, VERDICTS
from gitsign_py.policy.model import POLICY_PATH

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ABOUT = {
    "unauthorised": "the signature is good and the policy does not allow it",
    "identity-mismatch": "the commit was signed by somebody else than its committer or author",
    "bad": "the signature does not verify",
    "unsigned": "the commit has no signature",
    "unchecked": "the signature could not be checked",
    "malformed": "the object is not well-formed",
}
_RULES = [verdict for verdict in VERDICTS if verdict not in ACCEPTED]


class SarifReport(ReportFormat):
    """Results are written as they come."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._first = True
        self._heading: Heading | None = None

    def begin(self, heading: Heading) -> None:
        """The tool with its rules, and the start of the results."""
        tool = {
            "driver": {
                "name": "gitsign-py",
                "version": heading.version,
                "informationUri": "https://gitsign-py.invalid",
                "rules": [
                    {"id": f"gitsign/{verdict}", "shortDescription": {"text": _ABOUT[verdict]}} for verdict in _RULES
                ],
            }
        }
        self._heading = heading
        start = {"$schema": SCHEMA, "version": "2.1.0"}
        self._out.write(json.dumps(start)[:-1] + ', "runs": [{"tool": ' + json.dumps(tool) + ', "results": [')

    def record(self, record: Record) -> None:
        """One result for what is not accepted."""
        if record.accepted:
            return
        self._out.write(("\n" if self._first else ",\n") + json.dumps(_result(record)))
        self._first = False

    def end(self, rollup: Rollup) -> None:
        """Close, with what was not seen (section 3.20.21, toolExecutionNotifications) and the sums as properties."""
        run: dict[str, Any] = {"executionSuccessful": rollup.exit_status != 3, "exitCode": rollup.exit_status}
        heading = self._heading
        if heading and heading.notices:
            told = ({"level": "warning", "message": {"text": escaped(notice)}} for notice in heading.notices)
            run["toolExecutionNotifications"] = list(told)
        figures = {"verified": rollup.verified, "accepted": rollup.accepted, "judged": rollup.judged}
        properties: dict[str, Any] = {"total": rollup.total, **figures, "coverage_percent": rollup.coverage}
        properties |= {"heading": heading.as_object() if heading else {}}
        self._out.write(f'], "invocations": [{json.dumps(run)}], "properties": {json.dumps(properties)}}}]}}\n')


def _result(record: Record) -> dict[str, Any]:
    kind = record.kind
    return {
        "ruleId": f"gitsign/{record.verdict}",
        "ruleIndex": _RULES.index(record.verdict),
        "level": "warning" if record.verdict == "unchecked" else "error",
        "message": {"text": f"{kind} {record.oid}: {sentence(record)} ({record.subject})"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": POLICY_PATH, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": record.oid, "kind": kind, "name": record.oid[:12]}],
            }
        ],
        "partialFingerprints": {"object/v1": record.oid},
        "properties": {
            "reason": record.reason,
            "identity": record.identity,
            "issuer": record.issuer,
            "claimed": record.claimed,
        },
    }
