"""git as it will be: bare repositories are used only where they are named, objects are SHA-256, refs a reftable.

Run by CI with the newest git that can be had; an older one has no reftable, and then refs are files.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.host.git.program import git_version
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History
from tests.support.pushserver import ROOT, Server, make_server
from tests.support.workbench import Workbench

HAS_REFTABLE = (git_version(os.environ)[1] or (0, 0)) >= (2, 46)
NEXT: dict[str, Any] = {
    "GIT_DEFAULT_HASH": "sha256",
    **({"GIT_DEFAULT_REF_FORMAT": "reftable"} if HAS_REFTABLE else {}),
}
OPTIONS = ["--object-format=sha256", *(["--ref-format=reftable"] if HAS_REFTABLE else [])]
EXPLICIT = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.bareRepository", "GIT_CONFIG_VALUE_0": "explicit"}


@pytest.fixture
def pushed(tmp_path: Path, signer: BulkSigner) -> Server:
    """A server of the next git, with Alice's commit on main; everybody's configuration names bare repositories."""
    made = make_server(tmp_path, signer, *OPTIONS)
    (tmp_path / ".gitconfig").write_text("[safe]\n\tbareRepository = explicit\n")
    made.history = History(algorithm="sha256", signer=signer.sign)
    ScratchRepo.init(tmp_path / "clone", *OPTIONS)
    oid = made.history.commit(signed="alice", files={"a": "1"})
    status, said = made.push(f"{oid}:refs/heads/main")
    assert (status, made.ref("main")) == (0, oid), said
    return made


def test_pushes_are_judged(pushed: Server) -> None:
    unsigned = pushed.history.commit(pushed.ref("main"), files={"b": "1"})
    status, said = pushed.push(f"{unsigned}:refs/heads/main")
    assert (status, "[unsigned]" in said) == (1, True), said
    tag = pushed.history.tag("v1", pushed.ref("main"), signed="alice")
    assert pushed.push(f"{tag}:refs/tags/v1")[0] == 0
    pushed.install("reference-transaction")
    mallory = pushed.history.commit(pushed.ref("main"), signed="mallory", files={"b": "1"})
    status, said = pushed.push(f"{mallory}:refs/heads/other")
    assert (status, "[signer-unknown]" in said) == (1, True), said


def tool(server: Server, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    home = {**server.environment, "PYTHONPATH": str(ROOT), **EXPLICIT, **more}
    return subprocess.run(
        [sys.executable, "-m", "gitsign_py", *arguments],
        cwd=server.bare.path, env=environment(**home), capture_output=True, text=True, check=False, input="",
    )  # fmt: skip


COMMANDS = [
    ["audit", "--offline"],
    ["verify", "--any-identity", "--offline", "HEAD"],
    ["show", "HEAD"],
    ["identities"],
    ["policy", "explain", "HEAD"],
    ["hooks", "status"],
    ["bundle", "export", "HEAD"],
    ["attest", "--verify", "--any-identity", "HEAD"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_bare_repository_that_is_named(pushed: Server, command: list[str]) -> None:
    unnamed = tool(pushed, *command)
    assert (unnamed.returncode, "[repository-bare]" in unnamed.stderr) == (2, True), unnamed.stderr
    assert "--git-dir ." in unnamed.stderr
    usual = tool(pushed, *command, GIT_CONFIG_VALUE_0="all")
    for named in ([*command, "--git-dir", "."], ["--git-dir=.", *command]):
        done = tool(pushed, *named)
        assert "[repository-bare]" not in done.stderr
        assert (done.returncode, len(done.stdout.splitlines())) == (usual.returncode, len(usual.stdout.splitlines()))
    assert tool(pushed, *command, GIT_DIR=str(pushed.bare.path)).returncode == usual.returncode


def test_config_says_that_it_has_not_read_a_bare_repository(pushed: Server) -> None:
    unnamed, named = tool(pushed, "config"), tool(pushed, "config", "--git-dir", ".")
    assert (unnamed.returncode, named.returncode) == (0, 0)
    assert "the settings of this repository are not among these" in unnamed.stderr
    assert "--git-dir ." in unnamed.stderr
    assert (named.stderr, "policy.toml" in named.stdout, "policy.toml" in unnamed.stdout) == ("", True, False)


def test_folders_that_an_audit_names(pushed: Server) -> None:
    listed = pushed.folder / "repositories"
    listed.write_text(f"{pushed.bare.path}\n")
    done = tool(pushed, "audit", "--offline", "--repos", str(listed), "--format", "json")
    assert (done.returncode, "repository-bare" in done.stdout + done.stderr) == (0, False), (done.stdout, done.stderr)


def test_git_dir_wants_a_directory(pushed: Server) -> None:
    for words in (["audit", "--git-dir"], ["audit", "--git-dir="], ["--git-dir"]):
        done = tool(pushed, *words)
        assert (done.returncode, "[git-dir-missing]" in done.stderr) == (2, True), done.stderr
    assert "[repository-missing]" in tool(pushed, "audit", "--git-dir", "hooks").stderr


def test_the_phase_before_refs_are_locked_is_let_pass(pushed: Server) -> None:
    """git 2.54 asks once more, as ``preparing``: what is judged is what stands when the refs are locked."""
    unsigned = pushed.history.commit(pushed.ref("main"), files={"b": "1"})
    pushed.history.write(pushed.bare.path, {})
    line = f"{pushed.ref('main')} {unsigned} refs/heads/main\n"
    for phase, status in (("preparing", 0), ("prepared", 1), ("committed", 0), ("aborted", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "gitsign_py", "hook", "reference-transaction", phase],
            cwd=pushed.bare.path, env=environment(**pushed.environment, PYTHONPATH=str(ROOT), GIT_DIR="."),
            capture_output=True, text=True, check=False, input=line,
        )  # fmt: skip
        assert done.returncode == status, (phase, done.stderr)


def test_signing_and_checking(bench: Workbench, tmp_path: Path) -> None:
    bench.env |= NEXT
    repo = bench.init(path=tmp_path / "next")
    bench.git("config", "gitsign.allowedSigner", f"alice@example.com {bench.stack.url}", cwd=repo)
    oid = bench.commit(cwd=repo)
    bench.git("tag", "-s", "-m", "x", "v1", cwd=repo)
    assert len(oid) == 64
    bench.git("verify-commit", "HEAD", cwd=repo)
    bench.git("verify-tag", "v1", cwd=repo)
    assert bench.verify("HEAD", "v1", cwd=repo).returncode == 0
    audit = bench.tool("audit", "--tags", "--format", "json", cwd=repo)
    assert {one["verdict"] for one in json.loads(audit.stdout)["records"]} == {"verified"}
    online = bench.commit("online", cwd=repo, GITSIGN_REKOR_MODE="online")
    assert bench.verify(online, cwd=repo).returncode == 0
