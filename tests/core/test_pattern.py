"""Patterns that wait with their compilation until somebody matches."""

import copy
import re

import pytest

from gitsign_py.core import pattern as module
from gitsign_py.core.pattern import pattern


def test_it_compiles_at_the_first_use_and_once_for_each_method(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []

    class Counting:
        @staticmethod
        def compile(*asked: object) -> object:
            compiled.append(asked)
            return re.compile(*asked)  # type: ignore[call-overload]

    monkeypatch.setattr(module, "re", Counting)
    waiting = pattern(r"([a-z]+)[0-9]", re.IGNORECASE)
    assert compiled == []
    for _ in range(3):
        found = waiting.match("Ab1")
        assert found is not None
        assert found[1] == "Ab"
        assert waiting.sub("x", "-a1-") == "-x-"
    assert compiled == [(r"([a-z]+)[0-9]", re.IGNORECASE)] * 2
    assert waiting.pattern == r"([a-z]+)[0-9]"


def test_it_can_be_copied_before_and_after() -> None:
    waiting = pattern(rb"a+\Z")
    for _ in range(2):
        assert copy.copy(waiting).match(b"aa") is not None
        assert waiting.match(b"ab") is None


def test_a_pattern_that_is_none_says_so_when_it_is_used() -> None:
    with pytest.raises(re.error):
        pattern("(").match("")
