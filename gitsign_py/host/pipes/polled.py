"""The three pipes of a program that is talked to, with a time limit: by poll(2)."""

import os
import select
import sys
import time
from collections.abc import Mapping, Sequence

from gitsign_py.host.pipes.program import PipedProgram

_PIECE = 1 << 16

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

    if sys.platform == "linux":
        from gitsign_py.host.pipes.once import Spawned

        Running = Popen[bytes] | Spawned
    else:
        Running = Popen[bytes]


if sys.platform != "win32":  # for the type checker, and nobody asks for it there: see threaded

    class PolledPipes(PipedProgram):
        """A running program. Its stderr is taken whenever we wait, so that it never waits for us there."""

        def __init__(
            self, command: Sequence[str], environment: Mapping[str, str], directory: "os.PathLike[str] | None"
        ) -> None:
            self._started = _started(command, environment, directory)
            super().__init__(self._started)
            self._words = bytearray()
            pipes = (self._started.stdin, self._started.stdout, self._started.stderr)
            self._in, self._out, self._errors = (pipe.fileno() for pipe in pipes if pipe is not None)
            os.set_blocking(self._errors, False)

        def write(self, data: bytes, deadline: float) -> None:
            """Write all of it until ``deadline`` (time.monotonic). Raises TimeoutError, BrokenPipeError."""
            while data:
                self._wait({self._in: select.POLLOUT}, deadline)
                data = data[os.write(self._in, data[: select.PIPE_BUF]) :]

        def read(self, deadline: float) -> bytes:
            """Wait for a piece of the output; empty at its end. Raises TimeoutError."""
            while True:
                ready = self._wait({self._out: select.POLLIN, self._errors: select.POLLIN}, deadline)
                self._drain()
                if self._out in ready:
                    return os.read(self._out, _PIECE)

        def words(self) -> bytes:
            """Its words on stderr since the last call."""
            self._drain()
            said = bytes(self._words)
            self._words.clear()
            return said

        def close(self) -> None:
            """End it."""
            with self._started:  # closes the pipes and waits
                self._started.kill()

        def _wait(self, pipes: Mapping[int, int], deadline: float) -> set[int]:
            """Wait until one of the pipes is ready or closed. Poll, since select() ends at descriptor 1023."""
            poll = select.poll()
            for number, events in pipes.items():
                poll.register(number, events)
            ready = {number for number, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
            if not ready:
                raise TimeoutError
            return ready

        def _drain(self) -> None:
            try:
                while piece := os.read(self._errors, _PIECE):
                    self._words += piece
            except BlockingIOError:
                return

    def _started(
        command: Sequence[str], environment: Mapping[str, str], directory: "os.PathLike[str] | None"
    ) -> "Running":
        """By posix_spawn(3) where it can be: ``subprocess`` takes 18 million instructions to load."""
        if sys.platform == "linux" and hasattr(os, "posix_spawn") and directory is None:
            from gitsign_py.host.pipes.once import Spawned  # noqa: PLC0415 - each way loads its own

            return Spawned(command, environment)
        from subprocess import PIPE, Popen  # noqa: PLC0415 - see above

        return Popen(command, cwd=directory, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, bufsize=0)
