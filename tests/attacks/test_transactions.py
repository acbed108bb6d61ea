"""Attack: a change of a ref whose old value nobody asks for, or which makes it another name of an unjudged ref.

git tells the hook reference-transaction zeros for the old value then (``git update-ref REF NEW``), so that a branch
that went back to before the introduction passed for a new one; and since 2.46 ``ref:NAME`` for what a symbolic ref
leads to, which nobody had judged under the branch's name.
"""

from pathlib import Path

import pytest

from gitsign_py.audit.serverrefs import in_transaction
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.governed import MAIN, Governed, policy
from tests.support.history import History

NONE = "0" * 40
SIDE, PULL = "refs/heads/side", "refs/pull/1/head"


def test_a_branch_goes_back_and_nobody_asks_what_it_was(tmp_path: Path) -> None:
    governed = Governed.made(tmp_path)
    history = governed.history
    root = history.commit(files={"a": "1"})
    governed.introduction = history.commit(root, signed="alice", files={POLICY_PATH: policy("alice")})
    tip, evil = (history.commit(governed.introduction, signed=one, files={"a": "2"}) for one in ("alice", None))
    server = governed.server("reference-transaction", {MAIN: tip, SIDE: tip, PULL: evil})
    for words in ((SIDE, root), (SIDE, root, tip)):
        done = server.run("update-ref", *words, HOME=str(tmp_path))
        assert done.returncode, words
        assert b"[ref-before-introduction]" in done.stderr
    assert server.run("update-ref", SIDE, governed.introduction, HOME=str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (RefUpdate(MAIN, NONE, "new"), ("old", "new")),
        (RefUpdate(MAIN, NONE, NONE), ("old", NONE)),
        (RefUpdate("refs/heads/x", NONE, "new"), (NONE, "new")),
        (RefUpdate("refs/heads/x", NONE, f"ref:{PULL}"), (NONE, "pull")),
        (RefUpdate(MAIN, NONE, f"ref:{PULL}"), ("old", "pull")),
        (RefUpdate(MAIN, f"ref:{PULL}", NONE), ("pull", NONE)),
        (RefUpdate("refs/heads/x", NONE, "ref:refs/heads/link"), (NONE, "pull")),
        (RefUpdate("refs/heads/x", NONE, "ref:refs/heads/made"), (NONE, "new")),
        (RefUpdate("refs/heads/x", NONE, "ref:refs/heads/none"), (NONE, "ref:refs/heads/none")),
        (RefUpdate("refs/heads/x", NONE, "ref:refs/heads/x"), (NONE, "ref:refs/heads/x")),
    ],
)
def test_values_that_git_leaves_out(tmp_path: Path, told: RefUpdate, expected: tuple[str, str]) -> None:
    """What refs have, and what the same transaction gives them; a name that leads nowhere brings nothing."""
    history, repo = History(), ScratchRepo.init(tmp_path / "repo", "--bare")
    ids = {name: history.commit(files={"a": name}) for name in ("old", "new", "pull")}
    history.write(repo.path, {MAIN: ids["old"], PULL: ids["pull"]})
    repo.git("symbolic-ref", "refs/heads/link", PULL)
    given = RefUpdate(told.ref, ids.get(told.old, told.old), ids.get(told.new, told.new))
    beside = RefUpdate("refs/heads/made", NONE, ids["new"])
    with GitRepository(repo.path, environment=environment()) as repository:
        [push] = in_transaction(repository, [given, beside])
    [found] = [update for update in push.updates if update.ref == told.ref]
    assert (found.old, found.new) == tuple(ids.get(word, word) for word in expected)
    assert found.brings_nothing is (not expected[1].strip("0") or expected[1].startswith("ref:"))
