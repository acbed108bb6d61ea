"""Whether one glob takes in all that another one matches: the wildcards of the other are read like characters.

Each place in the wide glob is a bit, and all ways through it are followed at once, one step for each token of the
narrow one. A policy of 256 KiB can ask for half a million pairs of globs, so the steps of all of them are counted.
"""

import re
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from gitsign_py.core.frozen import slotted
from gitsign_py.core.pattern import pattern

MAX_STEPS = 200_000
"""For a whole policy, some 0.1 s; those of a thousand rules as they are written have less."""
_TOKEN = pattern(r"\*\*/|\*\*|.", re.DOTALL)
_CROSS_SLASHES = frozenset(("/", "**", "**/"))
_WILDCARDS = "*?"


@slotted
class Steps:
    """How many steps are left for comparing globs."""

    left: int = MAX_STEPS

    def take(self) -> bool:
        """Take one, if there is one."""
        self.left -= 1
        return self.left >= 0


def glob_includes(wide: str, narrow: str, steps: Steps | None = None) -> bool:
    """Tell whether ``wide`` matches each ref or path that ``narrow`` does; False also when no steps are left."""
    if wide == narrow:
        return True
    start = _literal_start(wide)
    if not narrow.startswith(start):
        return False
    # A wildcard of the narrow one may begin where the wide one's characters end: "**/" is one token.
    return _follow(_machine(wide), tuple(_TOKEN.findall(narrow)), steps or Steps())


@lru_cache(maxsize=4096)
def _literal_start(glob: str) -> str:
    return "".join(takewhile(lambda char: char not in _WILDCARDS, glob))


class _Machine(NamedTuple):
    """Places in a glob as bits: ``literal`` those of a character, the others those of a wildcard; ``end`` is after all.

    A place beside each ``**/`` stands for the inside of a folder, ``inside`` bits higher.
    """

    literal: dict[str, int]
    star: int
    one: int
    folders: int
    rest: int
    end: int
    inside: int


@lru_cache(maxsize=1024)
def _machine(glob: str) -> _Machine:
    tokens = _TOKEN.findall(glob)
    places: dict[str, int] = {}
    for at, token in enumerate(tokens):
        places[token] = places.get(token, 0) | 1 << at
    star, one, folders, rest = (places.pop(token, 0) for token in ("*", "?", "**/", "**"))
    return _Machine(places, star, one, folders, rest, 1 << len(tokens), len(tokens) + 1)


def _follow(machine: _Machine, pieces: tuple[str, ...], steps: Steps) -> bool:
    """Take one piece after the other from all places that may have been reached."""
    places = _skip(machine, 1, steps)
    for piece in pieces:
        if not places or not steps.take():
            return False
        if places & machine.rest:  # a part begins here, and none is empty
            return True
        places = _skip(machine, _step(machine, places, piece), steps)
    return steps.left >= 0 and bool(places & machine.end)


def _step(machine: _Machine, places: int, piece: str) -> int:
    here = places & (machine.end - 1)
    folder, inside = here & machine.folders, places >> machine.inside
    moved = (here & machine.literal.get(piece, 0)) << 1
    if piece == "/":
        return moved | folder | inside
    if piece == "**/":
        return moved | folder
    if piece == "**":
        return moved
    moved |= here & machine.star | (folder | inside) << machine.inside
    return moved if piece == "*" else moved | (here & machine.one) << 1


def _skip(machine: _Machine, places: int, steps: Steps) -> int:
    """``*`` and ``**/`` may stand for nothing."""
    while True:
        more = places | (places & (machine.star | machine.folders)) << 1
        if more == places or not steps.take():
            return places
        places = more
