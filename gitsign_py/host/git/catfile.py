"""A ``git cat-file --batch`` that goes on, and is asked for one object after another."""

import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.program import QUIET, TIMEOUT, git_environment, not_started, too_slow

if TYPE_CHECKING:
    from gitsign_py.host.pipes.program import PipedProgram


class GitCatFile:
    """One ``git cat-file --batch`` that is asked again and again: 1.2 ms once, microseconds for each object after.

    The process starts with the first question and again after it died (git dies of a reflog entry that is not there).
    Close it, or use it as a context manager.
    """

    def __init__(self, *, environment: Mapping[str, str], directory: Path | None, timeout: float = TIMEOUT) -> None:
        self._environment = environment
        self._directory = directory
        self._timeout = timeout
        self._pipes: PipedProgram | None = None
        self._buffer = bytearray()

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
        """The lines of git on stderr since the last call, line by line (a name that is ambiguous, and so on)."""
        said = b"" if self._pipes is None else self._pipes.words()
        return tuple(said.decode("utf-8", "replace").splitlines())

    def close(self) -> None:
        """End the process."""
        pipes, self._pipes = self._pipes, None
        if pipes is not None:
            pipes.close()
            self._buffer.clear()

    def _started(self) -> "PipedProgram":
        if self._pipes is None:
            try:
                self._pipes = _open_pipes(["git", *QUIET, "cat-file", "--batch"], self._environment, self._directory)
            except OSError as error:
                raise not_started(error, self._directory) from error
        return self._pipes

    def _write(self, data: bytes, deadline: float) -> None:
        """One question fits the pipe (argument strings have at most 128 KiB), unless git does not read at all."""
        try:
            self._started().write(data, deadline)
        except TimeoutError:
            raise self._gave_up() from None
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
            with memoryview(self._buffer) as view:  # a slice of the buffer would be one more copy
                content = bytes(view[:size])
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
        try:
            piece = self._started().read(deadline)
        except TimeoutError:
            raise self._gave_up() from None
        if not piece:
            raise self._died()
        self._buffer += piece

    def _gave_up(self) -> UncheckedError:
        self.close()
        return too_slow(self._timeout)

    def _died(self) -> "GitDied":
        pipes = self._started()
        status = pipes.wait()
        died = GitDied(pipes.words(), status)
        self.close()
        return died


def _open_pipes(command: Sequence[str], environment: Mapping[str, str], directory: Path | None) -> "PipedProgram":
    if sys.platform != "win32" and hasattr(select, "poll"):
        from gitsign_py.host.pipes.polled import PolledPipes  # noqa: PLC0415 - each system loads its own

        return PolledPipes(command, git_environment(environment), directory)
    from gitsign_py.host.pipes.threaded import ThreadedPipes  # noqa: PLC0415

    return ThreadedPipes(command, git_environment(environment), directory)


class GitDied(Exception):  # noqa: N818 - an event between two functions here, turned into an error of ours at once
    """git ended instead of answering; ``stderr`` says why."""

    def __init__(self, stderr: bytes, status: int) -> None:
        super().__init__(stderr, status)
        self.stderr = stderr
        self.status = status
