"""A program that is talked to through its pipes, with a time limit. How to wait for a pipe is each system's affair."""

from abc import ABC, abstractmethod
from typing import Protocol


class Process(Protocol):
    """What is asked of a running program here, as ``subprocess.Popen`` has it."""

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""

    def kill(self) -> None:
        """End it, if it runs."""


class PipedProgram(ABC):
    """A running program: by poll(2) in ``host.pipes.polled``, by threads in ``host.pipes.threaded``.

    Times are of time.monotonic. Raises OSError when the program cannot be started.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

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
