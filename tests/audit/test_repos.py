"""Many repositories in one report, the trend of what was kept, and what is new since."""

import csv
import io
import json
from pathlib import Path

import pytest

from gitsign_py.audit.runs import Run, keep, last_runs
from gitsign_py.core.trust.root import format_trusted_root
from gitsign_py.errors import ConfigError
from tests.support.audited import POLICY, Audited, Make
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.inprocess import Said, run_here


def run(folder: Path, place: Path, *arguments: str) -> Said:
    variables = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
    env = environment(**variables, GITSIGN_TRUSTED_ROOT=str(folder / "root.json"))
    return run_here(place, env, "audit", "--offline", *arguments)


@pytest.fixture
def folder(tmp_path: Path, make: Make, signer: BulkSigner) -> Path:
    """Two repositories, one of them bare; half of each is signed by Alice, whom a policy outside allows."""
    history = History(signer=signer.sign)
    tip = history.commit(history.commit(), signed="alice")
    audited: Audited = make(history, tip)
    bare = ScratchRepo.init(tmp_path / "bare.git", "--bare")
    history.write(bare.path, {"refs/heads/main": tip})
    (tmp_path / "root.json").write_bytes(format_trusted_root(audited.trusted_root))
    (tmp_path / "policy.toml").write_text(POLICY.replace("EXEMPT", "0" * 40))
    (tmp_path / "list").write_text("# ours\nrepo\n\nbare.git\ngone\n")
    return tmp_path


def test_a_row_each_and_their_trend(folder: Path, signer: BulkSigner) -> None:
    options = ("--repos", "list", "--policy", "policy.toml", "--all")
    said = run(folder, folder, *options)
    assert said.status == 1, said.err
    head, first, second, third, total = said.lines
    assert head.split() == ["verified", "accepted", "judged", "trend", "repository"]
    for line, name in ((first, "repo"), (second, "bare.git")):
        assert line.split() == ["1", "(50.0", "%)", "1", "2", "new", str(folder / name)]
    assert third.split("  ")[-1] == f"{folder / 'gone'}: there is no such folder"
    assert total == "2 of 4 verified in 2 of 3 repositories"

    history = History(signer=signer.sign)
    history.write(folder / "bare.git", {"refs/heads/main": history.commit(signed="alice")})
    rows = json.loads(run(folder, folder, *options, "--format", "json").out)
    assert [row["trend"] for row in rows] == [0.0, 50.0, None]
    assert [len(row["runs"]) for row in rows] == [1, 1, 0]
    assert rows[1]["coverage_percent"] == 100.0
    table = list(csv.DictReader(io.StringIO(run(folder, folder, *options, "--format", "csv").out)))
    assert [row["verified"] for row in table] == ["1", "1", ""]


def test_what_is_new_since_the_run_that_was_kept(folder: Path, signer: BulkSigner) -> None:
    place = folder / "repo"
    options = ("--policy", str(folder / "policy.toml"), "--since-last", "--format", "ndjson")
    first = run(folder, place, *options)
    assert [json.loads(line)["verdict"] for line in first.lines[:-1]] == ["verified", "unsigned"]
    again = run(folder, place, *options)
    assert (again.status, again.out) == (0, "")
    assert "nothing is new since the run of 20" in again.err
    repo = ScratchRepo(place)
    new = repo.git("commit-tree", "-p", "main", "-m", "new", "main^{tree}")
    repo.git("update-ref", "refs/heads/main", new)
    third = run(folder, place, *options)
    assert [json.loads(line).get("oid") for line in third.lines[:-1]] == [new], third.err
    assert third.status == 1


def test_a_trend_compares_what_was_judged_alike(folder: Path) -> None:
    """Another policy, or other refs: the figures differ for reasons of their own."""
    options = ("--repos", "list", "--policy", "policy.toml", "--all", "--format", "json")

    def trends(*given: str) -> list[float | None]:
        return [row["trend"] for row in json.loads(run(folder, folder, *given).out)]

    assert trends(*options) == [None] * 3
    assert trends("--repos", "list", "--no-policy", "--all", "--format", "json") == [None] * 3
    assert trends(*options, "--first-parent") == [None] * 3
    assert trends(*(one for one in options if one != "--all")) == [None] * 3
    assert trends(*options) == [0.0, 0.0, None]
    text = run(folder, folder, "--repos", "list", "--policy", "policy.toml", "--tags").lines
    assert [line.split()[5] for line in text[1:3]] == ["-", "-"]


@pytest.mark.parametrize("other", ["policy", "--first-parent", "--tags", "--isolated", "HEAD~..HEAD"])
def test_by_other_rules_everything_is_new(folder: Path, other: str) -> None:
    place = folder / "repo"
    options = ("--policy", str(folder / "policy.toml"), "--since-last", "--format", "ndjson")
    if other == "policy":
        run(folder, place, *options)
        (folder / "policy.toml").write_text((folder / "policy.toml").read_text() + "# changed\n")
    else:
        run(folder, place, *options, other)
    again = run(folder, place, *options)
    assert len(again.lines) == 3
    assert "by another policy or by other options: all of it counts as new" in again.err
    assert "nothing is new" in run(folder, place, *options).err


def test_lists_that_say_nothing_are_no_success(folder: Path) -> None:
    (folder / "empty").write_text("# nothing\n")
    for arguments in (
        ("empty",),
        ("nowhere",),
        ("list", "main"),
        ("list", "--format", "html"),
        ("list", "--since-last"),
    ):
        said = run(folder, folder, "--repos", *arguments)
        assert said.status == 2
        assert "[audit-repos]" in said.err


def test_the_store_is_its_owners_and_says_when_it_is_broken(tmp_path: Path) -> None:
    one = Run("/r", "2026-01-01T00:00:00Z", 3, 2, 3, 3, 0, {"refs/heads/main": "1" * 40})
    two = one._replace(at="2026-01-02T00:00:00Z", verified=3)
    for each in (one, two):
        keep(tmp_path, each)
    assert last_runs(tmp_path, "/r", 5) == [two, one]
    assert (one.coverage, two.coverage) == (66.6, 100.0)
    assert last_runs(tmp_path, "/other", 5) == []
    assert (tmp_path / "audits.sqlite").stat().st_mode & 0o077 == 0
    (tmp_path / "audits.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        last_runs(tmp_path, "/r", 5)
