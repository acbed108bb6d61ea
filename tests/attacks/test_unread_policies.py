"""A tree is missing, so that a commit cannot be judged; the commits on top of it then follow the policy that it brings.

Mallory puts her own policy into a commit on Alice's, and serves a copy without the tree of Alice's commit. Nobody can
say which policy was in force there. Hers is not.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.court import Court, lose, new_history
from tests.support.history import ISSUER, History

MAIN = "refs/heads/main"


def policy(name: str) -> str:
    return (
        f'version = 1\nadministrators = ["{name}"]\n[people.{name}]\n'
        f'identities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n'
        f'[[rules]]\nname = "all"\nallow = ["{name}"]\n'
    )


def lost_tree(history: History, commit: str, kind: str) -> str:
    """The tree of a commit, or that of its policy's folder, or the policy itself."""
    root = history.commit_facts(commit).tree
    if kind == "root":
        return root
    folder = history.tree({POLICY_PATH.partition("/")[2]: policy("alice")})
    return folder if kind == "folder" else history.add("blob", policy("alice").encode())


@pytest.mark.parametrize("kind", ["root", "folder", "policy"])
@pytest.mark.parametrize("merged", [False, True])
def test_the_policy_that_it_brings_has_no_effect(tmp_path: Path, kind: str, merged: bool) -> None:
    court, history = Court(tmp_path), new_history()
    start = history.commit(signed="alice", files={"a": "0", POLICY_PATH: policy("alice") + "# first\n"})
    alices = history.commit(start, signed="alice", files={"a": "1", POLICY_PATH: policy("alice")})
    parents = (alices, start) if merged else (alices,)
    hers = history.commit(*parents, by="mallory", signed="mallory", files={POLICY_PATH: policy("mallory")})
    later = history.commit(hers, by="mallory", signed="mallory", files={"a": "2"})
    last = history.commit(later, hers, by="mallory", signed="mallory", files={"a": "3"})
    path = court.repository(history, {MAIN: last})
    lose(path, [lost_tree(history, alices, kind)])
    found = court.audit(path, {MAIN: last}, introduction=start, in_history=True)
    assert [found[one].accepted for one in (hers, later, last)] == [False] * 3
    assert {found[one].verdict for one in (hers, later, last)} == {"unchecked"}
