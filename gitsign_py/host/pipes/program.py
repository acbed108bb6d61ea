"""A program that is talked to through its pipes, with a time limit. How to wait for a pipe is each system's affair."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import IO


class PipedProgram(ABC):
    """A running program: by poll(2) in ``host.pipes.polled``, by threads in ``host.pipes.threaded``.

    Times are of time.monotonic. Raises OSError when the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: "os.PathLike[str] | None",
        *,
        errors: "int | IO[bytes]",
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
        )

    @abstractmethod
    def write(self, data: bytes, deadline: float) -> None:
        """Write all of it until ``deadline``. Raises TimeoutError, BrokenPipeError."""

    @abstractmethod
    def read(self, deadline: float) -> bytes:
        """Wait for a piece of the output; empty at its end. Raises TimeoutError."""

    @abstractmethod
    def words(self) -> bytes:
        """Its words on stderr since the last call."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""
        return self._process.wait()
