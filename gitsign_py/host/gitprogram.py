"""The real git as a subprocess: an argument list, an own environment, a time limit, never a shell.

git answers what only git knows for sure (revisions, reflogs, settings, packed objects). Replace refs and grafts are
switched off: they show another object under an id, and here it is the stored object that counts. Nothing is fetched
from a promisor remote either, so reading objects never touches the network.
"""

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsign_py.errors import ConfigError, GitsignError, UncheckedError, UsageError

TIMEOUT = 60.0
"""Seconds that one answer of git may take."""

_PIECE = 1 << 16
# What git says when it would fetch an object: promisor-remote.c (2.39, then since GIT_NO_LAZY_FETCH).
_PARTIAL = (b"from promisor remote", b"lazy fetching disabled")

# git(1), environment variables; the graft file is one that cannot exist, which git passes over without a word.
_ALWAYS = {
    "LC_ALL": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": f"{os.devnull}/none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


def git_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for git: the caller's (GIT_DIR, quarantine and the like are kept), with our rules on top."""
    return {**environment, **_ALWAYS}


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
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            env=git_environment(environment),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(timeout) from error
    except OSError as error:
        raise _not_started(error) from error
    if done.returncode not in accept:
        raise complaint(done.stderr, done.returncode)
    return done.stdout


def complaint(stderr: bytes, status: int) -> GitsignError:
    """Turn git's own words into an error.

    UsageError ``repository-missing``, ConfigError ``repository-untrusted`` (git's safe.directory), UncheckedError
    ``object-missing`` (a partial clone), ``git-failed``.
    """
    words = first_words(stderr) or f"exit status {status}"
    if any(sign in stderr for sign in _PARTIAL):
        return UncheckedError(
            "object-missing",
            "an object is not in this partial clone, and nothing is fetched while judging",
            hint="fetch the rest first: git fetch --refetch --no-filter",
        )
    if "not a git repository" in words:
        return UsageError(
            "repository-missing",
            f"no git repository here: {words}",
            hint="run it inside a repository, or set GIT_DIR",
        )
    if "dubious ownership" in words:
        return ConfigError(
            "repository-untrusted",
            f"git does not trust this repository: {words}",
            hint="if you do, run git config --global --add safe.directory DIRECTORY",
        )
    return UncheckedError("git-failed", f"git failed: {words}", facts={"status": status})


def first_words(stderr: bytes) -> str:
    """The line of git's stderr that says what is wrong, without its ``fatal:`` or ``error:``."""
    lines = stderr.decode("utf-8", "replace").splitlines()
    for start in ("fatal: ", "error: "):
        for line in lines:
            if line.startswith(start):
                return line.removeprefix(start)
    return lines[0] if lines else ""


class GitCatFile:
    """One ``git cat-file --batch`` that is asked again and again: 1.2 ms once, microseconds for each object after.

    The process starts with the first question and again after it died (git dies of a reflog entry that is not there).
    Close it, or use it as a context manager.
    """

    def __init__(self, *, environment: Mapping[str, str], directory: Path | None, timeout: float = TIMEOUT) -> None:
        self._environment = environment
        self._directory = directory
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._words = bytearray()

    def ask(self, name: str, *, max_bytes: int) -> tuple[str, str, bytes | None] | str:
        """Ask for ``name``, any one-line spelling of a revision that git knows.

        Returns (kind, id, content), content being None when it has more than ``max_bytes``; or git's one word for what
        is wrong with the name: ``missing`` or ``ambiguous``. Raises ConfigError ``git-missing``, UncheckedError
        ``git-timeout``, :class:`GitDied` when git gave up, for whatever reason.
        """
        deadline = time.monotonic() + self._timeout
        self._write(os.fsencode(name) + b"\n", deadline)
        line = self._line(deadline)
        words = line.rsplit(b" ", 2)
        if not line.endswith((b" missing", b" ambiguous")) and len(words) == 3 and words[2].isdigit():
            content = self._content(int(words[2]), max_bytes)
            return words[1].decode("ascii"), words[0].decode("ascii"), content
        return words[-1].decode("ascii", "replace")

    def warnings(self) -> tuple[str, ...]:
        """What git said on stderr since the last call, line by line (a name that is ambiguous, and so on)."""
        self._drain()
        lines = bytes(self._words).decode("utf-8", "replace").splitlines()
        self._words.clear()
        return tuple(lines)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # closes the pipes and waits
            process.kill()
        self._buffer.clear()

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    ["git", "cat-file", "--batch"],
                    cwd=self._directory,
                    env=git_environment(self._environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                )
            except OSError as error:
                raise _not_started(error) from error
            os.set_blocking(_pipe(self._process, "stderr"), False)
        return self._process

    def _write(self, data: bytes, deadline: float) -> None:
        """One question fits the pipe (argument strings have at most 128 KiB), unless git does not read at all."""
        pipe = _pipe(self._start(), "stdin")
        while data:
            self._wait({pipe: select.POLLOUT}, deadline)
            try:
                data = data[os.write(pipe, data[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise self._died() from None

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _content(self, size: int, max_bytes: int) -> bytes | None:
        """Take ``size`` bytes and the LF after them; what is too large to keep is read past."""
        if size <= max_bytes:
            while len(self._buffer) <= size:
                self._fill(time.monotonic() + self._timeout)
            content = bytes(self._buffer[:size])
            del self._buffer[: size + 1]
            return content
        left = size + 1
        while left:
            if not self._buffer:
                self._fill(time.monotonic() + self._timeout)
            step = min(left, len(self._buffer))
            del self._buffer[:step]
            left -= step
        return None

    def _fill(self, deadline: float) -> None:
        process = self._start()
        out, errors = _pipe(process, "stdout"), _pipe(process, "stderr")
        ready = self._wait({out: select.POLLIN, errors: select.POLLIN}, deadline)
        self._drain()
        if out in ready:
            piece = os.read(out, _PIECE)
            if not piece:
                raise self._died()
            self._buffer += piece

    def _wait(self, pipes: Mapping[int, int], deadline: float) -> set[int]:
        """Wait until one of the pipes is ready or closed. Poll, since select() ends at descriptor 1023."""
        poll = select.poll()
        for number, events in pipes.items():
            poll.register(number, events)
        ready = {number for number, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
        if not ready:
            self.close()
            raise _too_slow(self._timeout)
        return ready

    def _drain(self) -> None:
        """Take what stands on stderr, so that git never waits for us there."""
        if self._process is None:
            return
        try:
            while piece := os.read(_pipe(self._process, "stderr"), _PIECE):
                self._words += piece
        except BlockingIOError:
            return

    def _died(self) -> "GitDied":
        process = self._start()
        status = process.wait()
        self._drain()
        words = bytes(self._words)
        self._words.clear()
        self.close()
        return GitDied(words, status)


class GitDied(Exception):  # noqa: N818 - an event between two functions here, turned into an error of ours at once
    """git ended instead of answering; ``stderr`` says why."""

    def __init__(self, stderr: bytes, status: int) -> None:
        super().__init__(stderr, status)
        self.stderr = stderr
        self.status = status


def _pipe(process: "subprocess.Popen[bytes]", name: str) -> int:
    number: int = getattr(process, name).fileno()
    return number


def _not_started(error: OSError) -> ConfigError:
    if isinstance(error, NotADirectoryError | FileNotFoundError) and error.filename != "git":
        return ConfigError("directory-missing", f"the directory {error.filename} does not exist")
    words = (error.strerror or "error").lower()
    return ConfigError("git-missing", f"the program git cannot be run: {words}", hint="install git, or put it on PATH")


def _too_slow(timeout: float) -> UncheckedError:
    return UncheckedError("git-timeout", f"git did not answer within {timeout:g} s", facts={"seconds": int(timeout)})
