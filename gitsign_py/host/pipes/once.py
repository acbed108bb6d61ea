"""A program that is run once and read to its end, with a time limit, or talked to: where ``subprocess`` costs too much.

git asks us about each commit with a process of its own, and loading ``subprocess`` (threading, selectors, signal,
locale) takes longer than the one ``git config`` that most of them need. posix_spawn(3) does for that, without another
working directory.
"""

import errno
import os
import select
import sys
import time
from io import FileIO

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PIECE = 1 << 16
_LONGEST_NAP = 0.01
_SIGKILL = 9  # signal(7), as the next
_RESTORED = (13, 25)  # SIGPIPE and SIGXFSZ, which Python ignores and a child is not to

if sys.platform == "linux":

    def run_once(
        command: "Sequence[str]", environment: "Mapping[str, str]", timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Run a program of PATH here; gives exit status (negative: the signal that ended it), stdout and stderr.

        Raises TimeoutError (the program is killed), OSError when it cannot be started.
        """
        deadline = time.monotonic() + timeout
        ends = [*os.pipe(), *os.pipe()]
        try:
            process = _spawned(command, environment, out=ends[1], err=ends[3])
            os.close(ends.pop(3))
            os.close(ends.pop(1))
            try:
                said = _drained(ends, deadline)
                return _waited(process, deadline), *said
            except BaseException:
                os.kill(process, _SIGKILL)
                os.waitpid(process, 0)
                raise
        finally:
            for end in ends:
                os.close(end)

    class Spawned:
        """A running program with three pipes; what ``PolledPipes`` asks of ``subprocess.Popen``, and no more."""

        def __init__(self, command: "Sequence[str]", environment: "Mapping[str, str]") -> None:
            ends = [*os.pipe(), *os.pipe(), *os.pipe()]
            try:
                self._process = _spawned(command, environment, given=ends[0], out=ends[3], err=ends[5])
            except BaseException:
                for end in ends:
                    os.close(end)
                raise
            for end in (ends[0], ends[3], ends[5]):
                os.close(end)
            self.stdin, self.stdout, self.stderr = FileIO(ends[1], "wb"), FileIO(ends[2]), FileIO(ends[4])
            self._status: int | None = None

        def wait(self) -> int:
            """Wait for its end; gives the exit status (negative: the signal that ended it)."""
            if self._status is None:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
            return self._status

        def kill(self) -> None:
            """End it; one that was waited for has no process any more."""
            if self._status is None:
                os.kill(self._process, _SIGKILL)

        def __enter__(self) -> "Spawned":
            return self

        def __exit__(self, *_: object) -> None:
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()
            self.wait()

    def _spawned(
        command: "Sequence[str]", environment: "Mapping[str, str]", *, out: int, err: int, given: int | None = None
    ) -> int:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if given is None else (os.POSIX_SPAWN_DUP2, given, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, err, 2),
        ]
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
        other: OSError | None = None
        for folder in os.get_exec_path(environment):
            path = f"{folder}/{command[0]}" if folder else command[0]
            if not os.path.exists(path):  # where memory is not shared at vfork(2), spawning cannot say so
                continue
            try:
                if not os.access(path, os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
                return os.posix_spawn(path, list(command), environment, file_actions=actions, setsigdef=_RESTORED)
            except OSError as error:
                other = error
        raise other or missing

    def _drained(ends: "Sequence[int]", deadline: float) -> tuple[bytes, bytes]:
        """Both outputs to their ends, in whichever order they come."""
        said = {end: bytearray() for end in ends}
        poll = select.poll()
        for end in ends:
            poll.register(end, select.POLLIN)
        open_ends = set(ends)
        while open_ends:
            ready = poll.poll(_left(deadline) * 1000)
            for end, _ in ready:
                piece = os.read(end, _PIECE)
                said[end] += piece
                if not piece:
                    poll.unregister(end)
                    open_ends.discard(end)
        out, err = (bytes(said[end]) for end in ends)
        return out, err

    def _waited(process: int, deadline: float) -> int:
        nap = 0.0002
        while True:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(min(nap, _left(deadline)))
            nap = min(nap * 2, _LONGEST_NAP)

    def _left(deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
