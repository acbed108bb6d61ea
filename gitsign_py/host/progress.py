"""How far long work has come, for a person at a terminal: from its second second on, on one line that goes away.

A timer draws, so that a person is told even while one step (git putting a history in order) takes all the time.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from gitsign_py.host.ticking import ticking

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
        """The text on the line."""
        return f"gitsign-py: {self.number} {self._words}".encode() if self.number else b"gitsign-py: working"


def counted(
    items: Iterable[_T], write: Write | None, words: str = "judged", each: Callable[[_T], int] = lambda _: 1
) -> Iterator[_T]:
    """Yield ``items`` and count them on the terminal that ``write`` writes to (None: nobody is there to see it).

    ``each`` says how many an item counts for.
    """
    if write is None:
        yield from items  # a million pass here
        return
    with drawing(write, Count(words)) as count:
        for item in items:
            count.number += each(item)
            yield item


@contextmanager
def drawing(write: Write, count: Count) -> Iterator[Count]:
    """Draw ``count`` now and then, and erase it at the end."""

    def draw() -> None:
        count.shown = True
        with suppress(OSError):  # a terminal that hung up
            write(_ERASE + count.text())

    try:
        with ticking(draw, PATIENCE, _EVERY):
            yield count
    finally:
        if count.shown:
            with suppress(OSError):
                write(_ERASE)
