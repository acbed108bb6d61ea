"""Signatures by the public-good instance and by the Go peer on real servers: the same verdict from the command, the
library and git."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import split_object
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import UncheckedError, VerificationError
from gitsign_py.verification import Expected, ExpectedIdentity, Report, verify_signature
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.vectors import VECTORS as SHARED
from tests.support.workbench import program

NOBODY_REACHED = {"GITSIGN_REKOR_URL": "http://127.0.0.1:9", "GITSIGN_TIMEOUT": "1"}
REALSTACK = {
    "v1-offline.commit": (0, ""),
    "v1-offline-tsa.commit": (0, ""),
    "v1-tag-offline.tag": (0, ""),
    "v2-offline-tsa.commit": (0, ""),
    "v2-offline.commit": (1, "time-unproven"),
    "v1-online.commit": (3, "log-entry-not-embedded"),
    "v1-online-tsa.commit": (3, "log-entry-not-embedded"),
    "v2-online.commit": (3, "log-entry-not-embedded"),
    "v1-tag-onlinemode.tag": (3, "log-entry-not-embedded"),
}
PRODUCTION = {
    "offline-": (0, ""),
    "online-": (3, "log-entry-not-embedded"),
    "prerelease-": (3, "signature-prerelease"),
    "other-ca-": (3, "certificate-untrusted"),
}
"""What the file names promise: exit status and reason."""
ALICE = ExpectedIdentity(Expected("alice@example.com"), Expected("http://127.0.0.1:18400"))


def cases() -> list[tuple[Path, int, str]]:
    found: list[tuple[Path, int, str]] = []
    for path in sorted([*SHARED.glob("*/*.commit"), *SHARED.glob("*/*.tag")]):
        if path.parent.name == "realstack":
            status, reason = REALSTACK[path.name]
        else:
            status, reason = next(value for start, value in PRODUCTION.items() if path.name.startswith(start))
        found.append((path, status, reason))
    return found


CASES = pytest.mark.parametrize(("path", "status", "reason"), cases(), ids=lambda value: getattr(value, "name", ""))


@CASES
def test_the_library(path: Path, status: int, reason: str) -> None:
    root = parse_trusted_root((path.parent / "trusted_root.json").read_bytes())
    split = split_object(path.suffix[1:], path.read_bytes())
    assert split.signature is not None
    report = Report()
    expected = ALICE if path.parent.name == "realstack" else None
    error: VerificationError | None = None
    try:
        verify_signature(
            split.payload, split.signature, trusted_root=root, now=datetime.now(UTC), expected=expected, report=report
        )
    except VerificationError as caught:
        error = caught
    found = 0 if error is None else 3 if isinstance(error, UncheckedError) else 1
    assert (found, error.reason if error else "") == (status, reason)
    if reason == "log-entry-not-embedded":
        assert {"2.1", "2.3", "3.2", "3.3"} <= {step.number for step in report.steps if step.outcome == "passed"}


@CASES
def test_the_command_and_git(path: Path, status: int, reason: str, tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repo")
    oid = repo.store(path.suffix[1:], path.read_bytes())
    env = environment(GITSIGN_TRUSTED_ROOT=str(path.parent / "trusted_root.json"), HOME=str(tmp_path), **NOBODY_REACHED)
    who = ["--any-identity"]
    if path.parent.name == "realstack":
        who = ["--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", "http://127.0.0.1:18400"]
    command = [str(program(tmp_path)), "verify", *who, "--offline", "--json", oid]
    done = subprocess.run(command, cwd=repo.path, env=env, capture_output=True, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    [judgement] = json.loads(done.stdout)
    assert judgement.get("reason", "") == reason
    by_git = subprocess.run(
        ["git", "-c", f"gpg.x509.program={program(tmp_path)}", f"verify-{path.suffix[1:]}", "--raw", oid],
        cwd=repo.path, env=env, capture_output=True, check=False,
    )  # fmt: skip
    word = {0: b"GOODSIG", 1: b"BADSIG", 3: b"ERRSIG"}[status]
    assert (by_git.returncode == 0, b"[GNUPG:] " + word in by_git.stderr) == (status == 0, True), by_git.stderr
