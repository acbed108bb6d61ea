"""What a commit changes cannot hide, and costs no more than what is there."""

from collections.abc import Mapping, Sequence

import pytest

from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.policy import changes
from gitsign_py.policy.changes import Trees, changed_paths, first_changed
from gitsign_py.policy.model import Rule
from gitsign_py.policy.paths import PathRules
from tests.support.history import History

EACH = PathRules((Rule("each", (), ("/**/?", "/**/??*"), frozenset(), "none", frozenset()),))
"""A rule that never tells early, so that each path is asked for."""
BLOB = bytes(20)


def changed(history: History, own: str, parents: Sequence[str], bases: Sequence[str] | None = None) -> list[str]:
    """All changed paths; ``bases`` are those of a pair of parents."""
    pairs: Mapping[changes.Pair, tuple[str, ...]] = {} if bases is None else {(0, 1): tuple(bases)}
    return [one.path for one in changed_paths(history, Trees(own, tuple(parents), pairs), EACH)]


def test_single_parent_and_root() -> None:
    history = History()
    old, new = history.tree({"a/b/c": "1", "d": "1"}), history.tree({"a/b/c": "2", "e": "1"})
    assert changed(history, new, (old,)) == ["a/b/c", "d", "e"]
    assert changed(history, old, ("",)) == ["a/b/c", "d"]
    assert first_changed(history, Trees(new, (old,)), lambda name: name == b"d") == "d"
    assert first_changed(history, Trees(new, (old,)), lambda name: name == b"f") == ""


def test_file_becomes_folder() -> None:
    history = History()
    old, new = history.tree({"a": "1"}), history.tree({"a/b": "1"})
    assert changed(history, new, (old,)) == ["a", "a/b"]
    assert changed(history, old, (new,)) == ["a", "a/b"]


def test_merge_by_path() -> None:
    history = History()
    base = history.tree({"x": "0", "y": "0", "both": "0"})
    left = history.tree({"x": "1", "y": "0", "both": "1"})
    right = history.tree({"x": "0", "y": "1", "both": "2"})
    merged = history.tree({"x": "1", "y": "1", "both": "3"})
    assert changed(history, merged, (left, right), (base,)) == ["both"]
    rolled = history.tree({"x": "0", "y": "1", "both": "1"})
    assert changed(history, rolled, (left, right), (base,)) == ["both", "x"]
    assert changed(history, merged, (left, right)) == ["both", "x", "y"]  # no base explains anything
    assert changed(history, merged, (left, right), ()) == ["both", "x", "y"]  # nor do histories without a common one


def test_unrelated_histories_bring_what_only_one_of_them_has() -> None:
    history = History()
    left, right = history.tree({"x": "1"}), history.tree({"y": "1"})
    assert changed(history, history.tree({"x": "1", "y": "1"}), (left, right), ()) == []
    assert changed(history, history.tree({"x": "1"}), (left, right), ()) == ["y"]


def wide(history: History, names: Sequence[str], *, shuffled: bool = False) -> str:
    entries = [b"100644 " + name.encode() + b"\0" + BLOB for name in sorted(names)]
    return history.add("tree", b"".join(entries[::-1] if shuffled else entries))


def test_large_trees_are_compared_an_entry_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_WHOLE_BYTES", 0)
    test_single_parent_and_root()
    test_file_becomes_folder()
    test_merge_by_path()
    test_unrelated_histories_bring_what_only_one_of_them_has()
    history = History()
    with pytest.raises(FormatError, match="order"):
        changed(history, wide(history, "abc", shuffled=True), ("",))


def test_folders_that_are_the_same_are_looked_through_once() -> None:
    """Ten of ten, ten deep: ten thousand million paths in ten trees."""
    history = History()
    tree = wide(history, "abcdefghij")
    for _ in range(9):
        entries = b"".join(b"40000 " + name.encode() + b"\0" + bytes.fromhex(tree) for name in "abcdefghij")
        tree = history.add("tree", entries)
    assert len(changed(history, tree, ("",))) < 200


def test_what_has_no_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_STEPS", 100)
    history = History()
    with pytest.raises(UncheckedError, match="too much") as caught:
        changed(history, wide(history, [f"f{number}" for number in range(200)]), ("",))
    assert caught.value.reason == "changes-too-many"


def test_folders_that_fill_the_memory_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_OPEN_BYTES", 4000)
    history = History()
    with pytest.raises(UncheckedError, match="together") as caught:
        changed(history, wide(history, [f"f{number}" for number in range(200)]), ("",))
    assert caught.value.reason == "tree-too-large"


def test_closed_folders_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_OPEN_BYTES", 20_000)
    history = History()
    tree = history.tree({f"d{number}/f{inner}": "1" for number in range(20) for inner in range(20)})
    assert len(changed(history, tree, ("",))) == 20  # the same folder each time


def nested(history: History, depth: int) -> str:
    tree = wide(history, "a")
    for _ in range(depth):
        tree = history.add("tree", b"40000 a\0" + bytes.fromhex(tree))
    return tree


def test_nested_deeper_than_is_followed() -> None:
    history = History()
    assert len(changed(history, nested(history, 500), ("",))) == 1
    with pytest.raises(FormatError, match="deep"):
        changed(history, nested(history, 520), ("",))
