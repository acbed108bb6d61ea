"""A merge with old ancestors among its parents brings back what they had, and git's merge base of all is older still.

Parents (c2, c1, c0): c1 gave a right or a file, c2 took it away. The base of all parents has neither, so c1 looked like
the only side that changed anything, and whoever merged got the old value without the right to make it.
"""

from itertools import permutations
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.court import Court, new_history
from tests.support.history import ISSUER, History

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
