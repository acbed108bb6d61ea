"""OpenPGP and SSH signatures, through git itself: git knows how to ask gpg and ssh-keygen, and reads their answers.

It does so in a directory of our own over the repository's objects (``host.ownplace``): the programs are those on PATH,
whatever the configuration says (one of them may be this very program, and a repository's own names none).

One git process takes a whole batch of commits; tags come one by one, since git has no format for their verdicts and
says what gpg and ssh-keygen said (``verify-tag --raw``). Whether a key may sign is the policy's question, by its
fingerprint. So each SSH signature is held against its own key, given as an allowed signers file: without one git asks
no gpg.ssh.revocationFile. Where no such file counts, our own code looks first (``core/git/sshsig.py``): what it finds
good needs no process. OpenPGP keys must be in the keyring of whoever runs the audit (docs/adr/0006).
"""

import os
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gitsign_py.audit.scan import Scanned
from gitsign_py.core.git.foreignsig import openpgp_fingerprint, openpgp_key_id, openpgp_may_be_by, ssh_public_key
from gitsign_py.errors import FormatError, UncheckedError, VerificationError
from gitsign_py.host.git.config import REPOSITORY_SCOPES, is_isolated
from gitsign_py.host.git.ownplace import OwnPlace
from gitsign_py.host.git.program import git_environment, run_git
from gitsign_py.host.git.walk import Git
from gitsign_py.host.programs import find_program
from gitsign_py.policy.facts import SignatureFacts, SignatureForm, SignatureStatus
from gitsign_py.policy.sshkey import ssh_fingerprint

TIMEOUT = 600.0
_KEYRING_SECONDS = 20.0
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


class GitVerdict(NamedTuple):
    """What git says of one signature: its letter (%G?), the fingerprint of the key, that of its primary key."""

    code: str
    fingerprint: str = ""
    primary: str = ""


def verify_foreign(git: Git, items: Sequence[Scanned]) -> dict[str, SignatureFacts]:
    """Verify signed commits and tags of these forms, by id. Raises UncheckedError when git cannot be run to the end."""
    missing = {form for form, program in PROGRAMS.items() if git.direct is not None or not _is_there(git, program)}
    found = {item.oid: _no_program(git, item) for item in items if item.form in missing}
    there = [item for item in items if item.form not in missing]
    revoked = _revocations(git) if any(item.form == "ssh" for item in there) else ()
    keyring = _keyring(git) if any(item.form == "openpgp" for item in there) else None
    by_key: dict[str, list[Scanned]] = defaultdict(list)
    for item in there:
        if item.form == "ssh" and not revoked and (good := _good_ssh(item)) is not None:
            found[item.oid] = _facts(item, good)
        elif item.form == "openpgp" and keyring is not None and not openpgp_may_be_by(_signature(item), keyring):
            found[item.oid] = _facts(item, GitVerdict("E"))
        else:
            by_key[ssh_public_key(_signature(item)) if item.form == "ssh" else ""].append(item)
    if not by_key:
        return found
    own = _own(git)
    for key, same in by_key.items():
        # A process for each key: a line that ssh-keygen cannot read would hide those of others below it.
        with _settings(key, revoked) as options:
            answers = _ask_commits(own, options, [item.oid for item in same if item.kind != "tag"])
            answers |= {item.oid: _ask_tag(own, options, item) for item in same if item.kind == "tag"}
        found |= {item.oid: _facts(item, answers.get(item.oid, GitVerdict("N"))) for item in same}
    return found


def _good_ssh(item: Scanned) -> GitVerdict | None:
    """The verdict on an SSH signature that our own code finds good; None for whatever ssh-keygen is to judge.

    Where a list of revoked keys counts, ssh-keygen judges them all: it reads that list.
    """
    from gitsign_py.core.git.sshsig import verify_ssh_signature  # noqa: PLC0415 - cryptography, where one is checked

    if item.split is None:
        return None
    try:
        return GitVerdict("G", verify_ssh_signature(_signature(item), item.split.payload, b"git"))
    except (FormatError, VerificationError):
        return None


def _keyring(git: Git) -> frozenset[bytes] | None:
    """The ids of all keys and subkeys that gpg knows (its doc/DETAILS, field 5); None where it does not say.

    A signature by none of them is ``key-missing`` without a process of its own.
    """
    command = ["gpg", "--batch", "--no-tty", "--no-auto-check-trustdb", "--with-colons", "--list-keys"]
    try:
        done = subprocess.run(
            command, env=git_environment(git.environment), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_KEYRING_SECONDS, check=False,
        )  # fmt: skip
        rows = [line.split(b":") for line in done.stdout.splitlines() if line.startswith((b"pub:", b"sub:"))]
        return None if done.returncode else frozenset(bytes.fromhex(row[4].decode("ascii")) for row in rows)
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None


def _signature(item: Scanned) -> bytes:
    return (item.split.signature if item.split else None) or b""


def _is_there(git: Git, program: str) -> bool:
    """Keep git from reading a missing ssh-keygen as a bad signature (gpg-interface.c)."""
    return find_program(program, path=git.environment.get("PATH")) is not None


def _no_program(git: Git, item: Scanned) -> SignatureFacts:
    program = PROGRAMS[item.form] if git.direct is None else "git"  # which asks the others
    message = f"{item.form}: the program {program} is not installed"
    claimed = _claimed(item)
    return SignatureFacts("unchecked", _form(item), reason="program-missing", message=message, claimed=claimed)


def _form(item: Scanned) -> SignatureForm:
    return "ssh" if item.form == "ssh" else "openpgp"


class _Own(NamedTuple):
    """Where git runs: in ``place``, which goes away with this."""

    place: OwnPlace
    environment: Mapping[str, str]
    directory: Path | None


def _own(git: Git) -> _Own:
    asked = ["rev-parse", "--path-format=absolute", "--show-object-format", "--git-path", "objects"]
    algorithm, objects = _ask(git, asked).split("\n")[:2]
    place = OwnPlace(git.environment, Path(objects), "sha256" if algorithm == "sha256" else "sha1")
    return _Own(place, place.environment, git.directory)


def _revocations(git: Git) -> Sequence[str]:
    """The list of revoked SSH keys: the person's own, else the repository's, which can only refuse more.

    A relative name starts where git runs, at the top of the worktree.
    """
    key = "gpg.ssh.revocationFile"
    words = _ask(git, ["config", "-z", "--show-scope", "--type=path", "--get-all", key], accept=(0, 1)).split("\0")
    named = [(scope in REPOSITORY_SCOPES, name) for scope, name in zip(words[::2], words[1::2], strict=False)]
    own = [name for of_repository, name in named if not of_repository]
    name = (own or [name for _, name in named if not is_isolated(git.environment)] or [""])[-1]
    if not name:
        return ()
    top = "" if Path(name).is_absolute() else _ask(git, ["rev-parse", "--show-toplevel"], accept=(0, 128))
    return ("-c", f"{key}={(Path(top) if top else git.directory or Path.cwd()) / name}")


def _ask(git: Git, arguments: Sequence[str], *, accept: Sequence[int] = (0,)) -> str:
    return os.fsdecode(run_git(arguments, environment=git.environment, directory=git.directory, accept=accept)).rstrip(
        "\n"
    )


@contextmanager
def _settings(key: str, revoked: Sequence[str]) -> Iterator[list[str]]:
    """Options for git: one SSH key as the whole list of allowed signers, and those that name the revoked ones."""
    with tempfile.NamedTemporaryFile("w", prefix="gitsign-signers-") as signers:
        signers.write(f'{_LISTED} namespaces="git" {key}\n' if key else "")
        signers.flush()
        yield ["-c", f"gpg.ssh.allowedSignersFile={signers.name}", *revoked]


def _ask_commits(git: _Own, options: Sequence[str], oids: Sequence[str]) -> dict[str, GitVerdict]:
    if not oids:
        return {}
    arguments = ["log", "--no-walk=unsorted", "--stdin", "--no-show-signature", f"--format={_FORMAT}"]
    done = _run(git, [*options, *arguments], "".join(f"{oid}\n" for oid in oids))
    if done.returncode:
        raise UncheckedError("git-failed", "git could not verify the OpenPGP and SSH signatures")
    lines = (line.split("\0") for line in done.stdout.decode("utf-8", "replace").split("\n") if line)
    return {oid: GitVerdict(code, *key) for oid, code, *key in lines}


def _ask_tag(git: _Own, options: Sequence[str], item: Scanned) -> GitVerdict:
    """git-verify-tag(1): ``--raw`` gives on stderr what the program said, in its own words."""
    said = _run(git, [*options, "verify-tag", "--raw", item.oid]).stderr.decode("utf-8", "replace").split("\n")
    return _read_gpg(said) if item.form == "openpgp" else _read_ssh(said)


def _run(git: _Own, arguments: Sequence[str], stdin: str = "") -> "subprocess.CompletedProcess[bytes]":
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


def _read_gpg(lines: Iterable[str]) -> GitVerdict:
    """Read status lines (gpg's doc/DETAILS) as git does: two verdicts are none."""
    words = [line.split(" ")[1:] for line in lines if line.startswith("[GNUPG:] ")]
    verdicts = [_GPG_VERDICTS[word[0]] for word in words if word and word[0] in _GPG_VERDICTS]
    if len(verdicts) != 1:
        return GitVerdict("E" if verdicts else "N")
    valid = next((word[1:] for word in words if word[0] == "VALIDSIG"), [])
    return GitVerdict(verdicts[0], valid[0] if valid else "", valid[9] if len(valid) > 9 else "")


def _read_ssh(lines: Sequence[str]) -> GitVerdict:
    good = _SSH_GOOD.match(lines[0])
    return GitVerdict("G", good[1]) if good else GitVerdict("B")


def _facts(item: Scanned, answer: GitVerdict) -> SignatureFacts:
    """A subkey's signature belongs to its primary key; a policy may list either."""
    code = "N" if item.form == "ssh" and answer.code == _SSH_UNASKED else answer.code
    status, reason, message = _MEANING.get(code, _MEANING["N"])
    fingerprint, primary = answer.fingerprint, answer.primary
    if item.form == "openpgp":
        fingerprint, primary = fingerprint.upper(), primary.upper()
    key, subkey = (primary, fingerprint) if primary not in ("", fingerprint) else (fingerprint, "")
    if reason == "key-missing" and item.form == "openpgp":
        named = _claimed(item)
        message = f"the signing key{' ' + named if named else ''} is not in the keyring: import it with gpg --import"
    said = f"{item.form}: {message}" if message else ""
    claimed = "" if status == "good" else _claimed(item)
    return SignatureFacts(status, _form(item), key=key, subkey=subkey, reason=reason, message=said, claimed=claimed)


def _claimed(item: Scanned) -> str:
    """The key that the signature itself names."""
    signature = _signature(item)
    if item.form == "ssh":
        return ssh_fingerprint(ssh_public_key(signature))
    return openpgp_fingerprint(signature) or openpgp_key_id(signature)
