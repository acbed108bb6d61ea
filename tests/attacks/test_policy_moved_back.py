"""Attack: a push moves the policy's own branch back, so that an older policy counts, by which nobody has left.

git lets it in unless receive.denyNonFastForwards is set, and there is nothing new to judge in it: the commits were
accepted. Then who has left by the newest policy signs again, or a member who lost a right brings the old policy back
below a new commit, which does not change it.
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
