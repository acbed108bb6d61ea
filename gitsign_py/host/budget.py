"""A time budget for a whole piece of work: asked between its steps, and enforced where no step comes to its end.

Nothing is thrown into the middle of other code. An exception out of a signal handler may come while Python tidies up,
where it is printed and lost, or in the middle of what closes files and ends processes.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gitsign_py.host.ticking import ticking

GRACE_SECONDS = 2.0


class Budget:
    """So many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        """Whether the seconds are over."""
        return time.monotonic() >= self._end


@contextmanager
def budget(seconds: float, last_words: str, status: int) -> Iterator[Budget]:
    """Give a budget to ask; who does not ask in time is ended with the process, two seconds later.

    The process then writes ``last_words`` and LF to stderr and exits with ``status``, whatever it is doing.
    """

    def end() -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{last_words}\n".encode())
        os._exit(status)

    with ticking(end, seconds + GRACE_SECONDS):
        yield Budget(seconds)
