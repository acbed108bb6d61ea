"""Walks and merge bases without a git program, from the stored bytes of commits alone.

A commit-graph, a list of shallow commits, grafts and replace refs are not looked at: the parents and the time
of a commit are those in its bytes. The order is that of git-rev-list(1), so that reports name the same branches.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from gitsign_py.errors import ConfigError, UncheckedError
from gitsign_py.host.git.cuts import Cuts, parents_of
from gitsign_py.host.git.pairs import bases_from
from gitsign_py.host.git.program import cut_off
from gitsign_py.host.git.storedbytes import TOO_LARGE, Stored
from gitsign_py.policy.changes import Pair
from gitsign_py.sizes import MAX_COMMIT_BYTES

_TIME = re.compile(rb"tree [^\n]*\n(?:parent [^\n]*\n)*(?:author [^\n]*\n)?committer [^\n]*> ([0-9]{1,20})")
_TAGGED = re.compile(rb"object ([0-9a-f]+)\n")
_FEW = 8  # commits that are compared pair by pair; of more all that lies before is looked at, once
_MAX_TAGS = 1000  # tags of tags that are followed
_ORDERED = "--topo-order"
_KNOWN = {"--first-parent", _ORDERED, "--reverse", "--parents"}
ReadStored = Callable[[str], Stored]


class _Commit(NamedTuple):
    """The facts of a commit that a walk needs."""

    parents: tuple[str, ...]
    time: int


def only_git(what: str) -> ConfigError:
    """The error for what needs the program: it is refused by its name, and nothing is guessed in its place."""
    return ConfigError(
        "git-needed",
        f"{what}, and there is no git program on PATH",
        hint="install git, or put it on PATH",
    )


class DirectHistory:
    """Commits by their stored bytes. ``cuts`` are those whose parents are not all here."""

    def __init__(self, read: ReadStored, cuts: Callable[[], Cuts]) -> None:
        self._read = read
        self._cuts = cuts
        self._commits: dict[str, _Commit] = {}

    def read_all(self, oids: Iterable[str]) -> Iterator[Stored]:
        """Yield the objects of these ids in their order."""
        for oid in oids:
            stored = self._read(oid)
            if len(stored.data or b"") > MAX_COMMIT_BYTES:
                stored = Stored(oid, TOO_LARGE, None)
            yield stored

    def list_ids(self, revisions: Sequence[str], options: Sequence[str], *, whole: bool) -> Iterator[str]:
        """Yield what ``git rev-list OPTIONS`` names for ``revisions`` (ids, ``^ID``), a line each.

        Raises UncheckedError ``history-incomplete``; ConfigError ``git-needed`` for another option.
        """
        if unknown := set(options) - _KNOWN:
            raise only_git(f"the option {min(unknown)} is git's to understand")
        starts = [self._peeled(one) for one in revisions if not one.startswith("^")]
        hidden = self._all_before([self._peeled(one[1:]) for one in revisions if one.startswith("^")])
        first = "--first-parent" in options
        listed: Iterable[str] = self._by_time(starts, hidden, first_parent=first, whole=whole)
        if _ORDERED in options:
            listed = self._children_first(list(listed), first_parent=first)
        if "--reverse" in options:
            listed = reversed(list(listed))
        named = "--parents" in options
        return (" ".join((oid, *self._parents(oid, whole=whole))) if named else oid for oid in listed)

    def merge_bases(self, commits: Sequence[str]) -> tuple[str, ...]:
        """All best common ancestors of ``commits``, the newest first. Raises UncheckedError ``history-incomplete``."""
        best = list(dict.fromkeys(commits[:1]))
        for commit in commits[1:]:
            best = self._best(self._common(best, commit))
        self._check_whole(commits, best)
        return tuple(sorted(best, key=lambda oid: -self._commit(oid).time))

    def bases_of_pairs(self, commits: Sequence[str]) -> Mapping[Pair, tuple[str, ...]]:
        """All merge bases of each pair, by positions in ``commits``."""
        if len(commits) == 2:
            return {(0, 1): self.merge_bases(commits)}
        older = [f"^{parent}" for base in self.merge_bases(commits) for parent in self._parents(base, whole=False)]
        return bases_from(commits, self.list_ids([*commits, *older], [_ORDERED, "--parents"], whole=False))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether ``newer`` comes after ``older``, or is it. Raises UncheckedError ``history-incomplete``."""
        if older in self._common((older,), newer):
            return True
        self._check_whole((newer,), (older,))
        return False

    def _check_whole(self, commits: Iterable[str], older: Iterable[str]) -> None:
        """Where something may be missing, walk what lies between: an older base than the true one must not pass."""
        if self._cuts():
            for _ in self.list_ids([*commits, *(f"^{oid}" for oid in older)], (), whole=True):
                pass

    def _common(self, several: Iterable[str], other: str) -> list[str]:
        """Common ancestors of any of ``several`` and the other, among which all the best are.

        Each side is coloured; what both reach ends there.

        It goes on until nothing is left but ancestors of what was found, whatever commits say about their time.
        """
        colours = dict.fromkeys(several, 1)
        colours[other] = colours.get(other, 0) | 2
        found: dict[str, None] = {}
        queue, waiting = _Queue(self._time), set(colours)
        for oid in colours:
            queue.push(oid)
        live = len(waiting)  # of those that wait, how many are not known to lie below a common ancestor
        while live:
            oid = queue.pop()
            waiting.discard(oid)
            colour = colours[oid]
            if colour < 4:
                live -= 1
            if colour == 3:
                found[oid] = None
            handed = colour | 4 if colour == 3 else colour
            for parent in self._parents(oid, whole=False):
                had = colours.get(parent, 0)
                if had | handed == had:
                    continue
                colours[parent] = had | handed
                live += ((had | handed) < 4) - (parent in waiting and had < 4)
                if parent not in waiting:
                    waiting.add(parent)
                    queue.push(parent)
        return [oid for oid in found if colours[oid] < 4]

    def _best(self, found: Iterable[str]) -> list[str]:
        """Those that are no ancestor of another."""
        among = list(found)
        if len(among) > _FEW:
            older = self._all_before(parent for one in among for parent in self._parents(one, whole=False))
            return [one for one in among if one not in older]
        return [one for one in among if not any(one != other and one in self._common((one,), other) for other in among)]

    def _by_time(self, starts: Sequence[str], hidden: set[str], *, first_parent: bool, whole: bool) -> Iterator[str]:
        """The newest first, of equal times the one that was met first."""
        seen: set[str] = set()
        queue = _Queue(self._time)

        def meet(oids: Iterable[str]) -> None:
            for oid in oids:
                if oid not in seen and oid not in hidden:
                    seen.add(oid)
                    queue.push(oid)

        meet(starts)
        while queue:
            oid = queue.pop()
            yield oid
            parents = self._parents(oid, whole=whole)
            meet(parents[:1] if first_parent else parents)

    def _children_first(self, listed: Sequence[str], *, first_parent: bool) -> Iterator[str]:
        """Every commit after all its children, and lines of history not mixed."""

        def parents_of(oid: str) -> Iterator[str]:
            parents = self._parents(oid, whole=False)
            return (one for one in (parents[:1] if first_parent else parents) if one in children)

        children = dict.fromkeys(listed, 0)
        for oid in listed:
            for parent in parents_of(oid):
                children[parent] += 1
        ready = [oid for oid in reversed(listed) if not children[oid]]
        while ready:
            oid = ready.pop()
            yield oid
            for parent in parents_of(oid):
                children[parent] -= 1
                if not children[parent]:
                    ready.append(parent)

    def _all_before(self, ends: Iterable[str]) -> set[str]:
        found: set[str] = set()
        todo = list(ends)
        while todo:
            oid = todo.pop()
            if oid not in found:
                found.add(oid)
                todo += self._parents(oid, whole=False)
        return found

    def parents(self, oid: str) -> tuple[str, ...]:
        """The parents that the commit names, whether they are here or not."""
        return self._commit(oid).parents

    def _parents(self, oid: str, *, whole: bool) -> tuple[str, ...]:
        """The parents that are here. One that is not, and of which no list of shallow commits warned, is an error."""
        parents = self._commit(oid).parents
        missing = [one for one in parents if one not in self._commits and self._read(one).data is None]
        if not missing:
            return parents
        if whole or oid not in self._cuts():
            raise cut_off(f"{missing[0]}, a parent of {oid}, is missing")
        return self._cuts()[oid]

    def _time(self, oid: str) -> int:
        return self._commit(oid).time

    def _commit(self, oid: str) -> _Commit:
        known = self._commits.get(oid)
        if known is None:
            stored = self._read(oid)
            if stored.data is None:
                raise cut_off(f"{oid} is missing")
            if stored.kind != "commit":
                raise UncheckedError("git-failed", f"{oid} is a {stored.kind} where a commit should be")
            time = _TIME.match(stored.data)
            known = self._commits[oid] = _Commit(parents_of(stored.data), int(time[1]) if time else 0)
        return known

    def _peeled(self, oid: str) -> str:
        """The commit that a tag leads to."""
        for _ in range(_MAX_TAGS):
            stored = self._read(oid)
            found = _TAGGED.match(stored.data or b"") if stored.kind == "tag" else None
            if not found:
                return oid
            oid = found[1].decode()
        raise UncheckedError("git-failed", f"a tag leads over more than {_MAX_TAGS} others")


class _Queue:
    """Commits by time, the newest first; those of one time in the order in which they came."""

    def __init__(self, time_of: Callable[[str], int]) -> None:
        self._time_of = time_of
        self._heap: list[tuple[int, int, str]] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def push(self, oid: str) -> None:
        self._count += 1
        heappush(self._heap, (-self._time_of(oid), self._count, oid))

    def pop(self) -> str:
        return heappop(self._heap)[2]
