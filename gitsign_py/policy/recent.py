"""Objects that were read a moment ago: a commit's tree is asked for again when its child is judged.

Pure and bounded: what is remembered was read, and proven by its hash, through the source behind.
"""

from gitsign_py.ports import ObjectSource, RawObject

MAX_OBJECTS = 512
MAX_BYTES = 16 * 1024
"""Larger objects are read again: together they would not be bounded by much."""


class RecentObjects:
    """Port ``ObjectSource`` in front of another one; keeps at most 8 MiB."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._kept: dict[str, RawObject] = {}

    def read(self, oid: str) -> RawObject:
        """Give the object from memory, or read it; raises what the source raises, and remembers no failure."""
        found = self._kept.pop(oid, None) or self._source.read(oid)
        if len(found.data) <= MAX_BYTES:
            self._kept[oid] = found  # put last: the one that was asked for longest ago goes first
            if len(self._kept) > MAX_OBJECTS:
                del self._kept[next(iter(self._kept))]
        return found
