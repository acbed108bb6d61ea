"""The real git as a subprocess: an argument list, an own environment, a time limit, never a shell.

git answers what only git knows for sure (revisions, reflogs, settings, packed objects). Replace refs, grafts, the list
of shallow commits and the commit-graph file are switched off: they show another object under an id, or other parents
than a commit has, and here it is the stored object that counts. Nothing is fetched from a promisor remote either, so
reading objects never touches the network.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsign_py.core.pattern import pattern
from gitsign_py.errors import ConfigError, GitsignError, UncheckedError, UsageError

_COUNT = pattern(r"[0-9]{1,9}\Z")
_VERSION = pattern(r"git version ([0-9]+)\.([0-9]+)")
TIMEOUT = 60.0
"""Seconds that one answer of git may take."""

# The words of git when it would fetch an object: promisor-remote.c (2.39, then since GIT_NO_LAZY_FETCH). Since then
# cat-file says "missing" of it, and goes on.
_PARTIAL = (b"from promisor remote", b"lazy fetching disabled")

# commit.c and revision.c, of a commit or a parent that is not here. git 2.39 goes on after the first, as if there were
# no more parents: then what it answers is not the whole of it, whatever its exit status says.
_CUT_OFF = pattern(rb"^(?:error: Could not read|fatal: Failed to traverse parents of commit) ([0-9a-f]{40,64})", re.M)

# setup.c, verify_repository_format: reftable for a git before 2.45, and the like.
_TOO_NEW = ("unknown repository extension", "Expected git repo version")

# What git says of objects and refs that are not whole (refs.c, packed-backend.c, object-file.c).
_DAMAGED = (
    "missing object",
    "bad object",
    "unexpected line in",
    "corrupt",
    "unable to read",
    "parse_object_buffer failed",
)

# setup.c, setup_git_directory: safe.bareRepository is explicit, as it is by default from git 3.0 on.
_IMPLICIT_BARE = "cannot use bare repository"

_UNREADABLE = 128  # the status that git gives for what it cannot read, where it gives one

NOWHERE = f"{os.devnull}/none"
"""A path that cannot be there: git passes over such a file without a word, and cannot run such a program."""

TRUE_PARENTS = ("-c", "core.commitGraph=false", "-c", "advice.graftFileDeprecated=false")
"""No other parents are shown than commits have: a commit-graph may be forged. No file of grafts but our own is read."""

QUIET = (*TRUE_PARENTS, "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={NOWHERE}")
"""Options before each command in a repository that is judged: no program of its configuration runs, no hook of its own
(git-config(1)). Never where git is asked about its configuration.
"""

# git(1), environment variables.
_ALWAYS = {
    "LC_ALL": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": NOWHERE,
    "GIT_SHALLOW_FILE": NOWHERE,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # Paths mean what we write, whoever chooses the variables of a hook.
    **dict.fromkeys((f"GIT_{name}_PATHSPECS" for name in ("LITERAL", "GLOB", "NOGLOB", "ICASE")), "0"),
    "GIT_FLUSH": "0",  # rev-list would write each commit to a pipe by itself: two system calls for each
}


def git_environment(environment: Mapping[str, str], grafts: str = "") -> dict[str, str]:
    """The environment for git: the caller's (GIT_DIR, quarantine and the like are kept), with our rules on top.

    ``grafts`` is a file of our own that leaves out parents which are not here (``host/git/cuts.py``).
    """
    return {**environment, **_ALWAYS, **({"GIT_GRAFT_FILE": grafts} if grafts else {})}


def with_settings(environment: Mapping[str, str], settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The environment with settings that count before those of any file (git(1), GIT_CONFIG_COUNT).

    ``-c`` takes a key up to its first ``=``, and a section may be called by a name that has one.
    Raises ConfigError ``config-value-invalid`` for a count that is none.
    """
    count = environment.get("GIT_CONFIG_COUNT") or "0"
    if not _COUNT.match(count):
        raise ConfigError(
            "config-value-invalid", f"GIT_CONFIG_COUNT is {count[:80]!r}, expected a whole number", hint="unset it"
        )
    first = int(count)
    made = dict(environment)
    for number, (key, value) in enumerate(settings, first):
        made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        made["GIT_CONFIG_COUNT"] = str(number + 1)
    return made


def run_git(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    stdin: bytes = b"",
    timeout: float = TIMEOUT,
    accept: Sequence[int] = (0,),
) -> bytes:
    """Run git and return its stdout; ``accept`` are the exit statuses that are no failure.

    Raises ConfigError ``git-missing``, UncheckedError ``git-timeout``, or the error of :func:`complaint`.
    """
    status, out, err = _ended(arguments, git_environment(environment), directory, stdin, timeout)
    if status not in accept or _CUT_OFF.search(err):
        raise complaint(err, status)
    return out


def ask_history(
    arguments: Sequence[str], *, environment: Mapping[str, str], directory: Path, grafts: str, accept: Sequence[int]
) -> bytes:
    """Run a git command that computes its answer from parents, and return its stdout; ``grafts``: git_environment.

    An error of git's is a failure whatever the status: git 2.39 says of a commit whose parent is missing that it has no
    merge base, with an error on stderr and the status of an answer. Raises what :func:`run_git` raises.
    """
    status, out, err = _ended(arguments, git_environment(environment, grafts), directory, b"", TIMEOUT)
    if status not in accept or _CUT_OFF.search(err):
        raise complaint(err, status)
    if status and err.startswith((b"error: ", b"fatal: ")):
        raise complaint(err, _UNREADABLE)
    return out


def _ended(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path | None, stdin: bytes, timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit status, stdout and stderr."""
    try:
        return _ran(["git", *TRUE_PARENTS, *arguments], environment, directory, stdin, timeout)
    except TimeoutError as error:
        raise too_slow(timeout) from error
    except OSError as error:
        raise not_started(error, directory) from error


def _ran(
    command: Sequence[str], environment: Mapping[str, str], directory: Path | None, stdin: bytes, timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit status, stdout and stderr. Raises TimeoutError, OSError."""
    if sys.platform == "linux" and hasattr(os, "posix_spawn") and directory is None and not stdin:
        from gitsign_py.host.pipes.once import run_once  # noqa: PLC0415 - each way loads its own

        return run_once(command, environment, timeout)
    import subprocess  # noqa: PLC0415 - 10 ms

    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, input=stdin, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return done.returncode, done.stdout, done.stderr


def complaint(stderr: bytes, status: int) -> GitsignError:
    """Turn git's own words into an error.

    UsageError ``repository-missing``, ConfigError ``repository-untrusted`` (git's safe.directory), ``repository-bare``
    (its safe.bareRepository) and ``repository-unsupported``, UncheckedError ``object-missing`` (a partial clone),
    ``history-incomplete``, ``git-failed``.
    """
    words = first_words(stderr) or f"exit status {status}"
    if any(sign in stderr for sign in _PARTIAL):
        return not_fetched("an object")
    if cut := _CUT_OFF.search(stderr):
        return cut_off(f"{cut[1].decode()}, or a parent of it, is missing")
    if "not a git repository" in words:
        return UsageError(
            "repository-missing",
            f"no git repository here: {words}",
            hint="run it inside a repository, or set GIT_DIR",
        )
    hint = "git fsck --full names what is damaged" if any(sign in words for sign in _DAMAGED) else ""
    return _not_used(words) or UncheckedError("git-failed", f"git failed: {words}", hint=hint, facts={"status": status})


def _named_in(words: str) -> str:
    """The directory that git names between apostrophes, quoted for the shell."""
    import shlex  # noqa: PLC0415 - git starts us anew for each signature, and this is rare

    _, _, rest = words.partition(" at '")
    named, apostrophe, _ = rest.rpartition("'")
    return shlex.quote(named) if apostrophe else "DIRECTORY"


def _not_used(words: str) -> ConfigError | None:
    """The repository is there, and git does not use it: for its owner, its kind, or how it was found."""
    if "dubious ownership" in words:
        return ConfigError(
            "repository-untrusted",
            f"git does not trust this repository: {words}",
            hint=f"if you do, run git config --global --add safe.directory {_named_in(words)}",
        )
    if _IMPLICIT_BARE in words:
        return ConfigError(
            "repository-bare",
            f"git does not use this repository unless it is named: {words}",
            hint="name it: gitsign-py COMMAND --git-dir DIR (here --git-dir .), or set GIT_DIR",
        )
    if words.startswith(_TOO_NEW):
        return ConfigError(
            "repository-unsupported",
            f"this git cannot read the repository: {words}",
            hint="put a newer git on PATH, or the one that made it",
        )
    return None


def not_fetched(what: str) -> UncheckedError:
    """The error for an object that a partial clone lacks."""
    return UncheckedError(
        "object-missing",
        f"{what} is not in this partial clone, and nothing is fetched while judging",
        hint="fetch the rest first: git fetch --refetch --no-filter",
    )


def cut_off(words: str) -> UncheckedError:
    """A commit has a parent that is not here, and what lies behind it was asked for."""
    return UncheckedError(
        "history-incomplete",
        f"git failed, since the history is not all here: {words}",
        hint="fetch the rest (git fetch --unshallow), or mend the alternates",
    )


def git_version(environment: Mapping[str, str], *, timeout: float = TIMEOUT) -> tuple[str, tuple[int, int] | None]:
    """The version line of git, and the first two numbers in it. Raises what :func:`run_git` does."""
    text = run_git(["version"], environment=environment, timeout=timeout).decode("utf-8", "replace").strip()
    match = _VERSION.match(text)
    return text, (int(match[1]), int(match[2])) if match else None


def first_words(stderr: bytes) -> str:
    """The line of git's stderr that says what is wrong, without its ``fatal:`` or ``error:``.

    What git lists below it, a name to a line after a tab, belongs to it.
    """
    lines = stderr.decode("utf-8", "replace").replace("\n\t", " ").splitlines()
    for start in ("fatal: ", "error: "):
        for line in lines:
            if line.startswith(start):
                return line.removeprefix(start)
    return lines[0] if lines else ""


def not_started(error: OSError, directory: Path | None) -> ConfigError:
    """The error for a git that cannot be run. Windows does not say in ``error.filename`` which one it did not find."""
    if directory is not None and not directory.is_dir():
        return ConfigError("directory-missing", f"the directory {directory} does not exist")
    words = (error.strerror or "error").lower()
    return ConfigError("git-missing", f"the program git cannot be run: {words}", hint="install git, or put it on PATH")


def too_slow(timeout: float) -> UncheckedError:
    """Git was silent for so many seconds."""
    return UncheckedError("git-timeout", f"git did not answer within {timeout:g} s", facts={"seconds": int(timeout)})
