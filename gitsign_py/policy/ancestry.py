"""The commits that one commit has behind it and another has not, and where the two part: read from the commits
themselves.

A policy asks it of each squash, with few commits between the two, so no process is started for it. Commits are looked
at from the newest on, as git does (commit-reach.c, ``paint_down_to_common``). The dates in them are their makers' own
words: they decide how far is looked, and never what is found, since a commit counts as older only where a way leads to
it.
"""

from heapq import heappop, heappush

from gitsign_py.core.frozen import field, frozen, slotted
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.git.gittext import split_person
from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.ports import ObjectSource

MAX_LOOKED_AT = 50_000
"""Commits, for one comparison."""
_MAX_KEPT = 100_000
_OURS, _THEIRS, _OLDER = 1, 2, 4
_BOTH = _OURS | _THEIRS


@frozen
class Compared:
    """``between`` are the commits that lead to one side alone, parents first; ``bases`` where the sides part.

    More than one base may be too many, as of criss-cross merges: then git has to say.
    """

    between: tuple[str, ...]
    bases: tuple[str, ...]


class Ancestry:
    """Compares commits that ``source`` has, and keeps what it read of them."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._kept: dict[str, tuple[int, tuple[str, ...]]] = {}

    def compare(self, ours: str, theirs: str) -> Compared:
        """The commits that ``theirs`` has behind it, itself counted, and ``ours`` has not.

        Raises UncheckedError ``object-missing``, ``head-too-far``; FormatError for what is no commit.
        """
        paint = _Paint(self)
        paint.put(ours, _OURS)
        paint.put(theirs, _THEIRS)
        for _ in range(MAX_LOOKED_AT):
            if not paint.fresh:
                return Compared(self._in_order(theirs, paint.marks), paint.bases())
            paint.step()
        raise UncheckedError("head-too-far", f"{theirs} parted from {ours} more than {MAX_LOOKED_AT} commits ago")

    def read(self, oid: str) -> tuple[int, tuple[str, ...]]:
        """The date that a commit gives for itself, and its parents."""
        found = self._kept.get(oid)
        if found is None:
            stored = self._source.read(oid)
            if stored.kind != "commit":
                raise FormatError("commit-expected", f"{oid} is a {stored.kind}, not a commit")
            commit = split_commit(stored.data, two_hashes=True)  # no signature is asked about
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            found = self._kept[oid] = (split_person(commit.committer).time or 0, commit.parents)
        return found

    def _in_order(self, tip: str, marks: dict[str, int]) -> tuple[str, ...]:
        """Those that lead to the tip alone, each after its parents."""
        order: dict[str, None] = {}
        todo = [(tip, False)]
        while todo:
            oid, is_done = todo.pop()
            if is_done:
                order[oid] = None
            elif marks.get(oid) == _THEIRS and oid not in order:
                todo.append((oid, True))
                todo += [(parent, False) for parent in self.read(oid)[1]]
        return tuple(order)


@slotted
class _Paint:
    """Marks on commits, handed on from children to parents, the newest first. ``fresh`` wait, and may yet be a base."""

    ancestry: Ancestry
    marks: dict[str, int] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    _queue: list[tuple[int, str]] = field(default_factory=list)
    _met: dict[str, None] = field(default_factory=dict)

    def put(self, oid: str, mark: int) -> None:
        """Add a mark; a commit that got a new one hands all of them on (once more)."""
        before = self.marks.get(oid, 0)
        if before | mark == before:
            return
        self.marks[oid] = before | mark
        heappush(self._queue, (-self.ancestry.read(oid)[0], oid))
        (self.fresh.discard if (before | mark) & _OLDER else self.fresh.add)(oid)

    def step(self) -> None:
        """Take the newest that waits."""
        oid = heappop(self._queue)[1]
        self.fresh.discard(oid)
        mark = self.marks[oid]
        if mark == _BOTH:
            self._met[oid] = None
            mark |= _OLDER  # what is behind a base is none
        for parent in self.ancestry.read(oid)[1]:
            self.put(parent, mark)

    def bases(self) -> tuple[str, ...]:
        """Where the sides met, and no newer meeting leads to."""
        return tuple(oid for oid in self._met if self.marks[oid] == _BOTH)
