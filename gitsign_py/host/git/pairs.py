"""The merge bases of each pair of commits, from one walk over what lies between them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from gitsign_py.policy.changes import Pair
from gitsign_py.policy.surroundings import check_bases


def bases_from(commits: Sequence[str], listed: Iterable[str]) -> Mapping[Pair, tuple[str, ...]]:
    """Merge bases by positions in ``commits``; ``listed`` is what ``rev-list --topo-order --parents`` writes.

    A commit is a best common ancestor of two when both reach it and no child of it is reached by both: every commit
    between it and a better one would be such a child's. A commit reaches itself.
    """
    count = 0
    found: dict[Pair, list[str]] = {pair: [] for pair in combinations(range(len(commits)), 2)}
    reached: dict[str, int] = {}
    children: dict[str, set[int]] = {}
    for number, commit in enumerate(commits):
        reached[commit] = reached.get(commit, 0) | 1 << number
    for line in listed:
        oid, *parents = line.split(" ")
        above = children.pop(oid, set())
        mine = reached.pop(oid, 0)
        for mask in above:
            mine |= mask
        if mine not in above:
            for pair in _pairs(mine, above, len(commits)):
                found[pair].append(oid)
                count += 1
            check_bases(count)
        for parent in parents:
            children.setdefault(parent, set()).add(mine)
    return {pair: tuple(oids) for pair, oids in found.items()}


def _pairs(mine: int, above: Iterable[int], count: int) -> Iterable[Pair]:
    """Pairs of bits that are in ``mine`` and not both in any of ``above``."""
    for one in range(count):
        if not mine >> one & 1:
            continue
        together = 0
        for mask in above:
            together |= mask if mask >> one & 1 else 0
        fresh = (mine & ~together) >> (one + 1)
        yield from ((one, one + 1 + step) for step in range(fresh.bit_length()) if fresh >> step & 1)
