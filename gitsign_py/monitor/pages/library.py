"""What the pages know of a log beside its entries: how it grew and who signs, each read within bounds and kept.

A request costs at most some hundred entries of a log. What a tree holds at an index never changes, so it is kept for
the next request; a page's reader cannot make us ask a log again and again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Generic, TypeVar

from gitsign_py.core.frozen import frozen
from gitsign_py.monitor.decode import decode
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.lookup import scan
from gitsign_py.monitor.pages.drawing import Point
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import LogSource, RawEntry

SAMPLES = 24
"""Entries that the picture of a log's growth is made of."""
LATEST = 500
"""Entries that are looked through for people where there is no index."""
MOST_PEOPLE = 500
_T = TypeVar("_T")


@frozen
class Seen:
    """A name in certificates: how many entries, and the index of the first and last of them."""

    name: str
    issuer: str
    entries: int
    first: int
    last: int


@frozen
class People:
    """Who signs; ``looked`` is the number of entries that this is about, 0 for all of them."""

    found: tuple[Seen, ...]
    looked: int


class _Kept(Generic[_T]):
    """The newest of what was read; several requests use it at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, _T] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, key: Hashable, read: Callable[[], _T]) -> _T:
        """What was read under this key, else what ``read`` gives now."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        value = read()
        with self._lock:
            self._found[key] = value
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return value


class Library:
    """Keeps what was read, the oldest going first."""

    def __init__(self) -> None:
        self._times: _Kept[int] = _Kept(4096)
        self._people: _Kept[People] = _Kept(16)

    def growth(self, source: LogSource, head: Head) -> tuple[Point, ...]:
        """Sizes with the times that entries state, else those at which their certificates begin."""
        found = []
        for index in _spread(head.size):
            key = (source.kind, source.url, head.tree, index)
            time = self._times.once(key, partial(_time_of, source, head, index))
            found += [Point(time, index + 1)] if time else []
        return tuple(found)

    def people(self, source: LogSource, head: Head) -> People:
        """Everybody in a replica's index, else in the latest entries."""
        if isinstance(source, ReplicaSource):
            return People(tuple(Seen(*row) for row in source.people(MOST_PEOPLE)), 0)
        key = (source.kind, source.url, head.tree, head.size)
        return self._people.once(key, partial(_latest_people, source))


def _spread(size: int) -> Iterator[int]:
    """Places over a tree that stay the same while it grows, until there would be too many of them."""
    step = 1
    while size > step * SAMPLES:
        step *= 2
    yield from range(0, size, step)
    if (size - 1) % step and size:
        yield size - 1


def _time_of(source: LogSource, head: Head, index: int) -> int:
    entry: RawEntry = next(source.entries(head, index, index + 1))[0]
    if entry.time:
        return entry.time
    return next((one.window[0] for one in decode(entry).signers if one.certificate), 0)


def _latest_people(source: LogSource) -> People:
    found: dict[tuple[str, str], Seen] = {}
    looked = 0
    for _, entry in scan(source, None, None, most=LATEST):
        looked += 1
        for signer in decode(entry).signers:
            if signer.identity:
                key = signer.identity, signer.issuer
                before = found.get(key)
                first = entry.log_index if before is None else before.first
                count = 1 if before is None else before.entries + 1
                found[key] = Seen(*key, count, first, entry.log_index)
    return People(tuple(sorted(found.values(), key=lambda one: (-one.entries, one.name))), looked)
