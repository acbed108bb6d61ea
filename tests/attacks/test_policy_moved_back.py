"""Attack: a push moves the policy's own branch back, so that an older policy counts, by which nobody has left.

git lets it in unless receive.denyNonFastForwards is set, and there is nothing new to judge in it: the commits were
accepted. Then who has left by the newest policy signs again, or a member who lost a right brings the old policy back
below a new commit, which does not change it. Or the branch is deleted and made anew where it had
been; the policy's place may be written in other words than the ref's full name.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.governed import HOOKS, MAIN, Governed, in_mode, policy

LEFT = policy("alice", "bob until=2024-01-02", "carol")
SIDE = "refs/heads/side"


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: policy("alice", "bob", "carol")})
    return made


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_the_branch_stays_behind_no_policy_of_its_own(governed: Governed, mode: str, hook: str) -> None:
    history = governed.history
    old = history.commit(governed.introduction, signed="alice", files={"a": "1"})
    now = history.commit(old, signed="alice", files={POLICY_PATH: LEFT})
    tip = history.commit(now, signed="alice", files={"a": "2"})
    server = in_mode(governed.server(hook, {MAIN: tip, SIDE: tip}), mode)
    fresh = history.commit(old, by="carol", signed="carol", files={"c": "1"})
    for oid in (old, fresh):
        status, said = governed.push(server, f"+{oid}:{MAIN}")
        assert status, said
        assert "[policy-moved-back]" in said
    assert server.git("rev-parse", MAIN) == tip
    # Elsewhere, and where the policy stays as it is, a branch may be moved as git lets it.
    assert governed.push(server, f"+{old}:{SIDE}")[0] == 0
    amended = history.commit(now, by="carol", signed="carol", files={"a": "3"})
    assert governed.push(server, f"+{amended}:{MAIN}")[0] == 0


@pytest.mark.parametrize("name", ["main", "heads/main", f"{MAIN}~0", f"{MAIN}^{{commit}}", "HEAD", "@", "HEAD~0"])
def test_the_policys_place_in_other_words(governed: Governed, name: str) -> None:
    history = governed.history
    now = history.commit(governed.introduction, signed="alice", files={POLICY_PATH: LEFT})
    server = in_mode(governed.server("pre-receive", {MAIN: now}), "fixed")
    server.git("config", "gitsign.policy", f"{name}:{POLICY_PATH}")
    status, said = governed.push(server, f"+{governed.introduction}:{MAIN}")
    assert status, said
    assert "[policy-moved-back]" in said


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_the_branch_is_not_deleted_to_be_made_anew(governed: Governed, mode: str, hook: str) -> None:
    """As the server's only branch it could be, and then the first policy of all closed, by which nobody has left."""
    history = governed.history
    now = history.commit(governed.introduction, signed="alice", files={POLICY_PATH: LEFT})
    server = in_mode(governed.server(hook, {MAIN: now}), mode)
    server.git("config", "receive.denyDeleteCurrent", "ignore")
    status, said = governed.push(server, f":{MAIN}")
    assert status, said
    assert "[policy-ref-deleted]" in said
    server.git("-c", "core.hooksPath=/dev/null", "update-ref", SIDE, now)
    assert governed.push(server, f":{SIDE}")[0] == 0, "another branch goes away as git lets it"
