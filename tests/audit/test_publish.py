"""``audit --publish``: the figures of an audit as statuses on a forge, by its CI's own variables or by options."""

from collections import deque
from pathlib import Path

import pytest

from gitsign_py.audit.record import Record
from gitsign_py.audit.rollup import Rollup
from gitsign_py.cli import badge
from gitsign_py.clients.forges import MAX_DESCRIPTION
from gitsign_py.core.trust.root import format_trusted_root
from tests.support.audited import POLICY, Audited
from tests.support.badserver import reply, serving
from tests.support.forgeserver import PROJECT, FakeForge
from tests.support.gitrepo import environment
from tests.support.inprocess import Said, run_here

TOKEN = "ghp_" + "4f3b2a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e"


@pytest.fixture
def folder(every: Audited, tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(format_trusted_root(every.trusted_root))
    (tmp_path / "policy.toml").write_text(POLICY.replace("EXEMPT", every.named["exempt"]))
    return tmp_path


def audit(folder: Path, *arguments: str, **more: str) -> Said:
    given = {"GITSIGN_TRUSTED_ROOT": str(folder / "root.json"), "XDG_CACHE_HOME": str(folder / "cache"), **more}
    common = ("audit", "--offline", "--jobs", "1", "--policy", str(folder / "policy.toml"))
    return run_here(folder / "repo", environment(HOME=str(folder), **given), *common, *arguments)


def test_the_head_gets_the_three_figures(every: Audited, folder: Path) -> None:
    forge = FakeForge("github", TOKEN)
    with serving(forge.action) as server:
        ci = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": PROJECT}
        ci |= {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "9"}
        done = audit(folder, "--publish", "github", "merged", **ci)
        again = audit(folder, "--publish", "github", "merged", **ci)
        good = audit(folder, "--publish", "github", "--report-url", "https://r.example/", every.named["verified"], **ci)
    assert (done.status, good.status) == (1, 0)
    [status] = forge.statuses[every.named["forge-merge"]]
    assert status["state"] == "failure"
    assert status["description"].startswith("4 of 9 verified, 6 accepted, 8 judged; signed by alice@example.com")
    assert status["target_url"] == f"https://github.com/{PROJECT}/actions/runs/9"
    assert "1 set, 0 were there" in done.err
    assert "0 set, 1 were there" in again.err
    [status] = forge.statuses[every.named["verified"]]
    assert (status["state"], status["target_url"]) == ("success", "https://r.example/")
    assert TOKEN[:12] not in done.out + done.err


def test_each_commit_gets_its_verdict(every: Audited, folder: Path) -> None:
    forge = FakeForge("gitlab", TOKEN)
    with serving(forge.action) as server:
        ci = {"GITLAB_TOKEN": TOKEN, "CI_API_V4_URL": server.url, "CI_PROJECT_ID": PROJECT, "CI_JOB_URL": "https://j/1"}
        done = audit(folder, "--publish", "gitlab", "--publish-for", "commits", **ci)
    assert done.status == 1
    said = {name: forge.statuses[oid][0] for name, oid in every.named.items() if oid in forge.statuses}
    assert {name: one["state"] for name, one in said.items()} == {
        "verified": "success",
        "exempt": "success",
        **dict.fromkeys(("unsigned", "unauthorised", "identity-mismatch", "unchecked"), "failed"),
    }
    assert said["verified"]["description"] == "verified alice@example.com"
    assert said["unauthorised"]["description"].startswith("unauthorised: mallory@example.com ")


def test_gitea_by_options_alone(every: Audited, folder: Path) -> None:
    forge = FakeForge("gitea", TOKEN)
    with serving(forge.action) as server, serving(reply(200, [])) as other:
        where = ("--publish-url", server.url, "--publish-project", PROJECT)
        # a job of another forge: its variables say nothing about this one
        elsewhere = {"GITHUB_API_URL": other.url, "GITHUB_REPOSITORY": "a/b", "CI_API_V4_URL": other.url}
        done = audit(folder, "--publish", "gitea", *where, every.named["verified"], GITEA_TOKEN=TOKEN, **elsewhere)
    assert done.status == 0, done.err
    assert forge.statuses[every.named["verified"]][0]["description"] == (
        "1 of 1 verified, 1 accepted, 1 judged; signed by alice@example.com"
    )
    assert other.requests == []


@pytest.mark.parametrize(
    ("arguments", "more", "reason"),
    [
        (["--publish", "github"], {"GITHUB_REPOSITORY": PROJECT}, "publish-token-missing"),
        (["--publish", "github"], {"GITHUB_TOKEN": TOKEN}, "publish-project"),
        (["--publish", "gitlab"], {"GITLAB_TOKEN": TOKEN, "CI_PROJECT_ID": "7"}, "publish-url"),
        (["--publish", "gitea"], {"GITEA_TOKEN": TOKEN, "GITHUB_API_URL": "https://api.github.com"}, "publish-url"),
        (
            ["--publish", "gitea", "--publish-url", "http://forge.example.com", "--publish-project", PROJECT],
            {"GITEA_TOKEN": TOKEN},
            "publish-url-insecure",
        ),
        (
            ["--publish", "github", "--report-url", "javascript:alert(1)"],
            {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": PROJECT},
            "service-url-invalid",
        ),
        (["--report-url", "https://r.example/"], {}, "publish-where"),
        (["--publish", "github", "--repos", "list"], {}, "publish-where"),
    ],
)
def test_what_is_missing_is_said_before_the_audit(
    folder: Path, arguments: list[str], more: dict[str, str], reason: str
) -> None:
    done = audit(folder, *arguments, **more)
    assert done.status == 2
    assert f"[{reason}]" in done.err
    assert done.out == ""
    assert TOKEN not in done.err


def test_a_status_that_cannot_be_set_is_no_success(every: Audited, folder: Path) -> None:
    for answer in (reply(403, {"message": f"no {TOKEN}"}), reply(422, {"message": TOKEN})):
        with serving(answer) as server:
            ci = {"GITEA_TOKEN": TOKEN, "GITEA_ACTIONS": "true", "GITHUB_API_URL": server.url}
            done = audit(folder, "--publish", "gitea", every.named["verified"], GITHUB_REPOSITORY=PROJECT, **ci)
        assert done.status == 3
        assert "[service-status]" in done.err
        assert TOKEN[:10] not in done.err
        assert "1 of 1 verified" in done.out


# --- words -----------------------------------------------------------------------------------------------------------


def record(oid: str = "1" * 40, verdict: str = "verified", **more: str) -> Record:
    return Record(oid, verdict, **more)  # type: ignore[arg-type]


def test_a_line_has_room_for_the_figures_whoever_signed() -> None:
    rollup = Rollup()
    rollup.add([record(str(number) * 40, identity=f"{'x' * 60}{number}@example.com") for number in range(9)])
    status = badge.status_of_head(rollup)
    assert len(status.description) <= MAX_DESCRIPTION
    assert status.description.startswith("9 of 9 verified, 9 accepted, 9 judged; signed by ")
    assert status.description.endswith("0@example.com and 8 more")


def test_names_of_others_are_text_on_a_page() -> None:
    rollup = Rollup()
    rollup.add([record(identity="[x](https://evil.example) @team <img>\n# h")])
    status = badge.status_of_head(rollup)
    assert "- \\[x\\]\\(https://evil.example\\) \\@team \\<img\\>\\\\n\\# h" in status.summary
    assert "\n" not in status.description


def test_long_names_do_not_fill_a_page() -> None:
    """GitHub takes 65,535 characters, and refuses a check run with more: who signs one commit could stop the status."""
    rollup = Rollup()
    rollup.add([record(identity=f"{number}{'_' * 30_000}") for number in range(9)])
    status = badge.status_of_head(rollup)
    assert len(status.summary) < 10_000
    assert len(status.description) <= MAX_DESCRIPTION


def test_nothing_judged_is_no_success() -> None:
    assert badge.status_of_head(Rollup()).state == "error"


def test_what_could_not_be_checked_is_an_error_and_the_worst_verdict_counts() -> None:
    unchecked, bad, good = (record(verdict=verdict) for verdict in ("unchecked", "bad", "verified"))
    for records, state in (([good, unchecked], "error"), ([bad, unchecked, good], "failure"), ([good], "success")):
        assert badge.statuses_of_commits(records)["1" * 40].state == state


@pytest.mark.parametrize("last", [False, True])
def test_only_the_newest_commits_are_kept(last: bool) -> None:
    records = [record(f"{number:040x}") for number in range(3 * badge.MAX_COMMITS)]
    kept = badge.newest(last=last)
    assert sum(len(batch) for batch in kept.passing([records[:250], records[250:]])) == len(records)
    wanted = records[-badge.MAX_COMMITS :] if last else records[: badge.MAX_COMMITS]
    assert kept.kept == deque(wanted)
    assert kept.seen == len(records)
