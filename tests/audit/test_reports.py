"""Every format says the same, is valid by its schema, and is not fooled by what commits contain."""

import hashlib
import io
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

import cmarkgfm
import jsonschema
import pytest
import xmlschema

from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch, UnsignedRun
from gitsign_py.audit.reports.base import Heading, ReportFormat
from gitsign_py.audit.reports.html import HtmlReport
from gitsign_py.audit.reports.junit import JunitReport
from gitsign_py.audit.reports.markdown import MarkdownReport
from gitsign_py.audit.reports.plain import MAX_LISTED, JsonReport, NdjsonReport, TextReport
from gitsign_py.audit.reports.sarif import SarifReport
from gitsign_py.audit.reports.terminal import TerminalReport
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.scan import Scanned
from gitsign_py.policy.facts import VERDICTS, Decision, Verdict
from tests.support.schemas import PUBLISHED, SCHEMAS
from tests.support.webdriver import AVAILABLE, chromium

EVIL = "</script><script>alert(1)</script> ]]> & \x1b[31m \u202e `x` [l](u) | <!-- é"
HEADING = Heading("/srv/r.git", ("HEAD",), "none", "", "file", "a" * 64, "0.1.0", "2024-05-01T10:00:00Z", ("shallow",))


def record(number: int, verdict: str = "verified", **more: object) -> Record:
    oid = f"{number:040x}"
    base = Record(oid, verdict, verdict, f"it is {verdict}", committed=1_700_000_000 + number * 86_400, author="a@x")  # type: ignore[arg-type]
    return base._replace(**more)  # type: ignore[arg-type]


def all_records() -> list[Record]:
    records = [record(number, verdict) for number, verdict in enumerate(VERDICTS)]
    records[0] = records[0]._replace(
        identity="alice@example.com",
        issuer="https://i",
        time="2024-01-01T00:00:00Z",
        time_source="log",
        log_index=4,
        steps=("1.1",),
        format="sigstore",
    )
    records.append(record(90, "unsigned", subject=EVIL, author=EVIL, message=EVIL))
    records.append(record(91, kind="tag", ref="refs/tags/v1", identity=EVIL))
    return records


def write(make: Callable[[TextIO], ReportFormat], records: Iterable[Record]) -> tuple[str, Rollup]:
    out, rollup = io.StringIO(), Rollup()
    report = make(out)
    report.begin(HEADING)
    for one in records:
        rollup.add([one])
        report.record(one)
    report.end(rollup)
    return out.getvalue(), rollup


def schema(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SCHEMAS / name).read_text())
    return loaded


def test_ndjson() -> None:
    text, rollup = write(NdjsonReport, all_records())
    *lines, last = (json.loads(line) for line in text.splitlines())
    for line in lines:
        jsonschema.validate(line, schema("audit-record.json"))
    jsonschema.validate(last, schema("audit-summary.json"))
    assert len(lines) == rollup.total == 11
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
    assert len(files) == 2
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
    assert 'tests="11" failures="6" errors="1"' in text


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
    assert "note: shallow" in text
    assert "11 judged" in text
    assert "coverage 36.4 %" in text
    long, _ = write(TextReport, (record(number, "unsigned") for number in range(600)))
    assert "... and 100 more" in long
    assert "longest unsigned run: 600 commits" in long


def test_terminal_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text, _ = write(TerminalReport, all_records())
    assert "\x1b[3" not in text
    assert "11 judged" in text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_html_in_a_real_browser(tmp_path: Path) -> None:
    """Opens in Chromium with no console message, runs its script, and nothing out of a commit becomes markup."""
    text, _ = write(HtmlReport, all_records())
    assert "http://" not in text.replace("http://www.w3.org", "")
    page = tmp_path / "audit.html"
    page.write_text(text)
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
            f"--user-data-dir={tmp_path / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    dom, said = done.stdout.decode(), done.stderr.decode()
    assert "CONSOLE" not in said, said
    assert "11 of 11 shown" in dom
    assert dom.count("<script") == 2
    assert "alert(1)&lt;/script&gt;" in dom


@pytest.mark.skipif(not AVAILABLE, reason="chromium and chromedriver are not installed")
def test_html_is_readable_at_every_width(tmp_path: Path) -> None:
    """No line of a verdict is broken, nothing is cut off on a phone, and it sorts and filters."""
    wide = "x" * 200
    more = [record(500 + n, "identity-mismatch", subject=wide, identity=wide, issuer=wide, ref=wide) for n in range(3)]
    path = tmp_path / "audit.html"
    path.write_text(write(HtmlReport, [*all_records(), *more])[0])
    with chromium(tmp_path) as browser:
        for width in (360, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
            browser.open(path.as_uri())
            assert browser.script("return document.documentElement.scrollWidth") <= width
            lines = (
                "return [...document.querySelectorAll('td:nth-child(2) bdi')].map((one) => one.getClientRects().length)"
            )
            assert set(browser.script(lines)) == {1}
            browser.click("button[data-column='1']")
            assert browser.text("tbody#body tr:first-child").split()[1] == "bad"
            browser.type("#search", "identity-mis")
            assert browser.text("#shown") == "4 of 4 shown"


def test_html_leaves_out_accepted_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.reports.html.MAX_ROWS", 3)
    text, _ = write(HtmlReport, [*(record(number) for number in range(5)), record(9, "bad")])
    assert "2 more accepted commits are not listed" in text
    assert f"{9:040x}" in text


def test_branches_are_listed_where_there_are_several() -> None:
    some = [record(n, "bad" if n == 1 else "verified", ref=f"refs/heads/<b>{n // 3}") for n in range(6)]
    html, text = write(HtmlReport, some)[0], write(TextReport, some)[0]
    assert "<td><bdi>refs/heads/&lt;b&gt;0</bdi></td><td class=n>3</td><td class=n>2</td>" in html
    assert "by ref: refs/heads/<b>0 2 of 3, refs/heads/<b>1 3 of 3\n" in text
    many = [record(n, ref=f"refs/heads/{n}") for n in range(60)]
    assert "10 more refs are not listed" in write(HtmlReport, many)[0]
    assert "and 50 more refs" in write(TextReport, many)[0]
    assert "by ref" not in write(TextReport, some[:2])[0]
    tags = [record(n, kind="tag", ref=f"refs/tags/{n}") for n in range(60)]
    assert "by ref: 60 tags 60 of 60, refs/heads/<b>0 1 of 1\n" in write(TextReport, [*tags, some[0]])[0]


def test_rollup_sums() -> None:
    rollup = Rollup()
    for number in range(10):
        verdict: Verdict = "unsigned" if number in (2, 3, 4) else "verified"
        time = f"2024-0{1 + number // 4}-01T00:00:00Z"
        rollup.add([record(number, verdict, identity="a@x", issuer="i", time=time)])
    rollup.add([record(11, identity="new@x", issuer="i", time="2024-04-01T00:00:00Z")])
    value = rollup.as_object()
    assert value["longest_unsigned_run"] == {"length": 3, "first": f"{2:040x}", "last": f"{4:040x}"}
    assert value["new_identities"] == [{"identity": "new@x", "issuer": "i"}]
    assert value["identities"][0] == {
        "identity": "a@x",
        "issuer": "i",
        "commits": 10,
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-03-01T00:00:00Z",
    }
    assert sum(month["commits"] for month in value["months"].values()) == 11
    assert rollup.exit_status == 1


def test_the_text_report_lists_as_many_however_records_come() -> None:
    items = [Scanned(f"{n:040x}", "commit", subject=f"s{n}") for n in range(MAX_LISTED)]
    kinds: tuple[tuple[Verdict, bool], ...] = (("unsigned", True), ("exempt", False))
    for verdict, more in kinds:
        batch = UnsignedRun(items, Decision(verdict, verdict, "it is"), "refs/heads/main")
        texts = []
        ways: tuple[list[Batch], ...] = [batch, batch], [[record] for record in (*batch, *batch)]
        for batches in ways:
            out, rollup = io.StringIO(), Rollup()
            report = TextReport(out)
            for records in batches:
                report.records(records)
                rollup.add(records)
            report.end(rollup)
            texts.append(out.getvalue())
        assert texts[0] == texts[1]
        assert (f"... and {MAX_LISTED} more" in texts[0]) is more


def test_sums_do_not_depend_on_how_records_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.rollup._MAX_KINDS", 20)
    chooser = random.Random(3)
    kinds: list[dict[str, object]] = [
        {},
        {"kind": "tag", "ref": "refs/tags/v1"},
        {"identity": "a@x", "issuer": "i", "time": "2024-01-01T00:00:00Z"},
        {"identity": "b@x", "issuer": "i", "time": "2023-01-01T00:00:00Z", "ref": "refs/heads/b"},
        {"author": "b@x"},
        {"committed": None},
        {"committed": 10**12},
    ]
    verdicts: tuple[Verdict, ...] = ("unsigned", "unsigned", "unsigned", "verified", "bad")
    some = [record(n, chooser.choice(verdicts), **chooser.choice(kinds)) for n in range(300)]
    alone, together, cut = Rollup(), Rollup(), Rollup()
    for one in some:
        alone.add([one])
    together.add(some)
    for at in range(0, 300, 7):
        cut.add(some[at : at + 7])
    assert alone.as_object() == together.as_object() == cut.as_object()
    assert alone.total == 300
    assert alone.tags == sum(one.kind == "tag" for one in some)
    assert sum(month.commits for month in alone.branches.values()) == 300
    items = [Scanned(f"{n:040x}", "commit", author=f"{n % 3}@x", committed=10**9 + n * 10**6) for n in range(50)]
    unsigned = UnsignedRun(items, Decision("unsigned", "unsigned", "it is"), "refs/heads/main")
    alone.add(unsigned)
    together.add(list(unsigned))
    assert alone.as_object() == together.as_object()
    assert [one.oid for one in unsigned] == [item.oid for item in items]
    assert (unsigned.first, len(unsigned)) == (next(iter(unsigned)), 50)


def test_exit_statuses() -> None:
    for verdicts, status in (
        ((), 0),
        (("verified", "exempt", "forge-merge"), 0),
        (("verified", "unchecked"), 3),
        (("unchecked", "bad"), 1),
    ):
        rollup = Rollup()
        for number, verdict in enumerate(verdicts):
            rollup.add([record(number, verdict)])
        assert rollup.exit_status == status


def test_times_that_no_calendar_holds() -> None:
    rollup = Rollup()
    rollup.add([record(1, committed=10**12 - 1)])
    assert list(rollup.months) == ["unknown"]
