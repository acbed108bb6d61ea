"""The merge graph by git: how long a history may keep it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gitsign_py.errors import UncheckedError
from gitsign_py.host.git import graph
from gitsign_py.host.git.program import TIMEOUT


class Slow:
    """A git that takes ``seconds`` for each answer, by a clock of its own."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.asked = seconds, 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def run(self, _arguments: object, **_options: object) -> bytes:
        self.asked += 1
        self.now += self.seconds
        return b"1" * 40


def made(monkeypatch: pytest.MonkeyPatch, git: Slow) -> graph.GitGraph:
    monkeypatch.setattr(graph, "ask_history", git.run)
    monkeypatch.setattr(graph, "time", git)
    repository: Any = SimpleNamespace(grafts="", cuts=(), is_partial=False)
    found = graph.GitGraph(repository, {}, None)
    found._own = SimpleNamespace(environment={}, path=Path())  # type: ignore[assignment]
    return found


def test_slow_answers_end_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    git = Slow(TIMEOUT - 1)
    slow = made(monkeypatch, git)
    answered = 0
    while git.now <= graph.LONGEST:
        slow.merge_bases((f"{answered}", "b"))
        answered += 1
        assert git.asked == answered
    with pytest.raises(UncheckedError) as caught:
        slow.merge_bases(("a", "b"))
    assert caught.value.reason == "git-timeout"
    assert "merges" in caught.value.message
    assert git.now < graph.LONGEST + TIMEOUT
    asked = git.asked
    with pytest.raises(UncheckedError):
        slow.merge_tree("a", "b")
    assert git.asked == asked


def test_very_many_quick_answers_are_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    git = Slow(graph.SLOW / 2)
    quick = made(monkeypatch, git)
    for number in range(1000):
        assert quick.merge_bases((f"{number}", "b")) == ("1" * 40,)
