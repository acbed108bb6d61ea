"""Kept facts: a history that an older version of the verifier accepted stays accepted after the verifier was tightened.

The key of the cache did not name the code, so what was kept once was believed by every later version: by audits, by
hooks, and by git's own commands in history mode. Here a copy of the package keeps facts, one line of its code is
changed, and the same history is judged again, in both directions.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.audit.codedigest import digest_of
from gitsign_py.policy.model import POLICY_PATH
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ALICE_AND_BOB, History
from tests.support.stack import ROOT

POLICY = ALICE_AND_BOB + '[[rules]]\nname = "all"\nallow = ["alice"]\n'
BOTH = ALICE_AND_BOB + '[[rules]]\nname = "all"\nallow = ["alice", "bob"]\n'
LAST_STEP = "        check_expected(steps, signer, expected)\n"
REFUSED = '        raise UncheckedError("time-unproven", "this version is stricter")\n'
STRICTER = (REFUSED.replace("UncheckedError", '__import__("gitsign_py.errors").errors.VerificationError'), LAST_STEP)
NOUGHT = "0" * 40


@dataclass
class Copy:
    """A copy of the package, a user whose cache it fills, and a repository."""

    folder: Path
    repo: ScratchRepo
    history: History

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / "lib" / "gitsign_py" / path
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.folder / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gitsign_py", *arguments],
            cwd=self.repo.path, env=self.environment, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def audit(self) -> int:
        done = self.run("audit", "--offline", "--policy", str(self.folder / "policy.toml"), "main")
        assert done.returncode in (0, 1), done.stderr
        return done.returncode

    def hook(self, oid: str) -> int:
        done = self.run("hook", "pre-receive", stdin=f"{NOUGHT} {oid} refs/heads/pushed\n")
        assert done.returncode in (0, 1), done.stderr
        return done.returncode

    def verify(self, oid: str) -> bool:
        done = subprocess.run(
            ["git", "verify-commit", "--raw", oid],
            cwd=self.repo.path, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "TRUST_FULLY" in done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    signer = BulkSigner(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    shutil.copytree(
        ROOT / "gitsign_py", tmp_path / "lib" / "gitsign_py", ignore=shutil.ignore_patterns("__pycache__", "localstack")
    )
    program = tmp_path / "gitsign-py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    repo = ScratchRepo.init(tmp_path / "repo")
    for key, value in (
        ("gpg.x509.program", str(program)),
        ("gitsign.trustedRoot", str(tmp_path / "root.json")),
        ("gitsign.policy", str(tmp_path / "policy.toml")),
        ("gitsign.agent", "off"),
    ):
        repo.git("config", key, value)
    return Copy(tmp_path, repo, History(signer=signer.sign))


def tighten(copy: Copy) -> None:
    copy.change("verification/verifier.py", STRICTER[1], STRICTER[0])


def loosen(copy: Copy) -> None:
    copy.change("verification/verifier.py", STRICTER[0], STRICTER[1])


def test_an_audit_finds_out_anew_what_other_code_found(copy: Copy) -> None:
    oid = copy.history.commit(signed="alice", files={"a": "1"})
    copy.history.write(copy.repo.path / ".git", {"refs/heads/main": oid})
    assert (copy.audit(), copy.audit()) == (0, 0)
    tighten(copy)
    assert (copy.audit(), copy.audit()) == (1, 1), "what the older version accepted is refused by the stricter one"
    loosen(copy)
    assert copy.audit() == 0, "and what the stricter one refused is accepted again"


def test_a_hook_finds_out_anew_what_other_code_found(copy: Copy) -> None:
    oid = copy.history.commit(signed="alice", files={"a": "1"})
    copy.history.write(copy.repo.path / ".git", {})
    assert (copy.hook(oid), copy.hook(oid)) == (0, 0)
    tighten(copy)
    assert copy.hook(oid) == 1
    loosen(copy)
    assert copy.hook(oid) == 0


def test_kept_acceptances_of_a_history_are_of_the_same_code(copy: Copy) -> None:
    """The changed code refuses the commit that let bob in; what bob signs after it is accepted no more."""
    history = copy.history
    first = history.commit(signed="alice", files={POLICY_PATH: POLICY})
    second = history.commit(first, signed="alice", files={POLICY_PATH: BOTH})
    third = history.commit(second, by="bob", signed="bob", files={"a": "2"})
    history.write(copy.repo.path / ".git", {"refs/heads/main": third})
    copy.repo.git("config", "--unset", "gitsign.policy")
    copy.repo.git("config", "gitsign.policyMode", "history")
    copy.repo.git("config", "gitsign.introduction", first)
    assert copy.verify(third)
    line = "        report = Report()\n"
    refuse = (
        f'        if job.oid == "{second}":\n            return SignatureFacts("bad", "sigstore", reason="stricter")\n'
    )
    copy.change("audit/verify.py", line, refuse + line)
    fourth = history.commit(third, by="bob", signed="bob", files={"a": "3"})
    history.write(copy.repo.path / ".git", {"refs/heads/main": fourth})
    assert not copy.verify(fourth), "its parent is accepted by the other code alone"


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "core" / "deep" / "check.py"
    source.parent.mkdir(parents=True)
    source.write_text("LIMIT = 1\n")
    before, times = digest_of(tmp_path, ()), source.stat()
    source.write_text("LIMIT = 9\n")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_of(tmp_path, ()) != before
    source.write_text("LIMIT = 1\n")
    assert digest_of(tmp_path, ()) == before
    source.rename(source.with_name("other.py"))
    assert digest_of(tmp_path, ()) != before
