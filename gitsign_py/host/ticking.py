"""Something that is done later, and perhaps again and again, whatever the program is busy with.

The timer signal does it (setitimer(2)), between two steps of Python in the main thread: no thread, since a process
with threads should not fork. Where that is not to be had, a thread: outside the main thread, which alone gets signals,
where a timer runs already, and on Windows.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Action = Callable[[], object]


@contextmanager
def ticking(action: Action, first: float, again: float = 0.0) -> Iterator[None]:
    """Within the block, call ``action`` after ``first`` seconds and then each ``again`` seconds (0: no more)."""
    with _by_signal(action, first, again) if _has_timer() else _by_thread(action, first, again):
        yield


def _has_timer() -> bool:
    if sys.platform == "win32" or not hasattr(signal, "setitimer"):
        return False
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and not signal.getitimer(signal.ITIMER_REAL)[0]


@contextmanager
def _by_signal(action: Action, first: float, again: float) -> Iterator[None]:
    if sys.platform == "win32":  # for the type checker
        return

    def tick(_number: int, _frame: FrameType | None) -> None:
        action()

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, first, again)  # children have none of it (fork(2)), nor a handler (exec)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(action: Action, first: float, again: float) -> Iterator[None]:
    ended = threading.Event()

    def run() -> None:
        wait = first
        while not ended.wait(wait):
            action()
            wait = again
            if not again:
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
