"""OpenPGP and SSH signatures, through git itself: git knows how to ask gpg and ssh-keygen, and reads their answers.

One git process takes a whole batch. SSH keys are those of the policy, given as an allowed signers file; OpenPGP keys
must be in the keyring of whoever runs the audit, and count when the policy lists their fingerprint.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gitsign_py.audit.walk import Git
from gitsign_py.errors import UncheckedError
from gitsign_py.host.gitprogram import git_environment
from gitsign_py.policy.facts import SignatureFacts, SignatureForm, SignatureStatus
from gitsign_py.policy.model import Key

TIMEOUT = 600.0
_FORMAT = "%H%x00%G?%x00%GF%x00%GP"  # git-log(1), PRETTY FORMATS: id, verdict, fingerprint, primary fingerprint

# %G? of git-log(1). G and U differ in the keyring's trust alone, and here the policy says whom to trust.
_MEANING: Mapping[str, tuple[SignatureStatus, str, str]] = {
    "G": ("good", "", ""),
    "U": ("good", "", ""),
    "B": ("bad", "signature-invalid", "signature does not verify"),
    "X": ("bad", "signature-expired", "signature has expired"),
    "R": ("bad", "key-revoked", "signature was made by a key that was revoked"),
    "Y": ("unchecked", "key-expired", "key has expired, and nothing proves that the signature is older"),
    "E": ("unchecked", "key-missing", "key to verify with is not there"),
    "N": ("unchecked", "signature-unread", "git finds no signature that it can read"),
}


def verify_foreign(git: Git, forms: Mapping[str, SignatureForm], keys: Iterable[Key]) -> dict[str, SignatureFacts]:
    """Verify commits by id; ``forms`` says which format each has.

    Raises UncheckedError when git cannot be run to the end.
    """
    listed = tuple(keys)
    with tempfile.NamedTemporaryFile("w", prefix="gitsign-signers-") as signers:
        for key in listed:
            if key.format == "ssh":
                signers.write(f'{key.name} namespaces="git" {key.public}\n')
        signers.flush()
        lines = _ask(git, list(forms), Path(signers.name))
    fingerprints = {key.fingerprint for key in listed}
    answers = {line[0]: line[1:] for line in lines}
    return {oid: _facts(form, answers.get(oid, ("N", "", "")), fingerprints) for oid, form in forms.items()}


def _ask(git: Git, oids: Sequence[str], signers: Path) -> list[tuple[str, ...]]:
    options = ["-c", f"gpg.ssh.allowedSignersFile={signers}", "-c", "gpg.program=gpg"]
    try:
        done = subprocess.run(
            ["git", *options, "log", "--no-walk=unsorted", "--stdin", "--no-show-signature", f"--format={_FORMAT}"],
            cwd=git.directory,
            env=git_environment(git.environment),
            input="".join(f"{oid}\n" for oid in oids).encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UncheckedError("git-failed", f"git could not verify the OpenPGP and SSH signatures: {error}") from error
    if done.returncode:
        raise UncheckedError("git-failed", "git could not verify the OpenPGP and SSH signatures")
    return [tuple(line.split("\0")) for line in done.stdout.decode("utf-8", "replace").split("\n") if line]


def _facts(form: SignatureForm, answer: Sequence[str], fingerprints: set[str]) -> SignatureFacts:
    """A subkey's signature belongs to its primary key, unless the policy lists the subkey itself."""
    code, fingerprint, primary = answer
    status, reason, message = _MEANING.get(code, _MEANING["N"])
    if form == "openpgp":
        fingerprint, primary = fingerprint.upper(), primary.upper()
    key = fingerprint if fingerprint in fingerprints or not primary else primary
    return SignatureFacts(status, form, key=key, reason=reason, message=f"{form}: {message}" if message else "")
