"""What verdicts on OpenPGP and SSH signatures rest on: keyring, list of revoked keys, programs; read once in a run.

Each has a digest, and kept verdicts (``cache.py``) count under the very same digest alone: of the bytes of the files
and of what the programs say; of a program itself the path, size and time. Where not all of it can be seen the digest is
empty, and nothing is kept.
"""

import hashlib
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from gitsign_py.audit.gitverdicts import ask_line
from gitsign_py.core.git.openpgpform import OpenPgpKey
from gitsign_py.core.git.sshrevoked import MAX_BYTES, NONE, RevokedSshKeys, read_revoked
from gitsign_py.errors import FormatError
from gitsign_py.host.git.config import REPOSITORY_SCOPES, is_isolated
from gitsign_py.host.git.program import git_environment
from gitsign_py.host.git.walk import Git
from gitsign_py.host.plainfile import read_plain
from gitsign_py.host.programs import find_program

_GPG_SECONDS = 20.0
_MOST = 64 << 20
# gpg's doc/DETAILS: with these no other program says how the keys are, but how each of them is made.
_LISTING = ("--batch", "--no-tty", "--no-auto-check-trustdb", "--with-colons", "--with-key-data", "--list-keys")
_KEYRINGS, _SETTINGS = ("pubring.kbx", "pubring.gpg"), ("gpg.conf", "common.conf")
_ELSEWHERE = (b"keyring", b"keyboxd", b"homedir", b"options")  # settings that name other files, or another program


class Keyring(NamedTuple):
    """The ids (8 bytes each) of all keys and subkeys that gpg knows, None where it does not say; those that our own
    code can use, by id; and the digest of all that gpg's verdicts rest on.
    """

    ids: frozenset[bytes] | None
    keys: Mapping[bytes, OpenPgpKey]
    digest: bytes


class Revoked(NamedTuple):
    """The list of revoked SSH keys: options for git that name it, the list if our own code understands it, and the
    digest of what verdicts rest on.
    """

    options: Sequence[str]
    keys: RevokedSshKeys | None
    digest: bytes


def read_keyring(git: Git) -> Keyring:
    """Ask gpg for its keys, and see what its verdicts rest on."""
    listing = _gpg(git, "gpg", *_LISTING)
    if listing is None:
        return Keyring(None, {}, b"")
    try:
        rows = (line.split(b":") for line in listing.splitlines() if line.startswith((b"pub:", b"sub:")))
        ids = frozenset(bytes.fromhex(row[4].decode("ascii")) for row in rows)
        return Keyring(ids, usable_keys(listing), _state_of_gpg(git, listing))
    except (ValueError, IndexError):
        return Keyring(None, {}, b"")


def usable_keys(listing: bytes) -> Mapping[bytes, OpenPgpKey]:
    """Keys by id, without those that share one. Raises ValueError, IndexError."""
    found = list(_keys(listing))
    times = Counter(key.fingerprint[-16:] for key in found)
    return {bytes.fromhex(key.fingerprint[-16:]): key for key in found if times[key.fingerprint[-16:]] == 1}


def _keys(listing: bytes) -> Iterator[OpenPgpKey]:
    """Rows of one key: ``pub`` or ``sub``, ``fpr``, and a ``pkd`` for each of its numbers."""
    made = algorithm = 0
    fingerprint, numbers = "", [b""]
    for row in (line.split(b":") for line in (*listing.splitlines(), b"pub::::0:0:::::")):
        if row[0] in (b"pub", b"sub"):
            if len(fingerprint) == 40:
                yield OpenPgpKey(fingerprint, made, algorithm, tuple(numbers))
            fingerprint, numbers, algorithm = "", [], int(row[3] or b"0")
            made = int(row[5] or b"0") if row[5].isdigit() else 0
        elif row[0] == b"fpr":
            fingerprint = row[9].decode("ascii")
        elif row[0] == b"pkd":
            text = row[3].decode("ascii")
            numbers.append(bytes.fromhex(text.zfill(len(text) + len(text) % 2)))


def _state_of_gpg(git: Git, listing: bytes) -> bytes:
    """The digest of keyring, settings and programs; of the listing too, which says what has expired by now."""
    version, places = _gpg(git, "gpg", "--version"), _gpg(git, "gpgconf", "--list-dirs")
    if version is None or places is None:
        return b""
    named = dict(line.split(":", 1) for line in os.fsdecode(places).splitlines() if ":" in line)
    home, system = (Path(unquote(named.get(name, ""))) for name in ("homedir", "sysconfdir"))
    if not home.is_absolute() or not system.is_absolute():
        return b""
    try:
        settings = [_content(folder / name) for folder in (home, system) for name in _SETTINGS]
        settings += [_content(path) for path in sorted(home.glob("gpg.conf-*"))]
        if any(word in text for text in settings for word in _ELSEWHERE) or (home / "public-keys.d").exists():
            return b""
        keyrings = [_content(home / name) for name in _KEYRINGS]
    except (OSError, ValueError):
        return b""
    return _digest(b"openpgp", *_programs(git, "git", "gpg"), version, places, listing, *settings, b"|", *keyrings)


def _content(path: Path) -> bytes:
    """The bytes of a file, none of one that is not there. Raises OSError; ValueError for one that is too large."""
    try:
        data = read_plain(path, _MOST)
    except FileNotFoundError:
        return b""
    if len(data) > _MOST:
        raise ValueError(path)
    return data


def _programs(git: Git, *names: str) -> Iterator[bytes]:
    """Which programs they are; OSError for one that went away."""
    for name in names:
        path = find_program(name, path=git.environment.get("PATH")) or ""
        found = os.stat(path)  # noqa: PTH116 - the empty name must fail
        yield f"{path} {found.st_size} {found.st_mtime_ns} {found.st_ino}".encode("utf-8", "surrogateescape")


def _gpg(git: Git, program: str, *arguments: str) -> bytes | None:
    """What a program says; None where it fails."""
    try:
        done = subprocess.run(
            [program, *arguments], env=git_environment(git.environment), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_GPG_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def read_revocations(git: Git) -> Revoked:
    """The list of revoked SSH keys: the person's own, else the repository's, which can only refuse more.

    A relative name starts where git runs, at the top of the worktree.
    """
    key = "gpg.ssh.revocationFile"
    words = ask_line(git, ["config", "-z", "--show-scope", "--type=path", "--get-all", key], accept=(0, 1)).split("\0")
    named = [(scope in REPOSITORY_SCOPES, name) for scope, name in zip(words[::2], words[1::2], strict=False)]
    own = [name for of_repository, name in named if not of_repository]
    name = (own or [name for _, name in named if not is_isolated(git.environment)] or [""])[-1]
    if not name:
        return Revoked((), NONE, _state_of_ssh(git, b""))
    top = "" if Path(name).is_absolute() else ask_line(git, ["rev-parse", "--show-toplevel"], accept=(0, 128))
    path = (Path(top) if top else git.directory or Path.cwd()) / name
    options = ("-c", f"{key}={path}")
    try:
        data = read_plain(path, MAX_BYTES)
        return Revoked(options, read_revoked(data), _state_of_ssh(git, data))
    except (OSError, ValueError, FormatError):
        return Revoked(options, None, b"")  # ssh-keygen says what is wrong with it, and so with each key


def _state_of_ssh(git: Git, revoked: bytes) -> bytes:
    try:
        return _digest(b"ssh", *_programs(git, "git", "ssh-keygen"), revoked)
    except OSError:
        return b""


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
