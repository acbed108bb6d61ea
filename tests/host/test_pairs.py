"""Merge bases pair by pair are those of git, whatever the graph."""

import random
from itertools import combinations
from pathlib import Path

import pytest

from gitsign_py.errors import UncheckedError
from gitsign_py.host.git import pairs
from gitsign_py.host.git.graph import GitGraph
from gitsign_py.policy import surroundings
from tests.support.court import Court
from tests.support.gitrepo import environment
from tests.support.history import History


def tangle(source: random.Random, size: int) -> History:
    """Commits on one to four earlier ones, or on none."""
    history = History()
    for number in range(size):
        count = min(number, source.choice((0, 1, 1, 2, 2, 3, 4)))
        history.commit(*source.sample(history.order[-8:], min(count, 8)), files={"a": str(number)})
    return history


@pytest.mark.parametrize("seed", range(6))
def test_all_pairs_at_once(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    court, history = Court(tmp_path), tangle(source, 30)
    with court.opened(court.repository(history)) as (repository, _):
        graph = GitGraph(repository, environment(), repository.directory)
        for count in (2, 3, 5, 8):
            commits = tuple(source.sample(history.order, count))
            found = graph.bases_of_pairs(commits)
            assert set(found) == set(combinations(range(count), 2))
            for (one, other), bases in found.items():
                assert sorted(bases) == sorted(graph.merge_bases((commits[one], commits[other])))
                assert sorted(bases) == sorted(history.merge_bases((commits[one], commits[other])))


def test_more_merge_bases_than_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "MAX_BASES", 3)
    listed = ["a x y", "b x y", "c x y", "x", "y"]
    with pytest.raises(UncheckedError, match="more than 3"):
        pairs.bases_from(("a", "b", "c"), listed)
    assert pairs.bases_from(("a", "b"), listed[:2] + listed[3:]) == {(0, 1): ("x", "y")}
