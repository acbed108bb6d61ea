"""The join of logs and repositories: what no commit explains, and what a commit says and its log does not have."""

import json
from pathlib import Path

import pytest

from tests.support.faultystack import FaultyStack
from tests.support.localstackkit import certify
from tests.support.workbench import EMAIL, Workbench


@pytest.fixture
def theirs(faulty: FaultyStack, tmp_path: Path) -> Workbench:
    made = Workbench(tmp_path, faulty)
    made.init()
    return made


def found(bench: Workbench, *more: str, status: int = 0) -> list[tuple[str, str]]:
    """Kind and message of the new findings, hits aside."""
    options = ("--state", str(bench.folder / "state" / "m"), "--identity", EMAIL, "--json", "--grace", "0")
    done = bench.tool("monitor", *options, "--repo", str(bench.repo), *more)
    assert done.returncode == status, (done.stdout, done.stderr)
    values = [json.loads(line) for line in done.stdout.splitlines()]
    return [(one["kind"], one["message"]) for one in values if one["kind"] != "watch-hit"]


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_an_entry_without_a_commit_is_the_alarm_of_a_stolen_token(theirs: Workbench, mode: str) -> None:
    theirs.configure(f"gitsign.rekorMode={mode}")
    first = theirs.commit("first")
    assert found(theirs) == []
    theirs.commit("on a branch")
    theirs.git("tag", "-s", "-m", "a tag", "v1")
    assert found(theirs) == []
    theirs.commit("elsewhere")
    theirs.git("reset", "-q", "--hard", first)
    ((kind, words),) = found(theirs, status=1)
    assert kind == "entry-unexplained"
    assert EMAIL in words
    assert found(theirs) == []


def test_what_is_pushed_in_time_is_explained(theirs: Workbench) -> None:
    theirs.commit("first")
    assert found(theirs) == []
    oid = theirs.commit("not pushed yet")
    theirs.git("reset", "-q", "--hard", "HEAD~1")
    assert found(theirs, "--grace", "1h") == []
    theirs.git("branch", "late", oid)
    assert found(theirs) == []


def test_a_certificate_that_signed_nothing_is_told(theirs: Workbench) -> None:
    theirs.commit("first")
    assert found(theirs) == []
    certify(theirs.stack, EMAIL)
    assert [kind for kind, _ in found(theirs)] == ["certificate-unused"]


def test_an_entry_that_the_log_showed_to_the_signer_alone(theirs: Workbench) -> None:
    assert isinstance(theirs.stack, FaultyStack)
    theirs.commit("first")
    theirs.commit("second")
    assert found(theirs) == []
    theirs.stack.break_it("rekor1:fork")
    oid = theirs.commit("in the other history")
    theirs.stack.break_it()
    theirs.commit("and on")
    told = dict(found(theirs, status=1))
    assert set(told) == {"entry-not-logged", "certificate-unused"}, "the log that we see has no use of it either"
    assert told["entry-not-logged"].startswith(oid)
    assert found(theirs, status=1) == [], "it stays an alarm, and is told once"


def test_a_repository_that_is_not_there_explains_nothing(theirs: Workbench) -> None:
    theirs.commit("first")
    assert found(theirs) == []
    theirs.commit("second")
    assert found(theirs, "--repo", str(theirs.folder / "none"), status=3) == []
