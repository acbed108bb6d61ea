"""Attack: a commit that lies on a ref which no hook judged is taken as known, and passes on main.

A forge writes refs/pull/*, refs/merge-requests/* and refs/changes/* itself, others push to refs/notes/* or
refs/remotes/*; a symbolic ref may give one of them the name of a branch. Only branches and tags vouch. In pre-push the
remote's branches do, not what another refspec brings beside them.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import HOOKS, MAIN, Governed, in_mode, policy

pytestmark = pytest.mark.unmeasured  # pushes like those of tests/hooks
PARKED = (
    *("refs/pull/1/head", "refs/merge-requests/1/head", "refs/changes/01/1/1", "refs/notes/x"),
    *("refs/remotes/origin/main", "refs/namespaces/n/refs/heads/x", "refs/other", "refs/keep-around/x"),
)

WIP = "refs/heads/wip/x"
RULES = policy("alice", first='unjudged = ["refs/heads/wip/**"]')


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: RULES})
    return made


def refused(governed: Governed, server: ScratchRepo, *refspecs: str) -> bool:
    status, said = governed.push(server, *refspecs)
    return status != 0 and "gitsign-py: refused: " in said


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_what_lies_there_is_new_to_branches_and_tags(governed: Governed, hook: str, mode: str) -> None:
    """One unsigned commit for each ref, so that none of them vouches for another's."""
    evil = {ref: governed.history.commit(governed.introduction, files={"a": ref}) for ref in PARKED}
    server = in_mode(governed.server(hook, {MAIN: governed.introduction, **evil}), mode)
    for number, oid in enumerate(evil.values()):
        target = ("refs/heads/new", MAIN, "refs/tags/light")[number % 3]
        assert refused(governed, server, f"{oid}:{target}")
    honest = governed.history.commit(governed.introduction, signed="alice", files={"a": "9"})
    assert governed.push(server, f"{honest}:{MAIN}")[0] == 0


@pytest.mark.parametrize("mode", ["fixed", "history"])
@pytest.mark.parametrize("behind", ["refs/pull/1/head", WIP, f"refs/namespaces/n/{WIP}"])
def test_a_branch_that_is_another_name_of_such_a_ref(governed: Governed, mode: str, behind: str) -> None:
    """The server's owner gave the name to what lay there; so it is where the policy leaves that ref alone."""
    evil = governed.history.commit(governed.introduction, files={"a": "1"})
    server = in_mode(governed.server("pre-receive", {MAIN: governed.introduction, behind: evil}), mode)
    server.git("symbolic-ref", "refs/heads/preview", behind)
    server.git("symbolic-ref", "refs/heads/other", MAIN)  # what is judged vouches by its other name too
    assert refused(governed, server, f"{evil}:{MAIN}")
    assert refused(governed, server, f"{evil}:refs/heads/new")
    assert governed.push(server, f"{governed.introduction}:refs/heads/new")[0] == 0


@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_pre_push_takes_the_remotes_branches_alone(governed: Governed, mode: str) -> None:
    """Not a pull request that was fetched beside them, as many a tutorial has it."""
    evil = governed.history.commit(governed.introduction, files={"a": "1"})
    bare = governed.repository("bare.git", {MAIN: governed.introduction, "refs/pull/1/head": evil}, "--bare")
    clone = in_mode(governed.clone(bare), mode)
    clone.git("config", "--add", "remote.origin.fetch", "+refs/pull/*/head:refs/remotes/origin/pr/*")
    clone.git("fetch", "-q", "origin")
    assert clone.git("rev-parse", "refs/remotes/origin/pr/1") == evil
    governed.install(clone.path / ".git", "pre-push")
    for refspec, accepted in ((f"{evil}:refs/heads/new", False), (f"{governed.introduction}:refs/heads/old", True)):
        done = clone.run("push", "-q", "origin", refspec, HOME=str(governed.folder))
        assert (done.returncode == 0) is accepted, done.stderr
        assert (b"refused" in done.stderr) is not accepted
