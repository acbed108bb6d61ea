"""Attack: a ref whose name git takes for another one that is not there.

git reads ``refs/heads/main`` as refs/tags/refs/heads/main too when there is no such branch. Anybody who may push a tag
then says which policy counts, who has left, or where a range begins.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.governed import MAIN, Governed, policy
from tests.support.history import START

GUESSED = ("refs/tags/{}", "refs/heads/{}", "refs/remotes/{}")
ORIGIN = "refs/remotes/origin/main"


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={POLICY_PATH: policy("alice", "bob")})
    return made


def left(governed: Governed) -> tuple[str, str]:
    """The commit by which bob has left, and what he signs on the introduction a month later."""
    now = governed.history.commit(
        governed.introduction, signed="alice", files={POLICY_PATH: policy("alice", "bob until=2024-01-02")}
    )
    late = START + timedelta(days=30)
    return now, governed.history.commit(governed.introduction, by="bob", signed="bob", files={"b": "1"}, proven=late)


@pytest.mark.parametrize("guessed", GUESSED)
def test_who_has_left_by_a_branch_that_is_not_there(governed: Governed, guessed: str) -> None:
    """HEAD names main, which is not there; by another ref git finds one all the same."""
    now, late = left(governed)
    server = governed.server("pre-receive", {"refs/heads/trunk": now, guessed.format(MAIN): governed.introduction})
    status, said = governed.push(server, f"{late}:refs/heads/old")
    assert status, said
    assert "[protected-ref-missing]" in said
    assert governed.audit(server, "--in-history", late)[1][late] == ("unchecked", "protected-ref-missing")
    assert "ERRSIG" in governed.git_says(server, late)


@pytest.mark.parametrize("guessed", GUESSED[:2])
def test_a_policy_and_a_range(governed: Governed, guessed: str) -> None:
    """As the recipes for CI have them, where only the branch of the pull request was fetched."""
    own = governed.history.commit(by="eve", signed="eve", files={POLICY_PATH: policy("eve")})
    evil = governed.history.commit(governed.introduction, by="eve", signed="eve", files={"a": "1"})
    tip = governed.history.commit(evil, signed="alice", files={"a": "2"})
    repo = governed.repository("repo", {"refs/heads/pr": tip, guessed.format(ORIGIN): own})
    repo.git("config", "gitsign.policyMode", "fixed")
    status, found, said = governed.audit(repo, "--policy", f"{ORIGIN}:{POLICY_PATH}", "pr")
    assert (status, found) == (2, {}), said
    assert f"there is no {ORIGIN}" in said
    repo.git("update-ref", guessed.format(ORIGIN), evil)
    (governed.folder / "policy.toml").write_text(policy("alice", "bob"))
    for words in ([f"{ORIGIN}..pr"], [f"{ORIGIN}...pr"], ["pr", f"^{ORIGIN}"]):
        assert governed.audit(repo, "--policy", str(governed.folder / "policy.toml"), *words)[0] == 2
        assert governed.run(repo, "verify", "--offline", "--any-identity", *words).returncode == 2
    repo.git("update-ref", ORIGIN, governed.introduction)
    status, found, _ = governed.audit(repo, "--policy", f"{ORIGIN}:{POLICY_PATH}", f"{ORIGIN}..pr")
    assert (status, set(found)) == (1, {evil, tip})
    assert governed.run(repo, "verify", "--offline", "--any-identity", f"{ORIGIN}..pr").returncode == 0
    assert governed.run(repo, "verify", "--offline", "--any-identity", f"{ORIGIN}~0", f"{ORIGIN}^{{}}").returncode == 0


@pytest.mark.parametrize("name", ["main", "origin/main"])
def test_a_tag_that_is_called_like_a_branch(governed: Governed, name: str) -> None:
    """git takes the tag, and says so on stderr alone: what is asked about is not what is judged."""
    evil = governed.history.commit(governed.introduction, by="eve", signed="eve", files={"a": "1"})
    repo = governed.repository("repo", {MAIN: evil, ORIGIN: evil, f"refs/tags/{name}": governed.introduction})
    for words in ([name], [f"{name}~0"], [f"HEAD..{name}"], ["HEAD", f"^{name}"]):
        for command in (["audit"], ["audit", "--no-policy"]):
            done = governed.run(repo, *command, "--offline", *words)
            assert (done.returncode, "[revision-ambiguous]" in done.stderr) == (2, True), done.stderr
    assert f" or refs/tags/{name}; write one of them" in done.stderr
    assert governed.run(repo, "policy", "explain", "--offline", name).returncode == 2
    assert governed.run(repo, "verify", "--offline", "--any-identity", f"{name}..HEAD").returncode == 2
    assert governed.audit(repo, "refs/heads/main")[0] == 1


def test_pre_push_of_what_is_named_with_blanks(governed: Governed) -> None:
    """Honest use: git gives the hook the name as it was typed."""
    tip = governed.history.commit(governed.introduction, signed="alice", files={"a": "1"}, message="mend it well")
    bare = governed.repository("bare.git", {MAIN: governed.introduction}, "--bare")
    clone = governed.clone(bare)
    governed.history.write(clone.path / ".git", {MAIN: tip})
    governed.install(clone.path / ".git", "pre-push")
    done = clone.run("push", "-q", "origin", "HEAD^{/mend it}:refs/heads/x", HOME=str(governed.folder))
    assert done.returncode == 0, done.stderr
    assert bare.git("rev-parse", "refs/heads/x") == tip
