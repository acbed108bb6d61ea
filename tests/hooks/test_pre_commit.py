"""The pre-commit framework: it builds our program from this repository, and asks it when git commits or pushes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.pushserver import ROOT, Server

MAIN = "refs/heads/main"
BUILD_SECONDS = 600  # pip, an index and twenty wheels
_NO_INDEX = (
    "No matching distribution found",
    "Could not find a version",
    "Connection",
    "Temporary failure",
    "timed out",
)
_PUBLISHED = ("gitsign_py", "pyproject.toml", "README.md", "LICENSE", "NOTICE", ".pre-commit-hooks.yaml")
CONFIG = """\
repos:
  - repo: {repository}
    rev: {revision}
    hooks:
      - id: gitsign-py-policy-check
      - id: gitsign-py-policy-test
      - id: gitsign-py-pre-push
      - id: gitsign-py-post-merge
"""


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The framework's environment with our hooks built in it, and the configuration that names them."""
    program = shutil.which("pre-commit", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("pre-commit is not installed (pip install pre-commit)")
    folder = tmp_path_factory.mktemp("framework")
    ours = ScratchRepo.init(folder / "published")
    for name in _PUBLISHED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, ours.path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, ours.path / name)
    ours.git("add", "-A")
    revision = ours.commit("what is published")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(repository=ours.path, revision=revision))
    made = {"PATH": f"{Path(program).parent}:{os.environ['PATH']}", "PRE_COMMIT_HOME": str(folder / "home")}
    build(config, made)
    return {**made, "CONFIG": str(config)}


def build(config: Path, variables: dict[str, str]) -> None:
    """Have the framework build its environment. Without a package index there is nothing to build from."""
    user = ScratchRepo.init(config.parent / "user")
    shutil.copy(config, user.path / ".pre-commit-config.yaml")
    done = subprocess.run(
        ["pre-commit", "install-hooks"],
        cwd=user.path,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode and any(words in said for words in _NO_INDEX):
        pytest.skip("the package index cannot be reached, and pre-commit builds from it")
    assert done.returncode == 0, said


@pytest.fixture
def clone(framework: dict[str, str], server: Server) -> ScratchRepo:
    """A clone whose hooks are the framework's, and a server that takes everything."""
    (server.bare.path / "hooks/pre-receive").unlink()
    clone = ScratchRepo.init(server.folder / "work")
    clone.git("remote", "add", "origin", str(server.bare.path))
    for key in ("gitsign.trustedRoot", "gitsign.policy"):
        clone.git("config", key, server.bare.git("config", key))
    shutil.copy(framework["CONFIG"], clone.path / ".pre-commit-config.yaml")
    server.environment |= framework
    types = [word for name in ("pre-commit", "pre-push", "post-merge") for word in ("--hook-type", name)]
    done = subprocess.run(
        ["pre-commit", "install", *types],
        cwd=clone.path,
        env=environment(**server.environment),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return clone


def git(server: Server, clone: ScratchRepo, *arguments: str) -> tuple[int, str]:
    server.history.write(clone.path / ".git", {})
    done = clone.run(*arguments, stdin=b"", **server.environment)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_pushes(server: Server, clone: ScratchRepo) -> None:
    """What is pushed is judged: the first push of all with its root, a new branch, and what comes on top."""
    unsigned = server.history.commit(by="alice", files={"a": "0"})
    status, said = git(server, clone, "push", "origin", f"{unsigned}:{MAIN}")
    assert status != 0, "the framework says no id of such a push"
    assert unsigned in said
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"})
    better = server.history.commit(good, signed="alice", files={"a": "3"})
    for tip, ref, accepted in (
        (good, MAIN, True),
        (bad, MAIN, False),
        (better, MAIN, True),
        (good, "refs/heads/old", True),
        (bad, "refs/heads/topic", False),
    ):
        status, said = git(server, clone, "push", "origin", f"{tip}:{ref}")
        assert (status == 0) == accepted, said
        assert accepted or tip in said
        assert ("judge what is pushed" in said) == (ref != "refs/heads/old"), "it does not ask where nothing is new"
    assert server.ref(MAIN) == better
    assert server.ref("refs/heads/topic") == ""
    assert git(server, clone, "push", "origin", ":refs/heads/old")[0] == 0


def test_a_new_branch_answers_for_what_another_one_brought(server: Server, clone: ScratchRepo) -> None:
    """Bob may not sign on main, so what he signed on a topic does not get there as a branch that is new."""
    topic = server.history.commit(by="bob", signed="bob", files={"a": "1"})
    main = server.history.commit(topic, signed="alice", files={"a": "2"})
    assert git(server, clone, "push", "origin", f"{topic}:refs/heads/topic")[0] == 0
    status, said = git(server, clone, "push", "origin", f"{main}:{MAIN}")
    assert status != 0
    assert "[rule-refuses]" in said
    assert topic in said
    assert git(server, clone, "push", "origin", f"{main}:refs/heads/topic")[0] == 0


def test_merges(server: Server, clone: ScratchRepo) -> None:
    """A merge is told of, after the fact."""
    good = server.history.commit(signed="alice", files={"a": "1"})
    bad = server.history.commit(good, by="alice", files={"a": "2"}, message="from upstream")
    server.history.write(clone.path / ".git", {MAIN: good, "refs/heads/up": bad})
    clone.git("reset", "-q", "--hard")
    said = git(server, clone, "merge", "--ff-only", "up")[1]
    assert "judge what was merged" in said
    assert bad in said


def test_commits_of_a_policy(server: Server, clone: ScratchRepo) -> None:
    """A policy that is not valid, or fails its cases, is not committed."""
    path = clone.path / POLICY_PATH
    path.parent.mkdir()
    cases = '[[cases]]\nname = "none"\nsignature = "unsigned"\nexpect = "{}"\n'
    valid = (server.folder / "policy.toml").read_text()
    for policy, expected, accepted in (
        ("version = 7\n", "unsigned", False),
        (valid, "verified", False),
        (valid, "unsigned", True),
    ):
        path.write_text(policy)
        (path.parent / "policy-tests.toml").write_text(cases.format(expected))
        clone.git("add", "-A", ".gitsign")
        status, said = git(server, clone, "commit", "-q", "-m", "policy")
        assert (status == 0) == accepted, said
    assert "check the signing policy" in said
