"""docs/reasons.md and docs/verification.md say what the code does: every reason code, and nothing that is gone."""

import re
from pathlib import Path

from gitsign_py.verification.steps import TITLES
from gitsign_py.verification.verdict import LACKING
from tests.house import reasonspage
from tests.house.reasons import raised
from tests.house.reasonspage import ELSEWHERE, statuses
from tests.support.source import PACKAGE, modules, text

DOCS = PACKAGE.parent / "docs"
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
ROW = re.compile(r"\| `([^`]+)` \| ([0-9, ]+) \| ([0-9., ]*) \| ([^|]+) \| ([^|]+) \|\Z")


def rows() -> dict[str, tuple[str, str, str, str]]:
    """Status, step, meaning and action by code."""
    found: dict[str, tuple[str, str, str, str]] = {}
    for line in (DOCS / "reasons.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            match = ROW.match(line)
            assert match, line
            code, status, step, meaning, action = match.groups()
            assert code not in found, f"{code} stands twice"
            found[code] = (status.strip(), step.strip(), meaning.strip(), action.strip())
    return found


def test_the_reader_of_the_source_finds_what_is_known() -> None:
    codes = raised()
    assert len(codes) > 300
    assert codes["set-invalid"] == {"InvalidSignatureError"}
    assert codes["log-unreachable"] == {"UncheckedError"}
    assert {"inclusion-proof-too-short", "header-duplicate", "stack-port-busy", "oidc-refused"} <= set(codes)
    assert {"timestamp-signature-invalid", "signature-unverifiable"} <= set(codes)


def test_every_code_is_in_kebab_case() -> None:
    assert [code for code in raised() if not KEBAB.match(code)] == []


def test_every_code_is_documented() -> None:
    assert sorted(set(raised()) - set(rows())) == []


def test_every_documented_code_exists() -> None:
    assert sorted(set(rows()) - set(raised()) - set(ELSEWHERE)) == []
    source = "".join(map(text, modules()))
    assert all(code in source for code in ELSEWHERE)


def test_the_page_is_what_its_generator_makes() -> None:
    text = reasonspage.PAGE.read_text(encoding="utf-8")
    assert reasonspage.page(text) == text
    spoiled = text.replace("| `log-unknown` | 3 |", "| `log-unknown` | 1 |").replace("`sct-log-unknown`, ", "")
    assert spoiled != text
    assert reasonspage.page(spoiled) == text


def test_the_table_of_verdicts_is_whole() -> None:
    """What is raised as unchecked in a step is in the table; what is there is never usage, or a policy's word."""
    assert sorted(set(LACKING) - set(raised())) == []
    for code, (status, step, _, _) in rows().items():
        assert not (step and "3" in status) or code in LACKING, code
    for code in LACKING:
        assert raised()[code] <= {"UncheckedError", "ServiceError", "VerificationError", "FormatError"}, code


def test_rows_have_status_step_meaning_and_action() -> None:
    for code, (status, step, meaning, action) in rows().items():
        assert [int(each) for each in status.split(", ")] == statuses(code), code
        assert all(number == "0" or number in TITLES for number in step.split(", ") if number), code
        assert meaning, code
        assert action.endswith("."), code


def listed_by_step() -> dict[str, set[str]]:
    """The codes that docs/verification.md gives for each of its steps (0 for the object)."""
    found: dict[str, set[str]] = {}
    step = ""
    for line in (DOCS / "verification.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            step = "0" if line.startswith("## 0") else ""
        elif match := re.match(r"\*\*([1-6]\.[1-9]) ", line):
            step = match[1]
        if step:
            found.setdefault(step, set()).update(re.findall(r"`((?:[a-z0-9]+-)+(?:[a-z0-9]+|\.\.\.)|unsigned)`", line))
    return found


NOT_CODES = {"git-rev-parse", "any-identity"}


def test_codes_of_verification_exist() -> None:
    known = set(raised())
    for step, codes in listed_by_step().items():
        for code in codes - NOT_CODES:
            family = code.removesuffix("...")
            assert any(each.startswith(family) for each in known) if family != code else code in known, (step, code)


def test_steps_of_the_reasons_are_those_of_verification() -> None:
    """Both ways; a family (``der-...``) stands for all of its codes."""
    by_step = listed_by_step()
    assert set(by_step) >= set(TITLES) - {"6.2"}
    for code, (_, steps, _, _) in rows().items():
        for step in [each for each in steps.split(", ") if each]:
            families = tuple(each.removesuffix("...") for each in by_step[step] if each.endswith("..."))
            assert code in by_step[step] or code.startswith(families), (code, step)
    for step, codes in by_step.items():
        for code in codes - NOT_CODES:
            if not code.endswith("..."):
                assert step in rows()[code][1].split(", "), (code, step)


def test_the_steps_of_verification_are_described_once() -> None:
    text = (Path(DOCS) / "verification.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*([1-6]\.[1-9]) ", text, re.MULTILINE) == list(TITLES)
