"""Every format says the same, is valid by its schema, and is not fooled by what commits contain."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from functools import partial
from typing import TextIO
from xml.etree import ElementTree

import cmarkgfm
import jsonschema
import pytest
import xmlschema

from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch, UnsignedRun
from gitsign_py.audit.reports.base import ReportFormat
from gitsign_py.audit.reports.forges import CsvReport, GithubReport, GitlabReport
from gitsign_py.audit.reports.formats import FORMATS, open_report
from gitsign_py.audit.reports.html import HtmlReport
from gitsign_py.audit.reports.junit import JunitReport
from gitsign_py.audit.reports.markdown import MarkdownReport
from gitsign_py.audit.reports.plain import JsonReport, NdjsonReport, TextReport
from gitsign_py.audit.reports.sarif import SarifReport
from gitsign_py.audit.reports.terminal import TerminalReport
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.scan import Scanned
from gitsign_py.policy.facts import Decision
from tests.support.reports import HEADING, all_records, record, write
from tests.support.schemas import PUBLISHED, SCHEMAS

OFFICER = (
    *("/srv/r.git", "policy.toml", "b" * 64, "root.json", "a" * 64, "0.1.0", "2024-05-01T10:00:00Z"),
    *("refs/heads/main", "c" * 40, "https://forge.example/r.git", "d" * 40, "TUF root 12", "alice@laptop"),
)


def schema(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SCHEMAS / name).read_text())
    return loaded


def test_ndjson() -> None:
    text, rollup = write(NdjsonReport, all_records())
    *lines, last = (json.loads(line) for line in text.splitlines())
    for line in lines:
        jsonschema.validate(line, schema("audit-record.json"))
    jsonschema.validate(last, schema("audit-summary.json"))
    assert len(lines) == rollup.total == 14
    assert (last["verified"], last["accepted"], last["judged"]) == (2, 7, 13)
    assert (last["coverage_percent"], last["accepted_percent"]) == (14.2, 50.0)
    assert last["verdicts"]["unsigned"] == 2
    assert last["exit_status"] == 1


def test_json() -> None:
    value = json.loads(write(JsonReport, all_records())[0])
    jsonschema.validate(value["summary"] | {"type": "summary"} | value["heading"], schema("audit-summary.json"))
    assert [one["oid"] for one in value["records"]] == [one.oid for one in all_records()]
    assert json.loads(write(JsonReport, [])[0])["records"] == []


def test_published_schemas_are_those_on_record() -> None:
    """What we hold our reports against is what their owners published, byte for byte."""
    record = (PUBLISHED / "PROVENANCE.md").read_text()
    files = [path for path in PUBLISHED.iterdir() if path.suffix in (".json", ".xsd")]
    assert len(files) == 3
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in record, path


@pytest.mark.parametrize("some", [True, False])
def test_sarif_by_the_published_schema(some: bool) -> None:
    value = json.loads(write(SarifReport, all_records() if some else [])[0])
    validator = jsonschema.Draft4Validator(json.loads((PUBLISHED / "sarif-2.1.0-rtm.5.json").read_text()))
    assert [error.message for error in validator.iter_errors(value)] == []
    value["runs"][0]["colour"] = "red"
    assert list(validator.iter_errors(value)), "a schema that lets everything pass proves nothing"


@pytest.mark.parametrize("some", [True, False])
def test_junit_by_the_schema_of_jenkins(some: bool) -> None:
    text, _ = write(JunitReport, all_records() if some else [])
    schema = xmlschema.XMLSchema(str(PUBLISHED / "junit-10.xsd"))
    schema.validate(io.StringIO(text))
    assert not schema.is_valid(io.StringIO(text.replace("<testsuite ", '<testsuite colour="red" ')))


def test_sarif() -> None:
    value = json.loads(write(SarifReport, all_records())[0])
    jsonschema.validate(value, schema("sarif-subset.json"))
    results = value["runs"][0]["results"]
    assert [result["ruleId"] for result in results].count("gitsign/unsigned") == 2
    assert not any(result["ruleId"] == "gitsign/verified" for result in results)
    rules = value["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)
    jsonschema.validate(json.loads(write(SarifReport, [])[0]), schema("sarif-subset.json"))


def test_junit() -> None:
    text, _ = write(JunitReport, all_records())
    xmlschema.XMLSchema(str(SCHEMAS / "junit.xsd")).validate(io.StringIO(text))
    assert 'tests="14" failures="6" errors="1"' in text
    assert '<property name="verified" value="2"/>' in text
    assert '<property name="judged" value="13"/>' in text


def test_markdown_has_no_markup_from_commits() -> None:
    """As GitHub renders it: what a commit says is text in a cell, whatever it looks like."""
    looks = "https://evil.example www.evil.example bob@evil.example @all #1 <b>x</b> [a](b) ![i](u) `` ~~s~~ | *b* &lt;"
    evil = record(95, "bad", subject=looks, message=looks, identity=looks)
    text, _ = write(MarkdownReport, [*all_records(), evil, record(96, "bad", subject="`", identity="``` x")])
    page = ElementTree.fromstring(f"<body>{cmarkgfm.github_flavored_markdown_to_html(text)}</body>")
    assert {element.tag for element in page.iter()} == {
        "body",
        "h2",
        "p",
        "strong",
        "code",
        "blockquote",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in page.iter("tr")]
    assert [f"{95:040x}"[:12], "bad", looks, looks, looks] in rows
    assert [f"{96:040x}"[:12], "bad", "it is bad", "``` x", "`"] in rows
    assert "\x1b" not in text
    long, _ = write(MarkdownReport, (record(number, "bad") for number in range(150)))
    assert "… and 50 more" in long


def test_text_lists_what_is_refused() -> None:
    text, _ = write(TextReport, all_records())
    assert "\x1b" not in text
    assert "note        shallow\n" in text
    assert "2 of 14 verified (14.2 %): signed by somebody who may" in text
    assert "7 of 14 accepted (50.0 %): any good signature\n" in text
    assert "13 of 14 judged (92.8 %): not exempt" in text
    long, _ = write(TextReport, (record(number, "unsigned") for number in range(600)))
    assert "    600 unsigned: no signature [unsigned]" in long
    assert len(long.splitlines()) < 30, "one line for each cause, not for each commit"
    assert "longest unsigned run: 600 commits" in long
    every, _ = write(partial(TextReport, verbose=True), (record(number, "unsigned") for number in range(600)))
    assert every.count(" unsigned: it is unsigned") == 600


def test_terminal_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text, _ = write(TerminalReport, all_records())
    assert "\x1b[3" not in text
    assert "2 of 14 verified (14.2 %)" in text


def test_branches_are_listed_where_there_are_several() -> None:
    some = [record(n, "bad" if n == 1 else "verified", ref=f"refs/heads/<b>{n // 3}") for n in range(6)]
    html, text = write(HtmlReport, some)[0], write(TextReport, some)[0]
    assert "<td><bdi>refs/heads/&lt;b&gt;0</bdi></td><td class=n>3</td><td class=n>2</td><td class=n>2</td>" in html
    assert "verified by ref: refs/heads/<b>0 2 of 3, refs/heads/<b>1 3 of 3\n" in text
    many = [record(n, ref=f"refs/heads/{n}") for n in range(60)]
    assert "10 more refs are not listed" in write(HtmlReport, many)[0]
    assert "and 50 more refs" in write(TextReport, many)[0]
    assert "by ref" not in write(TextReport, some[:2])[0]
    tags = [record(n, kind="tag", ref=f"refs/tags/{n}") for n in range(60)]
    assert "by ref: 60 tags 60 of 60, refs/heads/<b>0 1 of 1\n" in write(TextReport, [*tags, some[0]])[0]


def test_the_text_report_says_the_same_however_records_come() -> None:
    items = [Scanned(f"{n:040x}", "commit", subject=f"s{n}") for n in range(500)]
    for verdict in ("unsigned", "exempt"):
        batch = UnsignedRun(items, Decision(verdict, verdict, "it is"), "refs/heads/main")
        assert {len(record) for record in batch} == {len(Record._fields)}
        texts = []
        ways: tuple[list[Batch], ...] = [batch, batch], [[record] for record in (*batch, *batch)]
        for batches in ways:
            out, rollup = io.StringIO(), Rollup()
            report = TextReport(out, verbose=True)
            for records in batches:
                report.records(records)
                rollup.add(records)
            report.end(rollup)
            texts.append(out.getvalue())
        assert texts[0] == texts[1]
        assert texts[0].count("| s7\n") == 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_an_officer_asks(name: str) -> None:
    """Which commits, which remote, which policy and trust root, who, when, by which version, and what was not seen."""
    text, _ = write(partial(open_report, name), [record(1)])
    flat = "".join(text.split())  # a terminal breaks long lines
    for fact in (*OFFICER, "shallow"):
        assert fact.replace(" ", "") in flat, fact


@pytest.mark.parametrize("make", [TextReport, TerminalReport, MarkdownReport, HtmlReport])
def test_an_introduction_that_exempts_more_than_it_judges_is_said_first(
    make: Callable[[TextIO], ReportFormat],
) -> None:
    text, rollup = write(make, [*(record(n, "exempt") for n in range(9)), record(10)])
    warning = text.index("9 of 10 are exempt")
    assert warning < text.index("verified", text.index("1 judged") if "1 judged" in text[:warning] else warning)
    assert rollup.coverage == 10.0
    nothing, _ = write(make, [record(n, "exempt") for n in range(9)])
    assert "nothing was judged: all 9 are exempt" in nothing
    assert "100.0 %</b> verified" not in nothing
    assert "9 of 9 verified" not in nothing


def test_good_signatures_by_anybody_are_said_first_with_what_to_do() -> None:
    """Without a policy nothing is verified, and the reader is told how to change that."""
    for make in (TextReport, MarkdownReport, HtmlReport, JunitReport, GithubReport):
        text, _ = write(make, [record(n, "good") for n in range(3)])
        assert "so 3 good signatures are by anybody and not verified: gitsign-py policy init" in text, make
        assert "by the policy" not in text, "there is none"
        by_policy, _ = write(make, [record(1), record(2, "exempt")])
        assert "by anybody" not in by_policy
    text, _ = write(TextReport, [record(1), record(2, "exempt")])
    assert "2 of 2 accepted (100.0 %): by the policy, exemptions included\n" in text


def test_keys_stand_under_the_names_that_the_policy_gives() -> None:
    some = [record(1, identity="SHA256:abc", principal="bob", format="ssh")]
    for make in (TextReport, TerminalReport, HtmlReport):
        text, _ = write(make, some)
        assert "bob" in text.split("SHA256:abc")[0][-40:]


@pytest.mark.parametrize("make", [TextReport, TerminalReport, HtmlReport, MarkdownReport, JunitReport, GithubReport])
def test_people_read_which_trust_root_judged_in_the_end(make: Callable[[TextIO], ReportFormat]) -> None:
    out, rollup = io.StringIO(), Rollup()
    rollup.add([record(1)])
    rollup.newer_root = "e" * 64, "TUF root 3, timestamp 9"
    report = make(out)
    report.begin(HEADING)
    report.end(rollup)
    assert f"from there on TUF root 3, timestamp 9, sha256 {'e' * 64} judged" in " ".join(out.getvalue().split())


def test_gitlab_code_quality() -> None:
    """Each issue has what GitLab's format asks for, and its fingerprint tells it apart between runs."""
    audited, unseen, *issues = json.loads(write(GitlabReport, all_records())[0])
    assert (audited["check_name"], audited["severity"]) == ("gitsign/audited", "info")
    assert (unseen["check_name"], unseen["severity"]) == ("gitsign/not-seen", "info")
    assert len(issues) == 7
    for issue in issues:
        assert {"description", "check_name", "fingerprint", "severity", "location"} == set(issue)
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"] == {"path": ".gitsign/policy.toml", "lines": {"begin": 1}}
    assert len({issue["fingerprint"] for issue in issues}) == 7
    assert json.loads(write(GitlabReport, [])[0]) == [audited, unseen]


def test_github_annotations_are_one_for_each_cause() -> None:
    """A message of a commit starts no command of its own."""
    evil = record(95, "bad", reason="no-such", message="x\n::error::y%0A", subject="::set-output name=a::b")
    text, _ = write(GithubReport, [*all_records(), evil, *(record(n, "unsigned") for n in range(200, 300))])
    lines = text.splitlines()
    assert all(re.match(r"::(error|warning|notice) title=[^:]*::\S", line) for line in lines)
    assert len([line for line in lines if line.startswith("::error")]) == 6
    assert "::error title=102 commits unsigned::no signature [unsigned]" in text
    assert lines[-1].startswith("::notice title=signatures::2 of 115 verified (1.7 %25)")


def test_csv_is_no_formula() -> None:
    some = [record(1, subject="=cmd()", author="+1"), record(2, subject='a "b", c\nd')]
    lines = list(csv.DictReader(io.StringIO(write(CsvReport, some)[0])))
    *heading, unseen = (line for line in lines if line["kind"] in ("heading", "notice"))
    rows = lines[len(heading) + 1 :]
    assert {(one["kind"], one["oid"], bool(one["message"])) for one in heading} == {("heading", "", True)}
    assert (unseen["kind"], unseen["oid"], bool(unseen["message"])) == ("notice", "", True)
    assert [row["oid"] for row in rows] == [one.oid for one in some]
    assert (rows[0]["subject"], rows[0]["author"], rows[1]["subject"]) == ("'=cmd()", "'+1", 'a "b", c\\nd')
    assert rows[0]["verdict"] == "verified"
