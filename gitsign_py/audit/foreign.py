"""OpenPGP and SSH signatures, through git itself: git knows how to ask gpg and ssh-keygen, and reads their answers.

One git process takes a whole batch of commits; tags come one by one, since git has no format for their verdicts and
says what gpg and ssh-keygen said (``verify-tag --raw``). Whether a key may sign is the policy's question, by its
fingerprint. So each SSH signature is held against its own key, given as an allowed signers file: without one git asks
no gpg.ssh.revocationFile. OpenPGP keys must be in the keyring of whoever runs the audit (docs/adr/0006).
"""

import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from gitsign_py.audit.scan import Scanned
from gitsign_py.audit.walk import Git
from gitsign_py.core.foreignsig import openpgp_fingerprint, ssh_public_key
from gitsign_py.errors import UncheckedError
from gitsign_py.host.gitprogram import git_environment
from gitsign_py.host.programs import find_program
from gitsign_py.policy.facts import SignatureFacts, SignatureForm, SignatureStatus

TIMEOUT = 600.0
_LISTED = "listed"  # the one name in our allowed signers file
PROGRAMS: Mapping[str, str] = {"openpgp": "gpg", "ssh": "ssh-keygen"}
_FORMAT = "%H%x00%G?%x00%GF%x00%GP"  # git-log(1), PRETTY FORMATS: id, verdict, fingerprint, primary fingerprint

# %G? of git-log(1). For OpenPGP G and U differ in the keyring's trust alone, and here the policy says whom to trust.
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
# parse_ssh_output in the same file: a known key is "for" somebody. For another no revocation file would be asked.
_SSH_GOOD = re.compile(rf'Good "git" signature for {_LISTED} with \S+ key (SHA256:\S+)\Z')
_SSH_UNASKED = "U"


class Answer(NamedTuple):
    """What git says of one signature: its letter (%G?), the fingerprint of the key, that of its primary key."""

    code: str
    fingerprint: str = ""
    primary: str = ""


def verify_foreign(git: Git, items: Sequence[Scanned]) -> dict[str, SignatureFacts]:
    """Verify signed commits and tags of these forms, by id. Raises UncheckedError when git cannot be run to the end."""
    missing = {form for form, program in PROGRAMS.items() if not _is_there(git, program)}
    found = {item.oid: _no_program(item) for item in items if item.form in missing}
    by_key: dict[str, list[Scanned]] = defaultdict(list)
    for item in items:
        if item.form not in missing:
            by_key[ssh_public_key(_signature(item)) if item.form == "ssh" else ""].append(item)
    for key, same in by_key.items():
        # A process for each key: a line that ssh-keygen cannot read would hide those of others below it.
        with _settings(key) as options:
            answers = _ask_commits(git, options, [item.oid for item in same if item.kind != "tag"])
            answers |= {item.oid: _ask_tag(git, options, item) for item in same if item.kind == "tag"}
        found |= {item.oid: _facts(item, answers.get(item.oid, Answer("N"))) for item in same}
    return found


def _signature(item: Scanned) -> bytes:
    return (item.split.signature if item.split else None) or b""


def _is_there(git: Git, program: str) -> bool:
    """Keep git from reading a missing ssh-keygen as a bad signature (gpg-interface.c)."""
    return find_program(program, path=git.environment.get("PATH")) is not None


def _no_program(item: Scanned) -> SignatureFacts:
    message = f"{item.form}: the program {PROGRAMS[item.form]} is not installed"
    return SignatureFacts("unchecked", _form(item), reason="program-missing", message=message)


def _form(item: Scanned) -> SignatureForm:
    return "ssh" if item.form == "ssh" else "openpgp"


@contextmanager
def _settings(key: str) -> Iterator[list[str]]:
    """Options for git: one SSH key, and the real programs, whichever are configured (we may be one)."""
    with tempfile.NamedTemporaryFile("w", prefix="gitsign-signers-") as signers:
        signers.write(f'{_LISTED} namespaces="git" {key}\n' if key else "")
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


def _ask_tag(git: Git, options: Sequence[str], item: Scanned) -> Answer:
    """git-verify-tag(1): ``--raw`` gives on stderr what the program said, in its own words."""
    said = _run(git, [*options, "verify-tag", "--raw", item.oid]).stderr.decode("utf-8", "replace").split("\n")
    return _read_gpg(said) if item.form == "openpgp" else _read_ssh(said)


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


def _facts(item: Scanned, answer: Answer) -> SignatureFacts:
    """A subkey's signature belongs to its primary key; a policy may list either."""
    code = "N" if item.form == "ssh" and answer.code == _SSH_UNASKED else answer.code
    status, reason, message = _MEANING.get(code, _MEANING["N"])
    fingerprint, primary = answer.fingerprint, answer.primary
    if item.form == "openpgp":
        fingerprint, primary = fingerprint.upper(), primary.upper()
    key, subkey = (primary, fingerprint) if primary not in ("", fingerprint) else (fingerprint, "")
    if reason == "key-missing" and item.form == "openpgp":
        named = openpgp_fingerprint(_signature(item))
        message = f"key {named or 'that it is made with'} is not in the keyring (gpg --import)"
    said = f"{item.form}: {message}" if message else ""
    return SignatureFacts(status, _form(item), key=key, subkey=subkey, reason=reason, message=said)
