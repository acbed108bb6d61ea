"""Approvals: who counts, for what, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.policy.approvals import Approval, approvers_of
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import CommitFacts, SignatureFacts
from gitsign_py.policy.history import PolicyHistory
from gitsign_py.policy.parse import parse_policy, read_policy
from gitsign_py.policy.surroundings import InRepository, Stated, Submission
from tests.support.history import ISSUER, START, History, signed_by

MAIN = "refs/heads/main"
CI = "https://forge.example/o/r/.ci/bot.yml@refs/heads/main"
POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [
  {{ subject = "alice@example.com", issuer = "{ISSUER}" }},
  {{ subject = "al@example.org", issuer = "{ISSUER}" }},
]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
[people.carol]
identities = [{{ subject = "carol@example.com", issuer = "{ISSUER}" }}]
[people.gone]
identities = [{{ subject = "gone@example.com", issuer = "{ISSUER}" }}]
until = 2023-12-31
[robots.bot]
issuer = "{ISSUER}"
uri = "{CI}"
emails = ["bot@example.com"]
[groups]
team = ["alice", "bob", "carol", "gone"]
[[rules]]
name = "secrets"
refs = ["{MAIN}"]
paths = ["/secrets/**"]
allow = ["team", "bot"]
approvals = 2
[[rules]]
name = "main"
refs = ["{MAIN}"]
allow = ["team", "bot"]
robot-approvals = 1
approvers = ["alice", "bob"]
[[rules]]
name = "rest"
allow = ["team", "bot"]
"""
TEAM = parse_policy(POLICY.encode(), "policy.toml")


def said(
    who: str | SignatureFacts, *, ref: str = MAIN, minutes: int = 0, withdrawn: bool = False, first: int | None = None
) -> Approval:
    """A statement that is proven at that minute; ``first``: a copy of the one that was made at this minute."""
    facts = signed_by(who, START + timedelta(minutes=minutes)) if isinstance(who, str) else who
    made = minutes if first is None else first
    return Approval(ref, withdrawn, facts, f"{facts.identity} {facts.issuer} {ref} {made} {withdrawn}")


@dataclass
class Said:
    """Port ApprovalSource: statements by the id of the commit."""

    found: dict[str, list[Approval]] = field(default_factory=dict)

    def approvals(self, commit: CommitFacts) -> Sequence[Approval]:
        return self.found.get(commit.oid, ())


@pytest.mark.parametrize(
    ("approvals", "names"),
    [
        ([said("alice"), said("bob")], {"alice", "bob"}),
        ([said("alice"), said("al@example.org")], {"alice"}),
        ([said("alice"), said("alice", minutes=1, withdrawn=True)], set()),
        ([said("alice", minutes=1, withdrawn=True), said("alice", minutes=2)], {"alice"}),
        ([said("alice", minutes=2), said("al@example.org", minutes=3, withdrawn=True)], set()),
        ([said("alice"), said("alice", withdrawn=True)], set()),
        ([said("alice"), said("alice", minutes=1, withdrawn=True), said("alice", minutes=2, first=0)], set()),
        (
            [
                said("alice"),
                said("alice", minutes=1, withdrawn=True),
                said("alice", minutes=2),
                said("alice", minutes=3, withdrawn=True, first=1),
            ],
            {"alice"},
        ),
        ([said("alice"), said("bob", minutes=1, withdrawn=True)], {"alice"}),
        ([said("alice"), said("alice", minutes=1, withdrawn=True, ref="refs/heads/x")], {"alice"}),
        ([said("alice", ref="refs/heads/x")], set()),
        ([said("mallory")], set()),
        ([said("gone")], set()),
        ([said(signed_by("bot", identity=CI))], set()),
        ([said(signed_by("alice", issuer="https://elsewhere.example"))], set()),
    ],
)
def test_whose_approval_counts(approvals: list[Approval], names: set[str]) -> None:
    assert approvers_of(TEAM, MAIN, approvals) == names
    assert approvers_of(TEAM, MAIN, approvals[::-1]) == names


@pytest.mark.parametrize(
    ("by", "author", "approved", "reason"),
    [
        ("alice", "alice", ("bob", "carol"), "verified"),
        ("alice", "alice", ("bob",), "approvals-missing"),
        ("alice", "alice", ("alice", "bob"), "approvals-missing"),
        ("alice", "bob", ("bob", "carol"), "approvals-missing"),
        ("alice", "mallory", ("bob", "carol"), "verified"),
        ("alice", "BOB@Example.com", ("bob", "carol"), "approvals-missing"),
        ("alice", "\uff42ob@example.com", ("bob", "carol"), "approvals-missing"),
        ("alice", "alice", ("bob", "bot"), "approvals-missing"),
        ("alice", "alice", (), "approvals-missing"),
    ],
)
def test_secrets_want_two_others(by: str, author: str, approved: tuple[str, ...], reason: str) -> None:
    history = History()
    oid = history.commit(by=by, author=author, files={"secrets/key": "1"})
    around = Stated(("secrets/key",), approved_by=approved)
    assert evaluate(TEAM, history.commit_facts(oid), signed_by(by), MAIN, around).reason == reason
    assert evaluate(TEAM, history.commit_facts(oid), signed_by(by), "refs/heads/x", around).accepted


@pytest.mark.parametrize(
    ("approved", "accepted"), [((), False), (("alice",), True), (("carol",), False), (("bot",), False)]
)
def test_a_robot_has_a_person_beside_it(approved: tuple[str, ...], accepted: bool) -> None:
    history = History()
    oid = history.commit(by="bot", files={"a": "1"})
    around = Stated(("a",), approved_by=approved)
    robot = signed_by("bot", identity=CI)
    assert evaluate(TEAM, history.commit_facts(oid), robot, MAIN, around).accepted == accepted
    person = history.commit(by="carol", files={"a": "1"})
    assert evaluate(TEAM, history.commit_facts(person), signed_by("carol"), MAIN, around).accepted


def test_in_the_history_and_on_one_of_several_refs() -> None:
    """Refs that the same rules cover are judged each by itself, where approvals are for one of them."""
    wide = POLICY.replace(f'refs = ["{MAIN}"]\npaths', "paths")
    history, words = History(), Said()
    root = history.commit(files={".gitsign/policy.toml": wide})
    oid = history.commit(root, files={"secrets/key": "1"})
    words.found[oid] = [said("bob"), said("carol")]
    other = "refs/heads/other"
    for refs, accepted in (((MAIN,), True), ((other,), False), ((MAIN, other), False), ((other, MAIN), False)):
        judging = PolicyHistory(history, history, root, submission=Submission(approvals=words))
        assert judging.judge(history.commit_facts(oid), signed_by("alice"), refs).accepted == accepted, refs
    around = InRepository(history, history, lambda _oid: True, Submission(), None)
    policy = parse_policy(wide.encode(), "p")
    assert evaluate(policy, history.commit_facts(oid), signed_by("alice"), MAIN, around).reason == "approvals-missing"
    assert policy.class_of(MAIN) != policy.class_of(other)
    assert replace(policy, rules=policy.rules[2:]).class_of(MAIN) == replace(policy, rules=policy.rules[2:]).class_of(
        other
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("approvals = 2", "approvals = 5"), "wants 5 approvals, and 4 people may give them"),
        (("robot-approvals = 1", "robot-approvals = true"), "whole number"),
        (("approvals = 2", "approvals = 0"), "whole number"),
        (('approvers = ["alice", "bob"]', 'approvers = ["bot"]'), "0 people"),
        (("[robots.bot]", "[robots.bob]"), "is the name of a person as well"),
    ],
)
def test_policies_that_cannot_be_met(change: tuple[str, str], words: str) -> None:
    policy, problems = read_policy(POLICY.replace(*change).encode(), "policy.toml")
    assert policy is None
    assert words in " ".join(problem.message for problem in problems)
