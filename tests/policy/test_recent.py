"""Objects that were read a moment ago come out of memory, bounded; nothing else about them changes."""

import pytest

from gitsign_py.errors import UncheckedError
from gitsign_py.policy.recent import MAX_BYTES, MAX_OBJECTS, RecentObjects
from gitsign_py.ports import RawObject
from tests.support.history import History


class Counted:
    """A history that notes which ids it was asked for."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.asked: list[str] = []

    def read(self, oid: str) -> RawObject:
        self.asked.append(oid)
        return self._history.read(oid)


def test_reads_once_and_gives_the_same() -> None:
    history = History()
    source = Counted(history)
    blob = history.add("blob", b"text")
    recent = RecentObjects(source)
    assert recent.read(blob) == recent.read(blob) == history.read(blob)
    assert source.asked == [blob]


def test_large_objects_and_failures_are_not_remembered() -> None:
    history = History()
    source = Counted(history)
    large = history.add("blob", bytes(MAX_BYTES + 1))
    recent = RecentObjects(source)
    for _ in range(2):
        recent.read(large)
        with pytest.raises(UncheckedError, match="not there"):
            recent.read("0" * 40)
    assert source.asked == [large, "0" * 40] * 2


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    history = History()
    source = Counted(history)
    blobs = [history.add("blob", b"%d" % number) for number in range(MAX_OBJECTS + 1)]
    recent = RecentObjects(source)
    for blob in (*blobs[:-1], blobs[0], blobs[-1]):  # full; the first is young again; the second has to go
        recent.read(blob)
    source.asked.clear()
    for blob in (blobs[0], blobs[1]):
        recent.read(blob)
    assert source.asked == [blobs[1]]
