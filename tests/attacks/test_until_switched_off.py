"""Attack: somebody who has left (``until``) signs again, where the policy that says so is not the one that is asked.

It was taken from HEAD, or from the tip that is judged: a server whose HEAD names a branch that is not there, a range
up to a pull request, a pull request that is checked out. It comes from the protected branch, and without one nothing
that is signed is accepted.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitsign_py.errors import UncheckedError
from gitsign_py.policy.approvals import Approval
from gitsign_py.policy.facts import CommitFacts, Decision, Pusher, SignatureFacts
from gitsign_py.policy.history import PolicyHistory, policy_at
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.surroundings import Submission
from tests.support.court import Court
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import HOOKS, MAIN, Governed, policy
from tests.support.history import START, History, signed_by
from tests.support.pulls import Pulls
from tests.support.pulls import policy as pull_policy

LATE = ("unauthorised", "signed-too-late")
LEFT = policy("alice", "bob until=2024-01-02")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: policy("alice", "bob")})
    return made


def left(governed: Governed) -> tuple[str, str]:
    """The commit by which bob has left, and what he signs on the introduction a month later."""
    now = governed.history.commit(governed.introduction, signed="alice", files={POLICY_PATH: LEFT})
    late = governed.history.commit(
        governed.introduction, by="bob", signed="bob", files={"b": "1"}, proven=START + timedelta(days=30)
    )
    return now, late


def test_a_pull_request_in_a_clone(governed: Governed) -> None:
    """As a range, checked out, and with the clone's own main moved to it."""
    now, late = left(governed)
    clone = governed.clone(governed.repository("origin", {MAIN: now, "refs/heads/pr": late}))
    clone.git("update-ref", "refs/heads/main", late)
    clone.git("update-ref", "refs/heads/pr", late)
    for head, words in (
        ("refs/heads/main", ("origin/main..pr",)),
        ("refs/heads/pr", ()),
        ("refs/heads/pr", ("pr",)),
        ("refs/heads/none", ("pr",)),
    ):
        clone.git("symbolic-ref", "HEAD", head)
        status, found, said = governed.audit(clone, "--in-history", *words)
        assert (status, found[late]) == (1, LATE), (head, words, said)
    clone.git("symbolic-ref", "HEAD", "refs/heads/pr")
    assert governed.run(clone, "policy", "explain", "--offline", "--in-history", "pr").returncode == 1
    assert governed.audited(clone, "pr")[late] == LATE
    assert "TRUST_FULLY" not in governed.git_says(clone, late)
    assert "TRUST_FULLY" in governed.git_says(clone, now)


def test_a_pull_request_where_no_remote_is(governed: Governed) -> None:
    now, late = left(governed)
    repo = governed.repository("repo", {MAIN: now, "refs/heads/pr": late})
    repo.git("symbolic-ref", "HEAD", "refs/heads/pr")
    status, found, _ = governed.audit(repo, "--in-history")
    assert (status, found[late]) == (1, LATE)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_server_whose_head_names_no_branch(governed: Governed, hook: str) -> None:
    """It refuses, for one reason or another; with the setting it knows which branch is meant."""
    now, late = left(governed)
    server = governed.server(hook, {"refs/heads/trunk": now})
    honest = governed.history.commit(now, signed="alice", files={"a": "1"})
    for oid in (late, honest):
        for ref in ("refs/heads/old", MAIN):
            status, said = governed.push(server, f"{oid}:{ref}")
            assert status, said
            assert "no protected branch says who has left by now" in said
    # Nor does anybody know whether a push must be signed, of which a deletion and a move back are the only trace.
    for refspec in (":refs/heads/trunk", f"+{governed.introduction}:refs/heads/trunk"):
        assert "[protected-ref-missing]" in governed.push(server, refspec)[1]
    assert server.git("rev-parse", "refs/heads/trunk") == now
    server.git("config", "gitsign.protectedRef", "refs/heads/trunk")
    assert "[signed-too-late]" in governed.push(server, f"{late}:refs/heads/old")[1]
    assert governed.push(server, f"{honest}:{MAIN}")[0] == 0


def test_no_protected_branch_is_no_verdict(governed: Governed) -> None:
    """Exit status 3 and ERRSIG; what is refused anyway is still said."""
    now, late = left(governed)
    evil = governed.history.commit(now, by="mallory", signed="mallory", files={"a": "1"})
    server = governed.repository("bare.git", {"refs/heads/trunk": now, "refs/heads/evil": evil}, "--bare")
    status, found, _ = governed.audit(server, "--in-history", "trunk")
    assert (status, found[now]) == (3, ("unchecked", "protected-ref-missing"))
    assert governed.audit(server, "--in-history", "evil")[:1] == (1,)
    assert governed.audited(server, "trunk")[now] == ("unchecked", "protected-ref-missing")
    said = governed.git_says(server, now)
    assert "ERRSIG" in said
    for name in ("refs/heads/trunk", "refs/heads/none"):
        server.git("config", "gitsign.protectedRef", name)
        assert governed.audit(server, "--in-history", "trunk")[0] == (0 if name.endswith("trunk") else 3)
    assert late not in found


def test_a_protected_branch_without_a_valid_policy(governed: Governed) -> None:
    now, _ = left(governed)
    broken = governed.history.commit(now, signed="alice", files={POLICY_PATH: "version = 0"})
    repo = governed.repository("repo", {MAIN: broken, "refs/heads/x": now})
    status, found, _ = governed.audit(repo, "--in-history", "x")
    assert (status, found[now]) == (3, ("unchecked", "closing-policy-missing"))


def test_the_first_push_to_an_empty_server(governed: Governed) -> None:
    """Nobody has left yet: there is nothing that somebody could be kept from."""
    now, late = left(governed)
    server = governed.server("pre-receive", {})
    assert governed.push(server, f"{now}:{MAIN}")[0] == 0
    assert "[signed-too-late]" in governed.push(server, f"{late}:refs/heads/old")[1]


def test_the_first_push_out_of_a_repository(governed: Governed) -> None:
    """Nothing is known of the remote yet; the branch of the usual name here closes."""
    now, late = left(governed)
    repo = governed.repository("repo", {MAIN: now, "refs/heads/pr": late})
    repo.git("symbolic-ref", "HEAD", "refs/heads/pr")
    repo.git("remote", "add", "origin", str(ScratchRepo.init(governed.folder / "bare.git", "--bare").path))
    governed.install(repo.path / ".git", "pre-push")
    for refspec, accepted in ((f"{late}:refs/heads/pr", False), (f"{now}:{MAIN}", True)):
        done = repo.run("push", "-q", "origin", refspec, HOME=str(governed.folder))
        assert (done.returncode == 0) is accepted, done.stderr
        assert (b"[signed-too-late]" in done.stderr) is not accepted


# --- merges that a forge signs for them ------------------------------------------------------------------------------

FORGE = "noreply@forge.example"
KEY = SignatureFacts("good", "openpgp", key="F" * 40)
LOGIN = 'logins=["bob"]'


def of_forge(*people: str) -> str:
    """A policy with a forge that signs merges."""
    key = f'[keys.forge]\nfingerprint = "{"F" * 40}"\n[forges.forge]\ncommitter = "{FORGE}"\nkeys = ["forge"]\n'
    return policy(*people) + key + "reproducible = true\nauthor-pushes = true\n"


def merged(
    own: dict[str, str],
    unclosed: UncheckedError | None = None,
    signed: SignatureFacts | None = KEY,
    pusher: Pusher | None = None,
) -> Decision:
    """A merge with content of its own on an old branch, whose author bob has left on the protected one."""
    history = History()
    introduction = history.commit(signed="alice", files={POLICY_PATH: of_forge("alice", f"bob {LOGIN}"), "a": "1"})
    left = of_forge("alice", f"bob {LOGIN} until=2024-01-02")
    now = history.commit(introduction, signed="alice", files={POLICY_PATH: left})
    sides = [history.commit(introduction, signed="alice", files={name: "2"}) for name in ("b", "c")]
    merge = history.merge(*sides, by=FORGE, author="bob", signed=signed, files=own)
    closing = None if unclosed else policy_at(history, now)
    submission = Submission(pusher)
    judging = PolicyHistory(history, history, introduction, closing=closing, unclosed=unclosed, submission=submission)
    said = [judging.judge(history.commit_facts(oid), history.facts[oid], (MAIN,)) for oid in (*sides, merge)]
    assert unclosed or all(one.accepted for one in said[:2])
    return said[-1]


def test_what_a_forge_signs_for_who_has_left() -> None:
    """The forge's key proves no time; a merge as git makes it has nothing of its author's own."""
    assert merged({"a": "of its own"}).reason == "time-unproven"
    assert merged({}).reason == "forge-key"


def test_what_a_forge_signs_where_nobody_says_who_has_left() -> None:
    missing = UncheckedError("protected-ref-missing", "no protected branch")
    for own in ({}, {"a": "of its own"}):
        assert merged(own, missing).reason == "protected-ref-missing"


@pytest.mark.parametrize(("days", "reason"), [(0, "forge-reproduced"), (30, "signed-too-late")])
def test_who_has_left_pushes_a_merge_that_nobody_signed(days: int, reason: str) -> None:
    """The signed push proves who pushes, and when: the windows of the protected branch hold for it as well."""
    at = START + timedelta(days=days)
    push = Pusher(signature=signed_by("bob", at))
    assert merged({}, signed=None, pusher=push).reason == reason
    # A server's name for who pushes proves no time: it is the server itself that says so, and when.
    assert merged({}, signed=None, pusher=Pusher("bob", at=at)).reason == reason
    assert merged({}, signed=None, pusher=Pusher("bob")).reason == "time-unproven"
    # Who pushed is not asked about what was judged before, nor where the forge signed.
    assert merged({}, signed=None, pusher=Pusher(judged=True)).reason == "forge-reproduced"
    assert merged({}, pusher=push).reason == "forge-key"


@pytest.mark.parametrize("kind", ["squash", "rebase"])
def test_who_has_left_pushes_a_copy_that_nobody_signed(tmp_path: Path, kind: str) -> None:
    """Of a head that was signed in time: with the author's name anybody can copy it once more."""
    forge = f"{kind} = true\nreproducible = true\nauthor-pushes = true"
    pulls = Pulls(pull_policy(forge=forge).replace("[people.bob]", f"[people.bob]\n{LOGIN}"))
    head = pulls.head(7, {"src/a": "2"})
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "2"})
    copy = pulls.squash(main, head, 7) if kind == "squash" else pulls.pick(main, head)
    court = Court(tmp_path)
    path = court.repository(pulls.history, {MAIN: copy, **pulls.refs})
    closing = pulls.text.replace(LOGIN, f"{LOGIN}\nuntil = 2024-01-02")
    for days, reason in ((0, f"{kind}-remade"), (30, "signed-too-late")):
        at = START + timedelta(days=days)
        for pusher in (Pusher(signature=signed_by("bob", at)), Pusher("bob", at=at)):
            found = court.audit(
                path, {MAIN: copy}, policy=closing, introduction=pulls.root, in_history=True, pusher=pusher
            )
            assert found[copy].reason == reason


class Said:
    """Port ApprovalSource: one statement about everything."""

    def __init__(self, person: str, at: datetime) -> None:
        self.words = [Approval(MAIN, False, signed_by(person, at), "said")]

    def approvals(self, _commit: CommitFacts) -> Sequence[Approval]:
        return self.words


@pytest.mark.parametrize(("days", "reason"), [(0, "verified"), (30, "approvals-missing")])
def test_who_has_left_approves_on_an_old_branch(days: int, reason: str) -> None:
    """Where the policy in the parents would still let them: the windows of the protected branch hold for approvals."""
    history, wanted = History(), "approvals = 1\n"
    introduction = history.commit(signed="alice", files={POLICY_PATH: policy("alice", "bob") + wanted})
    now = history.commit(introduction, signed="alice", files={POLICY_PATH: LEFT + wanted})
    old = history.commit(introduction, signed="alice", files={"a": "1"})
    words = Said("bob", START + timedelta(days=days))
    judging = PolicyHistory(
        history, history, introduction, closing=policy_at(history, now), submission=Submission(approvals=words)
    )
    assert judging.judge(history.commit_facts(old), history.facts[old], (MAIN,)).reason == reason
