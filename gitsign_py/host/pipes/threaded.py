"""The pipes of a program that is talked to, with a time limit, where no pipe can be polled (Windows): by threads."""

import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gitsign_py.host.deadline import within
from gitsign_py.host.pipes.program import PipedProgram

_PIECE = 1 << 16


class ThreadedPipes(PipedProgram):
    """A running program. Its stderr is a file, which never makes it wait."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: "os.PathLike[str] | None"
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        self._read_to = 0
        try:
            self._popen = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
            )
        except OSError:
            self._errors.close()
            raise
        super().__init__(self._popen)
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()

    def _pump(self) -> None:
        assert self._popen.stdout is not None  # noqa: S101 - for the type checker: it was asked for
        piece = b" "
        while piece:
            piece = b""
            with suppress(OSError, ValueError):
                piece = os.read(self._popen.stdout.fileno(), _PIECE)
            self._pieces.put(piece)

    def write(self, data: bytes, deadline: float) -> None:
        """Write all of it until ``deadline`` (time.monotonic). Raises TimeoutError, BrokenPipeError."""
        pipe = self._popen.stdin
        assert pipe is not None  # noqa: S101 - as above
        try:
            within(max(0.0, deadline - time.monotonic()), lambda: _write_all(pipe.fileno(), data))
        except TimeoutError:
            raise
        except OSError as error:  # EINVAL is what Windows says of a pipe that nobody reads
            raise BrokenPipeError from error

    def read(self, deadline: float) -> bytes:
        """Wait for a piece of the output; empty at its end. Raises TimeoutError."""
        try:
            return self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None

    def words(self) -> bytes:
        """Its words on stderr since the last call."""
        # The position belongs to the open file, and so to the program as well, which writes on from there.
        self._errors.seek(self._read_to)
        said = self._errors.read()
        self._read_to += len(said)
        return said

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join(1.0)  # a program below it may hold its output still: nobody waits for that one
        for stream in (self._popen.stdin, self._popen.stdout, self._errors):
            if stream is not None:
                stream.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
