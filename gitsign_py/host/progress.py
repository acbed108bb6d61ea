"""How far long work has come, for a person at a terminal: from its second second on, on one line that goes away.

A timer draws, so that a person is told even while one step (git putting a history in order) takes all the time: the
timer signal, since a process with threads should not fork, or a thread where there is no such signal (and no fork).
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
Write = Callable[[bytes], object]
PATIENCE = 1.0  # seconds without a word that nobody minds
_EVERY = 0.25
_ERASE = b"\r\x1b[K"  # ECMA-48: carriage return, erase to the end of the line


class Count:
    """Counted so far; ``shown`` when anything was drawn."""

    def __init__(self, words: str) -> None:
        self.number = 0
        self.shown = False
        self._words = words

    def text(self) -> bytes:
        """What stands on the line."""
        return f"gitsign-py: {self.number} {self._words}".encode() if self.number else b"gitsign-py: working"


def counted(items: Iterable[_T], write: Write | None, words: str = "judged") -> Iterator[_T]:
    """Yield ``items`` and count them on the terminal that ``write`` writes to (None: nobody is there to see it)."""
    if write is None:
        yield from items  # a million pass here
        return
    with drawing(write, Count(words)) as count:
        for item in items:
            count.number += 1
            yield item


@contextmanager
def drawing(write: Write, count: Count) -> Iterator[Count]:
    """Draw ``count`` now and then, and erase it at the end."""

    def draw() -> None:
        count.shown = True
        with suppress(OSError):  # a terminal that hung up
            write(_ERASE + count.text())

    ticking = _by_thread if sys.platform == "win32" or not hasattr(signal, "setitimer") else _by_signal
    try:
        with ticking(draw):
            yield count
    finally:
        if count.shown:
            with suppress(OSError):
                write(_ERASE)


@contextmanager
def _by_signal(draw: Callable[[], None]) -> Iterator[None]:
    """Not in threads, which get no signals, nor where a timer runs already."""
    if sys.platform == "win32":  # for the type checker
        return
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def tick(_signal: int, _frame: FrameType | None) -> None:
        draw()

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, _EVERY)  # children have none of it (fork(2)), nor a handler (exec)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(draw: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def run() -> None:
        wait = PATIENCE
        while not ended.wait(wait):
            draw()
            wait = _EVERY

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
