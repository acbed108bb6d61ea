"""Merges that a forge made, used to bring what nobody who may signed.

A forge's key signs for every user of that forge: whoever resolves a conflict on its pages, or makes such a merge
elsewhere with that forge, has its signature under any content, past the rules for paths. And a reproducible merge is
signed by nobody: on a plain server anyone who can push may write anybody's name into its author line.
"""

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.policy.evaluation import evaluate
from gitsign_py.policy.facts import Decision, Pusher, SignatureFacts
from gitsign_py.policy.parse import parse_policy, read_policy
from gitsign_py.policy.surroundings import InRepository, Stated, Submission
from tests.support.history import ISSUER, UNSIGNED, History, signed_by

FORGE = "noreply@forge.example"
MAIN = "refs/heads/main"
KEY = SignatureFacts("good", "openpgp", key="F" * 40)
POLICY = f"""\
version = 1
match = "none"
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
logins = ["alice-at-work"]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
logins = ["bob"]
[people.gone]
identities = [{{ subject = "gone@example.com", issuer = "{ISSUER}" }}]
until = 2024-01-31
[keys.forge]
fingerprint = "{"F" * 40}"
[forges.forge]
committer = "{FORGE}"
keys = ["forge"]
reproducible = true
[[rules]]
name = "secrets"
paths = ["/secrets/**"]
allow = ["alice"]
[[rules]]
name = "stamped"
paths = ["/stamped/**"]
allow = ["alice", "bob"]
times = ["log"]
[[rules]]
name = "rest"
allow = ["alice", "bob", "gone"]
"""
FILES = {"src/a": "1", "src/b": "1", "secrets/key": "1", "stamped/s": "1"}


def judge(history: History, oid: str, signature: SignatureFacts = KEY, *, pusher: Pusher | None = None) -> Decision:
    around = InRepository(history, history, lambda _oid: True, Submission(pusher), None)
    policy = parse_policy(history.policy.encode(), "policy.toml")  # type: ignore[attr-defined]
    return evaluate(policy, history.commit_facts(oid), signature, MAIN, around)


@pytest.fixture
def history() -> History:
    made = History()
    made.policy = POLICY  # type: ignore[attr-defined]
    return made


def sides(history: History, ours: dict[str, str], theirs: dict[str, str]) -> tuple[str, str]:
    base = history.commit(files=FILES)
    return history.commit(base, files=ours), history.commit(base, files=theirs)


def test_content_of_its_own_goes_by_the_rules_for_its_author(history: History) -> None:
    parents = sides(history, {"src/a": "2"}, {"src/b": "2"})
    for author, verdict in (("bob", "unauthorised"), ("alice", "forge-merge"), ("mallory", "unauthorised")):
        evil = history.merge(*parents, by=FORGE, author=author, files={"secrets/key": "mine"})
        decision = judge(history, evil)
        assert decision.verdict == verdict, author
    assert judge(history, evil).reason == "merge-author-unknown"


@pytest.mark.parametrize(
    ("author", "path", "reason"),
    [
        ("bob", "secrets/key", "merge-author-refused"),
        ("bob", "src/a", "forge-key"),
        ("bob", "stamped/s", "time-missing"),
        ("gone", "src/a", "time-unproven"),
        ("alice", ".gitsign/policy.toml", "merge-changes-policy"),
    ],
)
def test_which_content(history: History, author: str, path: str, reason: str) -> None:
    parents = sides(history, {"src/a": "2"}, {"src/b": "2"})
    merge = history.merge(*parents, by=FORGE, author=author, files={path: "of its own"})
    assert judge(history, merge).reason == reason


def test_a_conflict_that_was_resolved_is_content_of_its_own(history: History) -> None:
    parents = sides(history, {"secrets/key": "2"}, {"secrets/key": "3"})
    for text in ("2", "3", "23"):
        merge = history.commit(*parents, by=FORGE, author="bob", files={"secrets/key": text})
        assert judge(history, merge).reason == "merge-author-refused", text


def test_a_side_that_is_dropped_is_content_of_its_own(history: History) -> None:
    """The merge keeps the old value of a file that one side changed: it takes that change back."""
    parents = sides(history, {"src/a": "2"}, {"secrets/key": "fixed"})
    merge = history.merge(*parents, by=FORGE, author="bob", files={"secrets/key": "1"})
    assert judge(history, merge).reason == "merge-author-refused"


@pytest.mark.parametrize(
    ("approved", "author", "reason"),
    [
        ((), "alice", "approvals-missing"),
        (("alice",), "alice", "approvals-missing"),
        (("bob",), "alice", "forge-key"),
        (("bob",), "bob", "approvals-missing"),
    ],
)
def test_content_of_its_own_wants_the_approvals_that_a_commit_would(
    approved: tuple[str, ...], author: str, reason: str
) -> None:
    """It is in no head, whose commits need them: a resolved conflict would lead past every rule with approvals."""
    history, around = History(), Stated(("src/a",), approved_by=approved)
    parents = sides(history, {"src/a": "2"}, {"src/b": "2"})
    merge = history.merge(*parents, by=FORGE, author=author, files={"src/a": "of its own"})
    policy = parse_policy((POLICY + "approvals = 1\n").encode(), "policy.toml")
    assert evaluate(policy, history.commit_facts(merge), KEY, MAIN, around).reason == reason
    as_git_makes_it = replace(around, reproducible=True, approved_by=())
    assert evaluate(policy, history.commit_facts(merge), KEY, MAIN, as_git_makes_it).reason == "forge-key"


def test_a_merge_as_git_makes_it_needs_no_author(history: History) -> None:
    parents = sides(history, {"src/a": "2", "secrets/key": "2"}, {"src/b": "2"})
    merge = history.merge(*parents, by=FORGE, author="mallory")
    assert judge(history, merge).reason == "forge-key"


# --- who pushes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pusher", "reason"),
    [
        (None, "pusher-unknown"),
        (Pusher("bob"), "pusher-not-author"),
        (Pusher("alice"), "pusher-not-author"),
        (Pusher("alice-at-work"), "forge-reproduced"),
        (Pusher(signature=signed_by("bob")), "pusher-not-author"),
        (Pusher(signature=signed_by("alice")), "forge-reproduced"),
        (Pusher("alice-at-work", signed_by("bob")), "pusher-not-author"),
        (Pusher(judged=True), "forge-reproduced"),
    ],
)
def test_the_author_pushes(history: History, pusher: Pusher | None, reason: str) -> None:
    parents = sides(history, {"src/a": "2"}, {"secrets/key": "2"})
    merge = history.merge(*parents, by=FORGE, author="alice")
    assert judge(history, merge, UNSIGNED, pusher=pusher).reason == "forge-reproduced", "unless it is asked for"
    history.policy = POLICY.replace("reproducible = true", "reproducible = true\nauthor-pushes = true")  # type: ignore[attr-defined]
    decision = judge(history, merge, UNSIGNED, pusher=pusher)
    assert decision.reason == reason
    assert decision.accepted == (reason == "forge-reproduced")
    assert (decision.verdict == "unchecked") == (reason == "pusher-unknown")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("reproducible = true", "author-pushes = true"), "reproducible must be true"),
        (('logins = ["bob"]', 'logins = ["alice-at-work"]'), "belongs to alice as well"),
    ],
)
def test_policies_that_make_no_sense(change: tuple[str, str], says: str) -> None:
    policy, problems = read_policy(POLICY.replace(*change).encode(), "policy.toml")
    assert policy is None
    assert says in " ".join(problem.message for problem in problems)
