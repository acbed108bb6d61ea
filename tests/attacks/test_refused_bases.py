"""Attack: a merge takes back what an administrator adopted, by way of a base that was refused.

A member's change to the policy is refused, an administrator adopts it, the member goes on from the refused commit with
the old policy in the tree, and merges the two. With the parents' acceptances kept only the merge is judged: the refused
base counted with the policy in its tree, which never was in force, so that the old policy passed for the newer side.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.governed import MAIN, Governed, policy

OLD = policy("alice", "bob")
NEW = policy("alice", "bob", "carol")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: OLD})
    return made


def sides(governed: Governed) -> tuple[str, str, str]:
    """The refused base, the side that adopts its policy, and the side that has the old one; both sides may stay."""
    commit = governed.history.commit
    base = commit(governed.introduction, by="bob", signed="bob", files={POLICY_PATH: NEW})
    adopted = commit(base, signed="alice", files={"x": "1"})
    return base, adopted, commit(base, by="bob", signed="bob", files={POLICY_PATH: OLD})


@pytest.mark.parametrize("later", [0, 2])
def test_git_says_what_the_audit_says(governed: Governed, later: int) -> None:
    """Whether the merge or something after it is asked about, with acceptances of both sides kept."""
    base, adopted, old = sides(governed)
    merge = governed.history.commit(adopted, old, by="bob", signed="bob", files={POLICY_PATH: OLD})
    tips = [merge]
    for number in range(later):
        tips.append(governed.history.commit(tips[-1], by="bob", signed="bob", files={"b": str(number)}))
    repo = governed.repository("repo", {MAIN: tips[-1]})
    for side in (adopted, old):
        assert "TRUST_FULLY" in governed.git_says(repo, side)
    said = {oid: "TRUST_FULLY" in governed.git_says(repo, oid) for oid in reversed(tips)}
    _, found, _ = governed.audit(repo, "--in-history", "main")
    assert (found[base], found[merge]) == (("unauthorised", "policy-change"),) * 2
    assert said == {oid: found[oid][0] == "verified" for oid in tips}


def test_an_honest_merge_is_still_accepted(governed: Governed) -> None:
    """It takes what the administrator adopted: the other side left the policy that was in force alone."""
    _, adopted, old = sides(governed)
    merge = governed.history.commit(adopted, old, by="bob", signed="bob")
    repo = governed.repository("repo", {MAIN: merge})
    for oid in (adopted, old, merge, merge):
        assert "TRUST_FULLY" in governed.git_says(repo, oid)
    assert governed.audit(repo, "--in-history", "main")[1][merge] == ("verified", "verified")


def test_a_base_that_was_accepted(governed: Governed) -> None:
    """An administrator's change on one side, nothing on the other."""
    commit = governed.history.commit
    base = commit(governed.introduction, signed="alice", files={"x": "1"})
    ours = commit(base, signed="alice", files={POLICY_PATH: NEW})
    theirs = commit(base, by="bob", signed="bob", files={"y": "1"})
    good = commit(ours, theirs, by="bob", signed="bob", files={"y": "1"})
    bad = commit(theirs, ours, by="bob", signed="bob", files={"x": "1"})
    repo = governed.repository("repo", {MAIN: good, "refs/heads/bad": bad})
    for oid, accepted in ((ours, True), (theirs, True), (good, True), (bad, False)):
        assert ("TRUST_FULLY" in governed.git_says(repo, oid)) is accepted
