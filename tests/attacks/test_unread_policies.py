"""A tree is missing, so that a commit cannot be judged; the commits on top of it then follow the policy that it brings.

Mallory puts her own policy into a commit on Alice's, and serves a copy without the tree of Alice's commit. Nobody can
say which policy was in force there. Hers is not.
"""

from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.court import Court, lose, new_history
from tests.support.history import ISSUER

MAIN = "refs/heads/main"


def policy(*names: str) -> str:
    """The first of the people administers it."""
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n' for name in names
    )
    return f'version = 1\nadministrators = ["{names[0]}"]\n{people}[[rules]]\nname = "all"\nallow = {list(names)}\n'


@pytest.mark.parametrize("merged", [False, True])
def test_the_policy_that_it_brings_has_no_effect(tmp_path: Path, merged: bool) -> None:
    court, history = Court(tmp_path), new_history()
    start = history.commit(signed="alice", files={"a": "0", POLICY_PATH: policy("alice")})
    alices = history.commit(start, signed="alice", files={"a": "1"})
    parents = (alices, start) if merged else (alices,)
    hers = history.commit(*parents, by="mallory", signed="mallory", files={POLICY_PATH: policy("mallory")})
    later = history.commit(hers, by="mallory", signed="mallory", files={"a": "2"})
    last = history.commit(later, hers, by="mallory", signed="mallory", files={"a": "3"})
    path = court.repository(history, {MAIN: last})
    lose(path, [history.commit_facts(alices).tree])
    found = court.audit(path, {MAIN: last}, introduction=start, in_history=True)
    assert [found[one].verdict for one in (hers, later, last)] == ["unchecked"] * 3


@pytest.mark.parametrize("lost", ["tree", "policy"])
def test_a_stricter_policy_that_cannot_be_read_is_not_passed_over(tmp_path: Path, lost: str) -> None:
    """Alice takes Bob's right away. Without what she signed, Bob's next commit would go by the policy before."""
    court, history = Court(tmp_path), new_history()
    start = history.commit(signed="alice", files={"a": "0", POLICY_PATH: policy("alice", "bob")})
    alices = history.commit(start, signed="alice", files={POLICY_PATH: policy("alice")})
    files = {POLICY_PATH: policy("alice", "bob")}
    bobs = history.commit(alices, by="bob", signed="bob", files={**files, "a": "1"})
    later = history.commit(bobs, by="bob", signed="bob", files={"a": "2"})
    path = court.repository(history, {MAIN: later})
    blob = history.add("blob", policy("alice").encode())
    lose(path, [blob if lost == "policy" else history.commit_facts(alices).tree])
    found = court.audit(path, {MAIN: later}, introduction=start, in_history=True)
    assert not any(found[one].accepted for one in (alices, bobs, later))
