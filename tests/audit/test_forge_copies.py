"""Squashes and rebases of pull requests, as forges make them, judged by an audit of a repository."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.audit.ahead import HeadsAhead
from gitsign_py.audit.pullheads import PullHeads
from gitsign_py.audit.scan import scan
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.parse import parse_policy
from tests.support.court import Court, lose
from tests.support.pulls import FORGE, MAIN, POLICY_PATH, Pulls, policy

Found = dict[str, tuple[str, str, str]]


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


@pytest.fixture(params=["fixed", "history"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def plan(pulls: Pulls, mode: str) -> dict[str, Any]:
    return {"in_history": True} if mode == "history" else {"policy": pulls.text}


def judged(court: Court, path: Path, pulls: Pulls, tip: str, mode: str, **more: Any) -> Found:
    """Verdict, reason and evidence of what main has, by id."""
    records = court.audit(path, {MAIN: tip}, introduction=pulls.root, **plan(pulls, mode), **more)
    return {oid: (one.verdict, one.reason, one.evidence) for oid, one in records.items()}


def verdicts(court: Court, pulls: Pulls, tip: str, mode: str, **more: Any) -> Found:
    path = court.repository(pulls.history, {MAIN: tip, **pulls.refs})
    return judged(court, path, pulls, tip, mode, **more)


def test_a_squash_of_several_commits_onto_a_branch_that_moved(court: Court, mode: str) -> None:
    pulls = Pulls()
    head = pulls.head(7, {"src/a": "2"}, {"src/new": "1", "README": None})
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "2"})
    squash = pulls.squash(main, head, 7)
    after = pulls.history.commit(squash, signed="alice", files={"src/b": "3"})
    found = verdicts(court, pulls, after, mode)
    assert found[squash] == ("forge-squash", "squash-remade", head)
    assert found[after][0] == "verified"


def test_a_number_that_is_an_issues(court: Court, mode: str) -> None:
    """GitLab counts issues and merge requests apart: a pull request of that number may be another one."""
    pulls = Pulls()
    pulls.head(12, {"src/b": "another"})
    head = pulls.head(7, {"src/a": "2"})
    squash = pulls.squash(pulls.root, head, 12)
    assert verdicts(court, pulls, squash, mode)[squash] == ("forge-squash", "squash-remade", head)


def test_a_rebase_of_several_commits(court: Court, mode: str) -> None:
    pulls = Pulls()
    first = pulls.head(7, {"src/a": "2"})
    last = pulls.head(7, {"src/new": "1"}, on=first)
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "2"})
    for committer in (FORGE, "alice"):
        tip = pulls.rebase(main, first, last, by=committer)
        found = verdicts(court, pulls, tip, mode)
        assert ("forge-rebase", "rebase-remade", first) in found.values()
        assert found[tip] == ("forge-rebase", "rebase-remade", last)


LINES = [f"line {number}\n" for number in range(30)]


def test_git_merges_what_both_sides_touched(court: Court, mode: str) -> None:
    """One file on both sides, far apart; and a head that took the main branch in (a button on most forges)."""
    pulls = Pulls()
    base = pulls.history.commit(pulls.root, signed="alice", files={"src/long": "".join(LINES)})
    ours, theirs = ("".join([*LINES[:at], "new\n", *LINES[at:]]) for at in (2, 28))
    both = "".join([*LINES[:2], "new\n", *LINES[2:28], "new\n", *LINES[28:]])
    main = pulls.history.commit(base, signed="alice", files={"src/long": ours})
    head = pulls.head(7, {"src/long": theirs}, on=base)
    squash = pulls.history.commit(main, by=FORGE, author="bob", files={"src/long": both}, message="(#7)")
    pick = pulls.history.copy(head, main, by=FORGE, files={"src/long": both})
    taken_in = pulls.history.merge(head, pulls.root, by="bob", signed="bob")
    newer = pulls.history.commit(main, signed="alice", files={"src/b": "2"})
    merged = pulls.history.commit(taken_in, newer, by="bob", signed="bob", files={"src/long": both, "src/b": "2"})
    pulls.refs["refs/pull/8/head"] = merged
    other = pulls.history.commit(newer, by=FORGE, author="bob", files={"src/long": both}, message="(#8)")
    for tip, expected in ((squash, "forge-squash"), (pick, "forge-rebase"), (other, "forge-squash")):
        assert verdicts(court, pulls, tip, mode)[tip][0] == expected
    missing = verdicts(court, pulls, squash, mode)
    assert missing[squash][2] == head


def test_a_squash_within_a_head_that_is_squashed(court: Court, mode: str) -> None:
    """Stacked pull requests."""
    pulls = Pulls()
    lower = pulls.head(1, {"src/a": "2"})
    upper = pulls.head(2, {"src/b": "2"}, on=lower)
    stacked = pulls.squash(lower, upper, 2)
    pulls.refs["refs/pull/1/head"] = stacked
    squash = pulls.squash(pulls.root, stacked, 1)
    assert verdicts(court, pulls, squash, mode)[squash] == ("forge-squash", "squash-remade", stacked)


def test_a_branch_of_its_own_that_is_audited_too(court: Court, mode: str) -> None:
    """What may stay on the branch of the head was not judged for main: carol's may not come there by a squash."""
    pulls = Pulls()
    head = pulls.head(7, {"src/a": "2"}, by="carol")
    squash = pulls.squash(pulls.root, head, 7, author="carol")
    refs = {"refs/heads/feature": head, MAIN: squash}
    path = court.repository(pulls.history, {**refs, **pulls.refs})
    records = court.audit(path, refs, introduction=pulls.root, **plan(pulls, mode))
    assert records[head].verdict == "verified"
    assert records[squash].reason == "head-not-accepted"


def test_a_policy_by_an_administrator(court: Court) -> None:
    """It may be squashed, and is in force then; a merge of two policies is nobody's."""
    pulls = Pulls()
    text = policy(first="# new").replace('"alice", "bob", "carol"]', '"alice", "carol"]')
    head = pulls.head(7, {POLICY_PATH: text}, by="alice")
    squash = pulls.squash(pulls.root, head, 7, author="alice")
    after = pulls.history.commit(squash, by="bob", signed="bob", files={"src/a": "2"})
    path = court.repository(pulls.history, {MAIN: after, **pulls.refs})
    records = court.audit(path, {"refs/heads/x": after}, introduction=pulls.root, in_history=True)
    assert [records[oid].reason for oid in (squash, after)] == ["squash-remade", "rule-refuses"]
    head = pulls.head(8, {POLICY_PATH: policy(first="# new")}, by="alice")
    main = pulls.history.commit(pulls.root, signed="alice", files={POLICY_PATH: f"{pulls.text}# end\n"})
    both = {POLICY_PATH: policy(first="# new") + "# end\n"}
    squash = pulls.history.commit(main, by=FORGE, author="alice", files=both, message="(#8)")
    assert verdicts(court, pulls, squash, "history")[squash][1] == "merge-changes-policy"


# --- where heads come from -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref", ["refs/merge-requests/7/head", "refs/remotes/origin/pr/7", "refs/remotes/origin/merge-requests/7"]
)
def test_places_of_heads(court: Court, ref: str) -> None:
    pulls = Pulls()
    head = pulls.head(7, {"src/a": "2"})
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "2"})
    squash = pulls.squash(main, head, message="Do it\n\nSee merge request !7")
    pulls.refs = {ref: head}
    assert verdicts(court, pulls, squash, "fixed")[squash][2] == head


def test_notes_carry_heads_to_a_clone_without_their_refs(court: Court, mode: str) -> None:
    """A note that lies changes nothing: neither does it accept, nor keep the right head from being found."""
    pulls = Pulls()
    head, other = pulls.head(7, {"src/a": "2"}), pulls.head(8, {"src/a": "3"})
    pick = pulls.head(9, {"src/b": "9"})
    main = pulls.history.commit(pulls.root, signed="alice", files={"README": "2"})
    squash = pulls.squash(main, head, 7)
    tip = pulls.pick(squash, pick)
    pulls.refs = {}
    path = court.repository(pulls.history, {MAIN: tip})
    blob = pulls.history.commit_facts(head).tree
    for told in ({}, {squash: other, tip: other}, {squash: "1" * 40}, {squash: blob}):
        note(court, path, told)
        found = judged(court, path, pulls, tip, mode)
        assert found[squash][:2] == ("unauthorised", "forge-head-missing"), told
        assert not found[tip][2]
    with court.opened(path) as (repository, _):
        assert MergeNotes(repository).add({squash: head, tip: pick}) == 2
        assert MergeNotes(repository).add({squash: head}) == 0
        heads = repository.run(["rev-list", "--no-walk", "refs/notes/gitsign-merges^@"]).decode()
        assert head in heads, "fetched with the notes"
    found = judged(court, path, pulls, tip, mode)
    assert (found[squash][2], found[tip][2]) == (head, pick)


def note(court: Court, path: Path, told: dict[str, str]) -> None:
    with court.opened(path) as (repository, _):
        for oid, head in told.items():
            text = f"gitsign-merge-head: {head}\n".encode()
            blob = repository.run(["hash-object", "-w", "--stdin"], stdin=text).decode().strip()
            repository.run(["notes", "--ref=gitsign-merges", "add", "-f", "-C", blob, oid])


def test_what_is_missing_is_not_accepted(court: Court, mode: str) -> None:
    pulls = Pulls()
    first = pulls.head(7, {"src/a": "2"})
    head = pulls.head(7, {"src/c": "2"}, on=first)
    squash = pulls.squash(pulls.root, head, 7)
    path = court.repository(pulls.history, {MAIN: squash, **pulls.refs})
    lose(path, [first])
    assert judged(court, path, pulls, squash, mode)[squash][:2] == ("unchecked", "object-missing")


def test_the_author_pushes(court: Court, mode: str) -> None:
    wanted = "squash = true\nreproducible = true\nauthor-pushes = true"
    pulls = Pulls(policy(forge=wanted).replace("[people.bob]", '[people.bob]\nlogins = ["bob"]'))
    squash = pulls.squash(pulls.root, pulls.head(7, {"src/a": "2"}), 7)
    for pusher, reason in (
        (None, "pusher-unknown"),
        (Pusher("carol"), "pusher-not-author"),
        (Pusher("bob"), "squash-remade"),
    ):
        assert verdicts(court, pulls, squash, mode, pusher=pusher)[squash][1] == reason


def test_only_what_the_policy_lets_count(court: Court, mode: str) -> None:
    for forge, accepted in (
        ("squash = true\nreproducible = true", {"forge-squash"}),
        ("rebase = true\nreproducible = true", {"forge-rebase"}),
        ("reproducible = true", set()),
    ):
        pulls = Pulls(policy(forge=forge))
        head = pulls.head(7, {"src/a": "2"})
        main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "2"})
        tips = (pulls.squash(main, head, 7), pulls.pick(main, head))
        assert {verdicts(court, pulls, tip, mode)[tip][0] for tip in tips} - {"unsigned", "unauthorised"} == accepted


# --- cost ------------------------------------------------------------------------------------------------------------


@dataclass
class Started:
    """Counts processes."""

    popen: Any
    count: int = 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.count += 1
        return self.popen(*arguments, **options)


def test_a_squash_costs_no_process(court: Court, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the squashes, the same number of git's processes: only what both sides touched is git's to merge."""
    counts = []
    for size in (8, 16):
        pulls = Pulls()
        tip = base = pulls.root
        for number in range(1, size + 1):
            head = pulls.head(number, {f"src/{number}": "1"}, on=base)
            base = tip
            tip = pulls.squash(tip, head, number)
        path = court.repository(pulls.history, {MAIN: tip, **pulls.refs})
        started = Started(subprocess.Popen)
        with monkeypatch.context() as patch:
            patch.setattr("subprocess.Popen", started)
            found = judged(court, path, pulls, tip, mode)
        assert sum(one[0] == "forge-squash" for one in found.values()) == size
        counts.append(started.count)
    assert counts[0] == counts[1]


def test_heads_are_verified_with_the_batch(court: Court) -> None:
    """Not one by one while the judge waits."""
    pulls = Pulls()
    first = pulls.head(7, {"src/a": "2"})
    head = pulls.head(7, {"src/c": "2"}, on=first)
    pick = pulls.head(8, {"src/b": "8"})
    squash = pulls.squash(pulls.root, head, 7)
    tip = pulls.pick(squash, pick)
    path = court.repository(pulls.history, {MAIN: tip, **pulls.refs})
    with court.opened(path) as (repository, _):
        found = HeadsAhead(PullHeads(repository, repository), repository, [parse_policy(pulls.text.encode(), "p")])
        items = [scan(oid, "commit", pulls.history.objects[oid].data) for oid in (squash, tip, pulls.root, head)]
        assert found.behind(items) == [first, head, pick]
