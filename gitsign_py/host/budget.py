"""A time budget for a whole piece of work: asked between its steps, and enforced where no step comes to its end.

Nothing is thrown into the middle of other code. An exception out of a signal handler may come while Python tidies up,
where it is printed and lost, or in the middle of what closes files and ends processes.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

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

    The process then writes ``last_words`` and LF to stderr and exits with ``status``, whatever it is doing. On POSIX
    this goes by setitimer(2) in the main thread, elsewhere by a thread.
    """

    def end() -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{last_words}\n".encode())
        os._exit(status)

    arm = _by_signal if hasattr(signal, "setitimer") else _by_thread  # not on Windows
    disarm = arm(seconds + GRACE_SECONDS, end)
    try:
        yield Budget(seconds)
    finally:
        disarm()


def _by_signal(seconds: float, end: Callable[[], None]) -> Callable[[], None]:
    if sys.platform == "win32":  # for the type checker: there is no alarm there
        return _by_thread(seconds, end)

    def stop(_number: int, _frame: FrameType | None) -> None:
        end()

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)

    def disarm() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    return disarm


def _by_thread(seconds: float, end: Callable[[], None]) -> Callable[[], None]:
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer.cancel
