"""git's own commands follow gitsign.policy: which trust, and why not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hooks.conftest import POLICY, ROOT
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import History


@pytest.fixture
def repo(tmp_path: Path) -> tuple[ScratchRepo, History]:
    signer = BulkSigner(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    program = tmp_path / "gitsign-py"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} GITSIGN_AGENT=off exec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    made = ScratchRepo.init(tmp_path / "repo")
    for key, value in (
        ("gpg.x509.program", str(program)),
        ("gitsign.trustedRoot", str(tmp_path / "root.json")),
        ("gitsign.policy", str(tmp_path / "policy.toml")),
        ("gitsign.agent", "off"),
    ):
        made.git("config", key, value)
    return made, History(signer=signer.sign)


def verify(repo: ScratchRepo, oid: str) -> "subprocess.CompletedProcess[bytes]":
    return repo.run("verify-commit", "--raw", oid)


def test_trust_by_policy(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    good = history.commit(signed="alice", files={"a": "1"})
    refused = history.commit(good, by="bob", signed="bob", files={"a": "2"})
    other = history.commit(good, by="bob", signed="alice", files={"a": "3"})
    history.write(made.path / ".git", {"refs/heads/main": good})
    done = verify(made, good)
    assert done.returncode == 0, done.stderr
    assert b"TRUST_FULLY" in done.stderr
    for oid, reason in ((refused, b"[rule-refuses]"), (other, b"[committer-mismatch]")):
        done = verify(made, oid)
        assert done.returncode == 1
        assert b"TRUST_NEVER" in done.stderr
        assert reason in made.run("verify-commit", oid).stderr
    made.git("symbolic-ref", "HEAD", "refs/heads/topic")
    assert verify(made, refused).returncode == 0, "on another branch another rule decides"


def test_policy_that_cannot_be_read_is_no_trust(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    one = history.commit(signed="alice", files={"a": "1"})
    history.write(made.path / ".git", {"refs/heads/main": one})
    made.git("config", "gitsign.policy", "main:gone.toml")
    done = verify(made, one)
    assert done.returncode != 0
    assert b"TRUST_FULLY" not in done.stderr


def test_tag_by_the_ref_of_its_name(repo: tuple[ScratchRepo, History]) -> None:
    made, history = repo
    one = history.commit(signed="alice", files={"a": "1"})
    good, bad = history.tag("v1", one, signed="alice"), history.tag("v2", one, by="bob", signed="bob")
    history.write(made.path / ".git", {"refs/heads/main": one, "refs/tags/v1": good, "refs/tags/v2": bad})
    assert made.run("verify-tag", "v1").returncode == 0
    done = made.run("verify-tag", "v2")
    assert done.returncode == 1
    assert b"[rule-refuses]" in done.stderr
