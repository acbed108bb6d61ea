"""The rules that decide about a path: found part by part, on the way down through the folders.

A rule decides about a path as it is written. A rule that covers it only as a file system may read it (``Secrets/key``
for ``/secrets/**``, see ``names.py``), or whose folder it takes the place of (a file, link or submodule ``secrets``),
must let the signer pass as well. So no spelling leads around a rule, and none leads to one that allows more.

Going by parts tells early where nothing below a folder needs a look: most policies speak of a few folders.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

from gitsign_py.core.frozen import field, frozen, slotted
from gitsign_py.policy.model import Rule
from gitsign_py.policy.names import folded, may_be_short_for
from gitsign_py.policy.patterns import glob_matches

_ANY = "**"
_MAX_REMEMBERED = 4096


@frozen
class Deciding:
    """The rules that must let the signer pass, in order. ``is_covered``: the last one covers the path as written."""

    rules: tuple[Rule, ...]
    is_covered: bool


@frozen
class _Glob:
    """A glob by its parts, as written and folded; ``rule`` is the number of its rule."""

    rule: int
    parts: tuple[str, ...]
    folds: tuple[str, ...]


_Place = tuple[int, int]
"""A glob by its number, and how many of its parts a path has used up."""
_Places = frozenset[_Place]


class Reach(NamedTuple):
    """How far globs reach along a path, as written and as it may be read; and globs that look for a folder there.

    ``named`` are globs whose part for that folder is a name, ``linked`` those with a wildcard in it as well.
    """

    exact: _Places
    wide: _Places
    named: frozenset[int] = frozenset()
    linked: frozenset[int] = frozenset()


_NOWHERE = Reach(frozenset(), frozenset())


@slotted
class PathRules:
    """The rules for one ref, as they speak about paths. ``start`` is the reach at the root of the tree."""

    rules: tuple[Rule, ...]
    start: Reach = _NOWHERE
    _globs: tuple[_Glob, ...] = ()
    _entered: dict[tuple[Reach, tuple[_Place, ...], tuple[_Place, ...]], Reach] = field(default_factory=dict)
    _here: dict[tuple[Reach, bool], Deciding] = field(default_factory=dict)
    _below: dict[Reach, Deciding | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the globs apart."""
        self._globs = tuple(
            _Glob(number, parts, tuple(map(_fold_part, parts)))
            for number, rule in enumerate(self.rules)
            for parts in (tuple(glob[1:].split("/")) for glob in rule.paths)
        )
        places = self._closed((number, 0) for number in range(len(self._globs)))
        self.start = Reach(places, places)

    @property
    def ask_paths(self) -> bool:
        """Tell whether any rule asks which paths are changed."""
        return bool(self._globs)

    def enter(self, reach: Reach, name: str) -> Reach:
        """The reach one part further down. Names are many and what they fit is little, so it is worked out once."""
        if not reach.wide:
            return _NOWHERE
        exact = tuple(self._step(reach.exact, name, _is_written))
        parts = folded(name)
        if len(parts) != 1:  # a backslash, or nothing that counts: nobody has many of these
            return self._enter(reach, exact, parts)
        key = reach, exact, tuple(self._step(reach.wide, parts[0], _may_be_read))
        found = self._entered.get(key)
        if found is None:
            found = self._enter(reach, exact, parts)
            _remember(self._entered, key, found)
        return found

    def along(self, path: str) -> Reach:
        """The reach at a path from the root, without a leading slash."""
        reach = self.start
        for name in path.split("/"):
            reach = self.enter(reach, name)
        return reach

    def here(self, reach: Reach, *, is_link: bool) -> Deciding:
        """The rules for what stands at a path itself: a file, or a link or submodule, in which a path may go on."""
        found = self._here.get((reach, is_link))
        if found is None:
            exact, wide = self._ended(reach.exact), self._ended(reach.wide) | self._owners(reach.named)
            found = self._decide(exact, wide | self._owners(reach.linked) if is_link else wide)
            _remember(self._here, (reach, is_link), found)
        return found

    def nothing(self) -> Deciding:
        """The rules where nothing is changed: those for all paths."""
        return self._decide(frozenset(), frozenset())

    def below(self, reach: Reach) -> Deciding | None:
        """The rules for everything below a folder, where they are the same for all of it; else None."""
        if reach not in self._below:
            _remember(self._below, reach, self._uniform(reach))
        return self._below[reach]

    def _uniform(self, reach: Reach) -> Deciding | None:
        all_exact, some_exact = self._shares(reach.exact)
        all_wide, some_wide = self._shares(reach.wide)
        for number, rule in enumerate(self.rules):
            if not rule.paths or number in all_exact:
                break
            if number in some_exact or number in some_wide:
                return None
        return self._decide(all_exact, all_wide)

    def _shares(self, places: _Places) -> tuple[frozenset[int], frozenset[int]]:
        """Numbers of the rules that cover all that lies below, and of those that may cover some of it."""
        whole, part = set[int](), set[int]()
        for number, used in places:
            glob = self._globs[number]
            if self._has_more(number, used):
                is_last = used == len(glob.parts) - 1 and glob.parts[used] == _ANY
                (whole if is_last else part).add(glob.rule)
        return frozenset(whole), frozenset(part - whole)

    def _decide(self, exact: frozenset[int], wide: frozenset[int]) -> Deciding:
        asked: list[Rule] = []
        for number, rule in enumerate(self.rules):
            if not rule.paths or number in exact:
                return Deciding((*asked, rule), is_covered=True)
            if number in wide:
                asked.append(rule)
        return Deciding(tuple(asked), is_covered=False)

    def _ended(self, places: _Places) -> frozenset[int]:
        return self._owners(number for number, used in places if used == len(self._globs[number].parts))

    def _owners(self, numbers: Iterable[int]) -> frozenset[int]:
        return frozenset(self._globs[number].rule for number in numbers)

    def _enter(self, reach: Reach, exact: tuple[_Place, ...], parts: tuple[str, ...]) -> Reach:
        wide, named, linked = reach.wide, frozenset[int](), frozenset[int]()
        for part in parts:
            step = tuple(self._step(wide, part, _may_be_read))
            named, linked = self._folders(step)
            wide = self._closed(step)
        written = self._closed(exact)
        return Reach(written, wide | written, named, linked)

    def _step(self, places: Iterable[_Place], name: str, fits: "_Fits") -> Iterator[_Place]:
        """Use up one part of each glob that fits a name."""
        for number, used in places:
            glob = self._globs[number]
            if used < len(glob.parts) and (glob.parts[used] == _ANY or fits(glob, used, name)):
                yield number, used + 1

    def _folders(self, step: Iterable[_Place]) -> tuple[frozenset[int], frozenset[int]]:
        """Of the globs that used up a part other than ``**`` and have more: those with a name there, and all."""
        parts = [(number, self._globs[number].parts[used - 1]) for number, used in step if self._has_more(number, used)]
        linked = frozenset(number for number, part in parts if part != _ANY)
        return frozenset(number for number, part in parts if not _is_wild(part)), linked

    def _has_more(self, number: int, used: int) -> bool:
        return used < len(self._globs[number].parts)

    def _closed(self, places: Iterable[_Place]) -> _Places:
        """With the places next to ``**``, which may stand for more parts, and before others for none at all."""
        found = set()
        for number, used in places:
            parts = self._globs[number].parts
            found.add((number, used))
            if used and parts[used - 1] == _ANY:
                found.add((number, used - 1))
            while used < len(parts) - 1 and parts[used] == _ANY:
                used += 1  # noqa: PLW2901
                found.add((number, used))
        return frozenset(found)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _remember(found: dict[_K, _V], key: _K, value: _V) -> None:
    """The work for names that an attacker chooses stays bounded."""
    if len(found) >= _MAX_REMEMBERED:
        found.clear()
    found[key] = value


_Fits = Callable[[_Glob, int, str], bool]


def _is_written(glob: _Glob, at: int, name: str) -> bool:
    part = glob.parts[at]
    return part == name or (_is_wild(part) and glob_matches(f"/{part}", f"/{name}"))


def _may_be_read(glob: _Glob, at: int, name: str) -> bool:
    part = glob.folds[at]
    if part == name or (_is_wild(part) and glob_matches(f"/{part}", f"/{name}")):
        return True
    return "~" in name and may_be_short_for(name, part)


def _is_wild(part: str) -> bool:
    return "*" in part or "?" in part


def _fold_part(part: str) -> str:
    return "".join(folded(part)) or part


@lru_cache(maxsize=16)
def path_rules(rules: tuple[Rule, ...]) -> PathRules:
    """The rules as they speak about paths; the same rules judge commit after commit."""
    return PathRules(rules)
