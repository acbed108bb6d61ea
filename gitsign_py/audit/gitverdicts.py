"""What git says of OpenPGP and SSH signatures: it knows how to ask gpg and ssh-keygen, and reads their answers.

It does so in a directory of our own over the repository's objects (``host.ownplace``): the programs are those on PATH,
whatever the configuration says (one of them may be this very program, and a repository's own names none).

One git process takes many commits; tags come one by one, since git has no format for their verdicts and says what gpg
and ssh-keygen said (``verify-tag --raw``). Several processes run at once.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.ownplace import OwnPlace
from gitsign_py.host.git.program import git_environment, run_git
from gitsign_py.host.git.walk import Git

TIMEOUT = 600.0
_LISTED = "listed"  # the one name in our allowed signers file
_FORMAT = "%H%x00%G?%x00%GF%x00%GP"  # git-log(1), PRETTY FORMATS: id, verdict, fingerprint, primary fingerprint
_FEW = 8  # commits for which one more process of git is worth its start

# sigcheck_gpg_status in git's gpg-interface.c: each excludes the others.
_GPG_VERDICTS = {"GOODSIG": "G", "BADSIG": "B", "EXPSIG": "X", "EXPKEYSIG": "Y", "REVKEYSIG": "R", "ERRSIG": "E"}
# parse_ssh_output in the same file: a known key is "for" somebody. For another no revocation file would be asked.
_SSH_GOOD = re.compile(rf'Good "git" signature for {_LISTED} with \S+ key (SHA256:\S+)\Z')


class GitVerdict(NamedTuple):
    """What git says of one signature: its letter (%G?), the fingerprint of the key, that of its primary key."""

    code: str
    fingerprint: str = ""
    primary: str = ""


class Question(NamedTuple):
    """A signed commit or tag; ``key`` is the one allowed signer of an SSH signature, empty for OpenPGP."""

    oid: str
    kind: str
    form: str
    key: str = ""


class GitVerdicts:
    """Asks git about signatures, with ``jobs`` processes at once.

    Each SSH signature is held against its own key, given as an allowed signers file: without one git asks no
    gpg.ssh.revocationFile, which ``revoked`` gives as options of git.
    """

    def __init__(self, git: Git, jobs: int, revoked: Callable[[], Sequence[str]]) -> None:
        self._git, self._jobs, self._revoked = git, jobs, revoked
        asked = ["rev-parse", "--path-format=absolute", "--show-object-format", "--git-path", "objects"]
        algorithm, objects = ask_line(git, asked).split("\n")[:2]
        # It goes away with this.
        self._place = OwnPlace(git.environment, Path(objects), "sha256" if algorithm == "sha256" else "sha1")

    def ask(self, questions: Sequence[Question]) -> dict[str, GitVerdict]:
        """Ask about all; what git does not name is not there. Raises UncheckedError when git fails."""
        parts = list(self._parts(questions))
        if len(parts) == 1:
            return self._answer(parts[0])
        with ThreadPoolExecutor(self._jobs) as threads:
            return {oid: verdict for found in threads.map(self._answer, parts) for oid, verdict in found.items()}

    def _parts(self, questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
        """Parts for one process each: by key, since a line that ssh-keygen cannot read would hide others below it."""
        by_key: dict[str, list[Question]] = {}
        for question in questions:
            by_key.setdefault(question.key, []).append(question)
        size = max(_FEW, -(-len(questions) // self._jobs))
        for same in by_key.values():
            yield from (same[at : at + size] for at in range(0, len(same), size))

    def _answer(self, same: Sequence[Question]) -> dict[str, GitVerdict]:
        with self._settings(same[0].key) as options:
            found = self._commits(options, [one.oid for one in same if one.kind != "tag"])
            return found | {one.oid: self._tag(options, one) for one in same if one.kind == "tag"}

    @contextmanager
    def _settings(self, key: str) -> Iterator[list[str]]:
        """Options for git: one SSH key as the whole list of allowed signers, and those that name the revoked ones."""
        with tempfile.NamedTemporaryFile("w", prefix="gitsign-signers-") as signers:
            signers.write(f'{_LISTED} namespaces="git" {key}\n' if key else "")
            signers.flush()
            revoked = self._revoked() if key else ()
            yield ["-c", f"gpg.ssh.allowedSignersFile={signers.name}", *revoked]

    def _commits(self, options: Sequence[str], oids: Sequence[str]) -> dict[str, GitVerdict]:
        if not oids:
            return {}
        arguments = ["log", "--no-walk=unsorted", "--stdin", "--no-show-signature", f"--format={_FORMAT}"]
        done = self._run([*options, *arguments], "".join(f"{oid}\n" for oid in oids))
        if done.returncode:
            raise UncheckedError("git-failed", "git could not verify the OpenPGP and SSH signatures")
        lines = (line.split("\0") for line in done.stdout.decode("utf-8", "replace").split("\n") if line)
        return {oid: GitVerdict(code, *key) for oid, code, *key in lines}

    def _tag(self, options: Sequence[str], one: Question) -> GitVerdict:
        """git-verify-tag(1): ``--raw`` gives on stderr what the program said, in its own words."""
        said = self._run([*options, "verify-tag", "--raw", one.oid]).stderr.decode("utf-8", "replace").split("\n")
        return _read_gpg(said) if one.form == "openpgp" else _read_ssh(said)

    def _run(self, arguments: Sequence[str], stdin: str = "") -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self._git.directory,
                env=git_environment(self._place.environment),
                input=stdin.encode(),
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UncheckedError(
                "git-failed", f"git could not verify the OpenPGP and SSH signatures: {error}"
            ) from error


def ask_line(git: Git, arguments: Sequence[str], *, accept: Sequence[int] = (0,)) -> str:
    """What git says in the repository, without the last line end. Raises GitsignError."""
    said = run_git(arguments, environment=git.environment, directory=git.directory, accept=accept)
    return os.fsdecode(said).rstrip("\n")


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
