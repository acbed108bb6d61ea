"""Pushes out of shallow clones, for servers that let them in (receive.shallowUpdate, which git leaves off)."""

import subprocess

import pytest

from tests.support.gitrepo import ScratchRepo, environment
from tests.support.pushserver import Server, in_history


def push_cut_off(server: Server, tip: str) -> tuple[int, str]:
    """Push ``tip`` to a new branch, without anything that is below it."""
    full = ScratchRepo.init(server.folder / "full")
    server.history.write(full.path / ".git", {"refs/heads/new": tip})
    cut = server.folder / "cut"
    clone = ["git", "clone", "-q", "--depth=1", "-b", "new", f"file://{full.path}", str(cut)]
    subprocess.run(clone, env=environment(), check=True)
    done = subprocess.run(
        ["git", "push", "-q", str(server.bare.path), "new"],
        cwd=cut, env=environment(**server.environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("signed", ["alice", ""])
def test_what_is_cut_off_does_not_come_in(server: Server, signed: str) -> None:
    """It would vouch for what lies before it, which nobody has judged, once that is pushed elsewhere."""
    server.config("receive.shallowUpdate", "true")
    hidden = server.history.commit(files={"a": "unsigned"})
    tip = server.history.commit(hidden, signed=signed or None, files={"a": "1"})
    status, said = push_cut_off(server, tip)
    assert status
    assert "[history-incomplete]" in said
    assert not server.ref("refs/heads/new")
    for oid in (hidden, tip):
        status, said = server.push(f"{oid}:refs/heads/other")
        assert status
        assert f"  {hidden} " in said


def test_a_cut_off_push_whose_rest_is_there(server: Server) -> None:
    """All of it is judged, or was before."""
    server.config("receive.shallowUpdate", "true")
    base = server.history.commit(signed="alice", files={"a": "1"})
    assert server.push(f"{base}:refs/heads/main")[0] == 0
    tip = server.history.commit(base, signed="alice", files={"a": "2"})
    assert push_cut_off(server, tip) == (0, "")


@pytest.mark.parametrize("known", [False, True])
def test_a_policy_in_the_history_needs_the_history(server: Server, known: bool) -> None:
    """Whether the server has the introduction already or not."""
    server.config("receive.shallowUpdate", "true")
    base = in_history(server)
    if known:
        assert server.push(f"{base}:refs/heads/main")[0] == 0
    middle = server.history.commit(base, signed="alice", files={"a": "1"})
    status, said = push_cut_off(server, server.history.commit(middle, signed="alice", files={"a": "2"}))
    assert status
    assert "gitsign-py: refused:" in said
    assert server.ref("refs/heads/new") == ""
