"""How far long work has come, for a person at a terminal: from its second second on, on one line that goes away.

A timer signal draws, so that a person is told even while one step (git putting a history in order) takes all the time.
"""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

_T = TypeVar("_T")
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


def counted(items: Iterable[_T], descriptor: int | None, words: str = "judged") -> Iterator[_T]:
    """Yield ``items`` and count them on the terminal ``descriptor`` (None: nobody is there to see it)."""
    if descriptor is None:
        yield from items  # a million pass here
        return
    with drawing(descriptor, Count(words)) as count:
        for item in items:
            count.number += 1
            yield item


@contextmanager
def drawing(descriptor: int, count: Count) -> Iterator[Count]:
    """Draw ``count`` now and then, and erase it at the end. Not in threads, nor where a timer runs already."""
    usable = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not usable or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield count
        return

    def draw(_signal: int, _frame: FrameType | None) -> None:
        count.shown = True
        _write(descriptor, _ERASE + count.text())

    before = signal.signal(signal.SIGALRM, draw)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, _EVERY)  # children have none of it (fork(2)), nor a handler (exec)
    try:
        yield count
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if count.shown:
            _write(descriptor, _ERASE)


def _write(descriptor: int, data: bytes) -> None:
    with suppress(OSError):  # a terminal that hung up
        os.write(descriptor, data)
