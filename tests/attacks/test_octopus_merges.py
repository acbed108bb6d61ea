"""A merge with old ancestors among its parents brings back what they had, and git's merge base of all is older still.

Parents (c2, c1, c0): c1 gave a right or a file, c2 took it away. The base of all parents has neither, so c1 looked like
the only side that changed anything, and whoever merged got the old value without the right to make it.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.court import Court, new_history
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import HOOKS, Governed
from tests.support.history import ISSUER, History

pytestmark = pytest.mark.unmeasured  # pushes like those of tests/hooks
MAIN = "refs/heads/main"
SECRET = "secrets/key"


def policy(administrators: str = '"alice"') -> str:
    """Alice and Bob sign; Alice alone what lies in secrets."""
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n'
        for name in ("alice", "bob")
    )
    rules = '[[rules]]\nname = "secrets"\npaths = ["/secrets/**"]\nallow = ["alice"]\n'
    return (
        f"version = 1\nadministrators = [{administrators}]\n{people}{rules}"
        '[[rules]]\nname = "rest"\nallow = ["alice", "bob"]\n'
    )


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


def chain(history: History) -> list[str]:
    """Before, with a secret and Bob as administrator, and without again."""
    before = history.commit(signed="alice", files={"a": "1", POLICY_PATH: policy()})
    given = history.commit(before, signed="alice", files={SECRET: "old", POLICY_PATH: policy('"alice", "bob"')})
    taken = history.commit(given, signed="alice", files={SECRET: None, POLICY_PATH: policy()})
    return [before, given, taken]


def both_ways(court: Court, history: History, introduction: str, tip: str) -> list[tuple[str, str]]:
    """Verdict and reason of a commit by a fixed policy and by the one in the history."""
    path = court.repository(history, {MAIN: tip})
    fixed = court.audit(path, {MAIN: tip}, policy=policy())[tip]
    own = court.audit(path, {MAIN: tip}, introduction=introduction, in_history=True)[tip]
    return [(one.verdict, one.reason) for one in (fixed, own)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_deleted_file_does_not_come_back(court: Court, order: tuple[int, ...]) -> None:
    history = new_history()
    commits = chain(history)
    parents = [commits[number] for number in order]
    merged = history.commit(*parents, by="bob", signed="bob", files={SECRET: "old", POLICY_PATH: policy(), "a": "1"})
    assert both_ways(court, history, commits[0], merged) == [("unauthorised", "rule-refuses")] * 2


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_right_that_was_taken_away_does_not_come_back(court: Court, order: tuple[int, ...]) -> None:
    history = new_history()
    commits = chain(history)
    parents = [commits[number] for number in order]
    merged = history.commit(
        *parents, by="bob", signed="bob", files={SECRET: None, POLICY_PATH: policy('"alice", "bob"')}
    )
    assert both_ways(court, history, commits[0], merged) == [("unauthorised", "policy-change")] * 2


@pytest.mark.parametrize("more", [1, 2, 5])
def test_nor_among_more_parents(court: Court, more: int) -> None:
    """Up to eight of them: side branches that have nothing to do with it, and new roots are refused anyway."""
    history = new_history()
    commits = chain(history)
    sides = [history.commit(commits[0], by="bob", signed="bob", files={f"b{side}": "1"}) for side in range(more)]
    files: dict[str, str | None] = {f"b{side}": "1" for side in range(more)}
    honest = history.commit(commits[2], *sides, by="bob", signed="bob", files=files)
    merged = history.commit(
        commits[2], commits[1], commits[0], *sides, by="bob", signed="bob", files={**files, SECRET: "old"}
    )
    assert both_ways(court, history, commits[0], honest) == [("verified", "verified")] * 2
    assert both_ways(court, history, commits[0], merged) == [("unauthorised", "rule-refuses")] * 2


def test_a_base_that_another_parent_hides_counts(court: Court) -> None:
    """Criss-cross: two best bases of the pair, of which one has the value of neither side."""
    history = new_history()
    before = history.commit(signed="alice", files={"a": "1", POLICY_PATH: policy()})
    left = history.commit(before, signed="alice", files={SECRET: "old"})
    right = history.commit(before, signed="alice", files={"b": "1"})
    one = history.commit(left, right, signed="alice", files={"b": "1"})
    other = history.commit(right, left, signed="alice", files={SECRET: None})
    merged = history.commit(other, one, before, by="bob", signed="bob", files={SECRET: "old"})
    assert both_ways(court, history, before, merged) == [("unauthorised", "rule-refuses")] * 2


def test_an_honest_octopus_stays_what_it_is(court: Court) -> None:
    """Each side brings something of its own, one of them what only Alice may."""
    history = new_history()
    before = history.commit(signed="alice", files={"a": "1", POLICY_PATH: policy()})
    secret = history.commit(before, signed="alice", files={SECRET: "new"})
    right = history.commit(before, signed="alice", files={POLICY_PATH: policy('"alice", "bob"')})
    mine = history.commit(before, by="bob", signed="bob", files={"a": "2"})
    files = {SECRET: "new", "a": "2", POLICY_PATH: policy('"alice", "bob"')}
    merged = history.commit(mine, secret, right, by="bob", signed="bob", files=files)
    assert both_ways(court, history, before, merged) == [("verified", "verified")] * 2


def test_a_merge_of_more_parents_than_are_compared(court: Court) -> None:
    history = new_history()
    before = history.commit(signed="alice", files={"a": "1", POLICY_PATH: policy()})
    sides = [history.commit(before, by="bob", signed="bob", files={f"b{side}": "1"}) for side in range(101)]
    merged = history.commit(*sides, by="bob", signed="bob")
    assert both_ways(court, history, before, merged) == [("unchecked", "merge-too-wide")] * 2


# --- the same merges at each front -----------------------------------------------------------------------------------

WIDTHS = (3, 5, 8)
REFUSED = {"secret": "rule-refuses", "right": "policy-change"}


@dataclass
class Fronts:
    """One history with merges of three to eight parents: what each brings back, and how it is refused."""

    governed: Governed
    tip: str
    bad: dict[str, str]
    """Reasons by id; the ids are in the order of the widths, each with the secret and with the right."""
    good: list[str]

    @classmethod
    def made(cls, folder: Path) -> "Fronts":
        governed = Governed.made(folder)
        commit = governed.history.commit
        commits = chain(governed.history)
        governed.introduction = commits[0]
        sides = [commit(commits[0], by="bob", signed="bob", files={f"b{side}": "1"}) for side in range(7)]
        made = cls(governed, commits[2], {}, [])
        for width in WIDTHS:
            files: dict[str, str | None] = {f"b{side}": "1" for side in range(width - 1)}
            made.good.append(commit(commits[2], *sides[: width - 1], by="bob", signed="bob", files=files))
            for change in ({SECRET: "old"}, {POLICY_PATH: policy('"alice", "bob"')}):
                parents = (commits[2], commits[1], commits[0], *sides[: width - 3])
                merge = commit(
                    *parents, by="bob", signed="bob", files={f"b{side}": "1" for side in range(width - 3)} | change
                )
                made.bad[merge] = REFUSED["secret" if SECRET in change else "right"]
        return made

    def refspecs(self, oids: Sequence[str]) -> list[str]:
        return [f"{oid}:refs/heads/{oid[:9]}" for oid in oids]

    def run(self, repo: ScratchRepo, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        folder = self.governed.folder
        return repo.run(*arguments, HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache" / repo.path.name))

    def named(self, said: str) -> dict[str, str]:
        """Reasons by id, out of what a pusher reads."""
        found, oid = {}, ""
        for line in said.splitlines():
            words = line.removeprefix("remote: ").split()
            oid = next((word for word in words if word in self.bad or word in self.good), oid)
            if oid and line.rstrip().endswith("]") and "unauthorised:" in line:
                found[oid] = line.rstrip().rpartition("[")[2][:-1]
        return found


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Fronts:
    return Fronts.made(tmp_path_factory.mktemp("octopus"))


@pytest.mark.parametrize("hook", HOOKS)
def test_servers_hooks_refuse_each_of_them(fronts: Fronts, hook: str, tmp_path: Path) -> None:
    """All in one push, each named with its own reason, and none is let in; the honest ones of the same widths are."""
    governed = fronts.governed
    bare = governed.repository(f"{hook}.git", {MAIN: fronts.tip}, "--bare")
    governed.install(bare.path, hook)
    atomic = ["--atomic"] if hook == "reference-transaction" else []  # which git asks about each ref alone otherwise
    status, said = governed.push(bare, *atomic, *fronts.refspecs(list(fronts.bad)))
    assert status
    assert fronts.named(said) == fronts.bad
    assert bare.git("for-each-ref", "--format=%(refname)") == MAIN
    assert governed.push(bare, *fronts.refspecs(fronts.good))[0] == 0
    # What is accepted already does not make the others acceptable, one at a time or onto a branch that is there.
    last = list(fronts.bad)[-2:]
    for oid in last:
        status, said = governed.push(bare, f"+{oid}:{MAIN}")
        assert (status != 0, fronts.named(said)) == (True, {oid: fronts.bad[oid]})


def test_pre_push_refuses_each_of_them(fronts: Fronts) -> None:
    governed = fronts.governed
    clone = governed.clone(governed.repository("pushed.git", {MAIN: fronts.tip}, "--bare"), name="pushing")
    governed.history.write(clone.path / ".git", {})
    governed.install(clone.path / ".git", "pre-push")
    done = fronts.run(clone, "push", "-q", "origin", *fronts.refspecs(list(fronts.bad)))
    assert (done.returncode != 0, fronts.named(done.stderr.decode())) == (True, fronts.bad)
    assert fronts.run(clone, "push", "-q", "origin", *fronts.refspecs(fronts.good)).returncode == 0


def test_gits_own_commands_trust_none_of_them(fronts: Fronts) -> None:
    """One process of git for all: ``verify-commit``, ``log --show-signature`` and what ``%G?`` says."""
    governed, order = fronts.governed, [*fronts.bad, *fronts.good]
    repo = governed.repository("asking", {MAIN: fronts.tip})
    status = fronts.run(repo, "verify-commit", "--raw", *order).stderr.decode()
    trust = [line.split()[1] for line in status.splitlines() if line.startswith("[GNUPG:] TRUST_")]
    assert trust == ["TRUST_NEVER"] * len(fronts.bad) + ["TRUST_FULLY"] * len(fronts.good)
    shown = fronts.run(repo, "log", "--no-walk=unsorted", "--show-signature", "--format=%H %G?", *order).stdout.decode()
    said = dict(line.split() for line in shown.splitlines() if line[:40] in order)
    assert {oid for oid in order if said[oid] == "G"} == set(fronts.good)
    assert all(f"[{reason}]" in shown for reason in REFUSED.values())


def test_explain_says_why(fronts: Fronts) -> None:
    governed = fronts.governed
    repo = governed.repository("explained", {MAIN: fronts.tip})
    for oid in (*list(fronts.bad)[:2], *list(fronts.bad)[-2:], fronts.good[-1]):
        done = governed.run(repo, "policy", "explain", "--offline", "--in-history", oid)
        wanted = (1, fronts.bad[oid]) if oid in fronts.bad else (0, "verified")
        assert done.returncode == wanted[0], done
        assert wanted[1] in done.stdout
