"""OpenPGP and SSH signatures, through git itself: git knows how to ask gpg and ssh-keygen, and reads their answers.

One git process takes a whole batch of commits; tags come one by one, since git has no format for their verdicts and
says what gpg and ssh-keygen said (``verify-tag --raw``). SSH keys are those of the policy, given as an allowed signers
file; OpenPGP keys must be in the keyring of whoever runs the audit, and count when the policy lists their fingerprint.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from gitsign_py.audit.walk import Git
from gitsign_py.errors import UncheckedError
from gitsign_py.host.gitprogram import git_environment
from gitsign_py.policy.facts import SignatureFacts, SignatureForm, SignatureStatus
from gitsign_py.policy.model import Key

TIMEOUT = 600.0
_LISTED = "listed"  # the one name in our allowed signers file: the policy tells people apart, by their keys
PROGRAMS: Mapping[str, str] = {"openpgp": "gpg", "ssh": "ssh-keygen"}
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
# sigcheck_gpg_status in git's gpg-interface.c: each excludes the others.
_GPG_VERDICTS = {"GOODSIG": "G", "BADSIG": "B", "EXPSIG": "X", "EXPKEYSIG": "Y", "REVKEYSIG": "R", "ERRSIG": "E"}
# parse_ssh_output in the same file: a known key is "for" somebody.
_SSH_GOOD = re.compile(rf'Good "git" signature (?:for {_LISTED} )?with \S+ key (SHA256:\S+)\Z')


class Answer(NamedTuple):
    """What git says of one signature: its letter (%G?), the fingerprint of the key, that of its primary key."""

    code: str
    fingerprint: str = ""
    primary: str = ""


def verify_foreign(
    git: Git, forms: Mapping[str, SignatureForm], tags: Iterable[str], keys: Iterable[Key]
) -> dict[str, SignatureFacts]:
    """Verify objects by id; ``forms`` says which format each has, ``tags`` which of them are tags.

    Raises UncheckedError when git cannot be run to the end.
    """
    tags = frozenset(tags)
    missing = {form for form, program in PROGRAMS.items() if not _is_there(git, program)}
    asked = {oid: form for oid, form in forms.items() if form not in missing}
    with _settings(keys) as options:
        answers = _ask_commits(git, options, [oid for oid in asked if oid not in tags])
        answers |= {oid: _ask_tag(git, options, oid, asked[oid]) for oid in asked if oid in tags}
    return {
        oid: _facts(form, answers.get(oid, Answer("N"))) if oid in asked else _no_program(form)
        for oid, form in forms.items()
    }


def _is_there(git: Git, program: str) -> bool:
    """Keep git from reading a missing ssh-keygen as a bad signature (gpg-interface.c)."""
    return shutil.which(program, path=git.environment.get("PATH")) is not None


def _no_program(form: SignatureForm) -> SignatureFacts:
    message = f"{form}: the program {PROGRAMS[form]} is not installed"
    return SignatureFacts("unchecked", form, reason="program-missing", message=message)


@contextmanager
def _settings(keys: Iterable[Key]) -> Iterator[list[str]]:
    """Options for git: the policy's SSH keys, and the real programs, whichever are configured (we may be one)."""
    with tempfile.NamedTemporaryFile("w", prefix="gitsign-signers-") as signers:
        signers.writelines(f'{_LISTED} namespaces="git" {key.public}\n' for key in keys if key.format == "ssh")
        signers.flush()
        programs = ["-c", "gpg.program=gpg", "-c", "gpg.ssh.program=ssh-keygen"]
        yield ["-c", f"gpg.ssh.allowedSignersFile={signers.name}", *programs]


def _ask_commits(git: Git, options: Sequence[str], oids: Sequence[str]) -> dict[str, Answer]:
    if not oids:
        return {}
    arguments = ["log", "--no-walk=unsorted", "--stdin", "--no-show-signature", f"--format={_FORMAT}"]
    done = _run(git, [*options, *arguments], "".join(f"{oid}\n" for oid in oids))
    if done.returncode:
        raise UncheckedError("git-failed", "git could not verify the OpenPGP and SSH signatures")
    lines = (line.split("\0") for line in done.stdout.decode("utf-8", "replace").split("\n") if line)
    return {oid: Answer(code, *key) for oid, code, *key in lines}


def _ask_tag(git: Git, options: Sequence[str], oid: str, form: SignatureForm) -> Answer:
    """git-verify-tag(1): ``--raw`` gives on stderr what the program said, in its own words."""
    said = _run(git, [*options, "verify-tag", "--raw", oid]).stderr.decode("utf-8", "replace").split("\n")
    return _read_gpg(said) if form == "openpgp" else _read_ssh(said)


def _run(git: Git, arguments: Sequence[str], stdin: str = "") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=git.directory,
            env=git_environment(git.environment),
            input=stdin.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UncheckedError("git-failed", f"git could not verify the OpenPGP and SSH signatures: {error}") from error


def _read_gpg(lines: Iterable[str]) -> Answer:
    """Read status lines (gpg's doc/DETAILS) as git does: two verdicts are none."""
    words = [line.split(" ")[1:] for line in lines if line.startswith("[GNUPG:] ")]
    verdicts = [_GPG_VERDICTS[word[0]] for word in words if word and word[0] in _GPG_VERDICTS]
    if len(verdicts) != 1:
        return Answer("E" if verdicts else "N")
    valid = next((word[1:] for word in words if word[0] == "VALIDSIG"), [])
    return Answer(verdicts[0], valid[0] if valid else "", valid[9] if len(valid) > 9 else "")


def _read_ssh(lines: Sequence[str]) -> Answer:
    good = _SSH_GOOD.match(lines[0])
    return Answer("G", good[1]) if good else Answer("B")


def _facts(form: SignatureForm, answer: Answer) -> SignatureFacts:
    """A subkey's signature belongs to its primary key; a policy may list either."""
    status, reason, message = _MEANING.get(answer.code, _MEANING["N"])
    fingerprint, primary = answer.fingerprint, answer.primary
    if form == "openpgp":
        fingerprint, primary = fingerprint.upper(), primary.upper()
    key, subkey = (primary, fingerprint) if primary not in ("", fingerprint) else (fingerprint, "")
    said = f"{form}: {message}" if message else ""
    return SignatureFacts(status, form, key=key, subkey=subkey, reason=reason, message=said)
