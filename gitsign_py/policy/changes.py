"""The changes that a commit itself makes: its tree beside those of its parents, and in a merge of their merge bases.

Trees may be made so that few of them hold more paths than anybody can list (ten folders of ten, ten deep), so paths are
found one at a time, a folder that is decided as a whole is not looked through, and equal folders are looked through
once. The rest is bounded, in steps and in bytes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from gitsign_py.core.frozen import field, frozen, slotted
from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.policy.paths import Deciding, PathRules, Reach
from gitsign_py.policy.trees import TREE_MODE, Entry, each_entry, parsed, read_tree_data
from gitsign_py.ports import ObjectSource

MAX_DEPTH = 512
MAX_STEPS = 1_000_000
"""Entries that are compared for one commit: half a million files in a commit with one parent."""
MAX_OPEN_BYTES = 24 << 20
"""Memory for the trees along one path, about; a tree that is read whole takes twelve times its size."""
_WHOLE_BYTES = 1 << 20
_WHOLE_COST = 12
_MAX_SEEN = 100_000
Pair = tuple[int, int]


@frozen
class Trees:
    """Ids of trees, empty for none: a commit's own, its parents', and the merge bases' of each pair of parents.

    A pair is two positions in ``parents``, the lower one first. ``bases`` has those whose trees differ.
    """

    own: str
    parents: tuple[str, ...]
    bases: Mapping[Pair, tuple[str, ...]] = field(default_factory=dict)


class Changed(NamedTuple):
    """A path that the commit changes (names that are not UTF-8 with surrogates), and the rules that decide about it."""

    path: str
    deciding: Deciding


class _Node(NamedTuple):
    """The entries at one path: in the commit, in each parent, in each merge base."""

    own: Entry | None
    parents: tuple[Entry | None, ...]
    bases: tuple[Entry | None, ...]


_Listed = Iterator[tuple[bytes, list[Entry | None]]]


def changed_paths(
    source: ObjectSource, trees: Trees, rules: PathRules, wanted: Callable[[bytes], bool] | None = None
) -> Iterator[Changed]:
    """The paths that a commit itself changes, in order: of those that rules decide about alike, at least one.

    With one parent a path is changed where it differs. In a merge a value is explained, and no change, only if some
    parent has it and every other parent has it too or left the path as it is in all merge bases of these two. It goes
    by pairs: a base of all parents may be older than what one of them undid, whose old value would then come back. So
    neither new content in a merge nor a return to an old version hides, and a file that both sides changed counts as
    changed by who merged it.

    ``wanted`` narrows the answer to some entries of the root.
    """
    comparison = _Comparison(source, rules)
    return comparison.changed(comparison.root_of(trees), wanted)


def moved_paths(source: ObjectSource, trees: Trees, rules: PathRules) -> Iterator[Changed]:
    """The paths at which a merge of two sides changed what the second one left as it was.

    git follows files that the first side moved. The change was made, and judged, at the place where they were before.
    """
    comparison = _Comparison(source, rules, only_moved=True)
    return comparison.changed(comparison.root_of(trees), None)


def first_changed(source: ObjectSource, trees: Trees, wanted: Callable[[bytes], bool]) -> str:
    """One path that a commit itself changes below entries of the root that are ``wanted``, or an empty text."""
    found = next(changed_paths(source, trees, PathRules(()), wanted), None)
    return "" if found is None else found.path


@slotted
class _Folder:
    """A folder that is being looked through. ``is_decided``: the same rules decide about everything in it."""

    prefix: bytes
    reach: Reach
    rows: Iterator[tuple[bytes, _Node]]
    cost: int
    is_decided: bool


@slotted
class _Comparison:
    """One commit that is compared. ``pairs`` has the positions in a node's ``bases`` for each pair of parents.

    ``only_moved``: what the second parent left alone counts as changed (see ``moved_paths``).
    """

    source: ObjectSource
    rules: PathRules
    only_moved: bool = False
    pairs: dict[Pair, tuple[int, ...]] = field(default_factory=dict)
    _steps: int = 0
    _open: int = 0
    _seen: set[tuple[_Node, Reach]] = field(default_factory=set)

    def root_of(self, trees: Trees) -> _Node:
        """The entries at the root, and where the merge bases of each pair are in it."""
        # Two histories that have nothing in common: neither had anything before.
        of_pairs = {pair: found or ("",) for pair, found in trees.bases.items()}
        bases = tuple(dict.fromkeys(base for found in of_pairs.values() for base in found))
        numbers = {base: number for number, base in enumerate(bases)}
        self.pairs = {pair: tuple(numbers[base] for base in found) for pair, found in of_pairs.items()}
        return _Node(_tree(trees.own), tuple(map(_tree, trees.parents)), tuple(map(_tree, bases)))

    def changed(self, root: _Node, wanted: Callable[[bytes], bool] | None) -> Iterator[Changed]:
        """Compare from the root on; a list of open folders, since they may be nested deeper than calls can be."""
        folders: list[_Folder] = []
        if not self._is_explained(root):
            folders.append(self._opened(root, b"", self.rules.start))
        while folders:
            folder = folders[-1]
            name, node = next(folder.rows, (b"", root))
            if not name:
                self._open -= folders.pop().cost
                continue
            if (wanted and len(folders) == 1 and not wanted(name)) or self._is_explained(node):
                continue
            path, reach = folder.prefix + name, self.rules.enter(folder.reach, _text(name))
            files = _without_folders(node)
            if self._counts(files):
                yield Changed(_text(path), self.rules.here(reach, is_link=_has_links(files)))
                if folder.is_decided:
                    self._leave_decided(folders)
                    continue
            if files != node and self._is_new(node, reach):
                folders.append(self._opened(node, path + b"/", reach))

    def _leave_decided(self, folders: list[_Folder]) -> None:
        """One path stands for all that are decided alike."""
        while folders and folders[-1].is_decided:
            self._open -= folders.pop().cost

    def _opened(self, node: _Node, prefix: bytes, reach: Reach) -> _Folder:
        if prefix.count(b"/") > MAX_DEPTH:
            raise FormatError("tree-too-deep", f"tree is nested more than {MAX_DEPTH} folders deep")
        oids = [entry.oid if entry and entry.is_tree else "" for entry in (node.own, *node.parents, *node.bases)]
        before = self._open
        trees = {oid: self._read(oid) for oid in dict.fromkeys(oids) if oid}
        size = sum(map(len, trees.values()))
        is_small = size <= _WHOLE_BYTES
        self._open = before + size * (_WHOLE_COST if is_small else 1)
        listed = _whole(oids, trees) if is_small else _streamed(oids, trees)
        is_decided = self.rules.below(reach) is not None
        return _Folder(prefix, reach, self._rows(listed, len(node.parents)), self._open - before, is_decided)

    def _read(self, oid: str) -> bytes:
        data = read_tree_data(self.source, oid)
        self._open += len(data)
        if self._open > MAX_OPEN_BYTES:
            raise UncheckedError("tree-too-large", f"folders of one path have over {MAX_OPEN_BYTES} bytes together")
        return data

    def _rows(self, listed: _Listed, count: int) -> Iterator[tuple[bytes, _Node]]:
        """The differences between a commit and any of its ``count`` parents, by name and in order."""
        for name, found in listed:
            self._count(len(found))
            if found[1 : 1 + count].count(found[0]) == count:
                continue  # as in every parent: most entries of most trees
            if count > 2:
                self._count(len(found) * count)  # for the pairs
            yield name, _Node(found[0], tuple(found[1 : 1 + count]), tuple(found[1 + count :]))

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise UncheckedError("changes-too-many", f"commit changes too much to compare: over {MAX_STEPS} entries")

    def _is_new(self, node: _Node, reach: Reach) -> bool:
        """Tell whether these very folders were not looked through before, under the same rules."""
        key = node, reach
        if key in self._seen:
            return False
        if len(self._seen) * (1 + len(node.parents) + len(node.bases)) < _MAX_SEEN:
            self._seen.add(key)
        return True

    def _counts(self, node: _Node) -> bool:
        return not self._is_explained(node) and (not self.only_moved or self._was_moved(node))

    def _was_moved(self, node: _Node) -> bool:
        """With several merge bases one is enough: what git takes for the base of them lies between."""
        first, second = node.parents
        return node.own != first and any(node.bases[base] == second for base in self.pairs[0, 1])

    def _is_explained(self, node: _Node) -> bool:
        """Tell whether the value comes from the parents alone."""
        own, parents = node.own, node.parents
        if own not in parents:
            return False
        others = [number for number, parent in enumerate(parents) if parent != own]
        if not others:
            return True
        holders = [number for number, parent in enumerate(parents) if parent == own]
        return any(all(self._left_alone(node, other, holder) for other in others) for holder in holders)

    def _left_alone(self, node: _Node, number: int, holder: int) -> bool:
        pair = (number, holder) if number < holder else (holder, number)
        bases = self.pairs.get(pair, ())
        return bool(bases) and all(node.bases[base] == node.parents[number] for base in bases)


def _whole(oids: Sequence[str], trees: Mapping[str, bytes]) -> _Listed:
    """The entries of several trees side by side."""
    listings = [parsed(trees[oid], len(oid) // 2) if oid else {} for oid in oids]
    for name in sorted(set().union(*listings)):
        yield name, [listing.get(name) for listing in listings]


def _streamed(oids: Sequence[str], trees: Mapping[str, bytes]) -> _Listed:
    """The same of large trees, an entry of each at a time: by git's order, a file and a folder of one name apart."""
    numbers = {oid: number for number, oid in enumerate(trees)}
    rows = merge(*(_ordered(trees[oid], oid, number) for oid, number in numbers.items()), key=itemgetter(0))
    for key, same in groupby(rows, itemgetter(0)):
        found = {number: entry for _, number, entry in same}
        yield key.rstrip(b"/"), [found.get(numbers[oid]) if oid else None for oid in oids]


def _ordered(data: bytes, oid: str, number: int) -> Iterator[tuple[bytes, int, Entry]]:
    last = b""
    for name, entry in each_entry(data, len(oid) // 2):
        key = name + b"/" if entry.is_tree else name  # tree.c, base_name_compare
        if key <= last:
            raise FormatError("tree-invalid", "large tree is not in git's order")
        last = key
        yield key, number, entry


def _tree(oid: str) -> Entry | None:
    return Entry(TREE_MODE, oid) if oid else None


def _without_folders(node: _Node) -> _Node:
    """A file that became a folder is a file that went."""
    return _Node(_file(node.own), tuple(map(_file, node.parents)), tuple(map(_file, node.bases)))


def _file(entry: Entry | None) -> Entry | None:
    return None if entry is None or entry.is_tree else entry


def _has_links(node: _Node) -> bool:
    """Tell whether a link or a submodule stands there, or stood: a path may go on in it."""
    return not all(entry is None or entry.is_file for entry in (node.own, *node.parents))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
