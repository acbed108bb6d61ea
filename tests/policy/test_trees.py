"""Trees are parsed strictly, and what a commit changes cannot hide."""

import pytest

from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.policy.trees import changed_paths, find_path, looks_like, parse_tree
from tests.support.history import History

BLOB = bytes(20)


@pytest.mark.parametrize(
    "data",
    [
        b"100644 a",
        b"100644 a\0" + BLOB[1:],
        b"100644 \0" + BLOB,
        b"a\0" + BLOB,
        b"100644 a/b\0" + BLOB,
        b"100644 a\0" + BLOB + b"100755 a\0" + BLOB,
        b"777777 a\0" + BLOB,
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(FormatError, match="tree"):
        parse_tree(data, 20)


def test_folder_with_an_old_mode_is_a_folder() -> None:
    assert parse_tree(b"040000 a\0" + BLOB, 20)[b"a"].is_tree


def test_single_parent_and_root() -> None:
    history = History()
    old, new = history.tree({"a/b/c": "1", "d": "1"}), history.tree({"a/b/c": "2", "e": "1"})
    assert list(changed_paths(history, new, (old,))) == ["a/b/c", "d", "e"]
    assert list(changed_paths(history, old, ("",))) == ["a/b/c", "d"]
    assert list(changed_paths(history, new, (old,), folder="a")) == ["a/b/c"]


def test_file_becomes_folder() -> None:
    history = History()
    old, new = history.tree({"a": "1"}), history.tree({"a/b": "1"})
    assert list(changed_paths(history, new, (old,))) == ["a", "a/b"]
    assert list(changed_paths(history, old, (new,))) == ["a", "a/b"]


def test_merge_by_path() -> None:
    history = History()
    base = history.tree({"x": "0", "y": "0", "both": "0"})
    left = history.tree({"x": "1", "y": "0", "both": "1"})
    right = history.tree({"x": "0", "y": "1", "both": "2"})
    merged = history.tree({"x": "1", "y": "1", "both": "3"})
    assert list(changed_paths(history, merged, (left, right), (base,))) == ["both"]
    rolled = history.tree({"x": "0", "y": "1", "both": "1"})
    assert list(changed_paths(history, rolled, (left, right), (base,))) == ["both", "x"]
    assert list(changed_paths(history, merged, (left, right))) == ["both", "x", "y"]  # no base explains anything


def test_find_path() -> None:
    history = History()
    tree = history.tree({"a/b": "1"})
    found = find_path(history, tree, "a/b")
    assert found is not None
    assert history.read(found.oid).data == b"1"
    assert find_path(history, tree, "a/b/c") is None
    assert find_path(history, tree, "z") is None


def test_missing_tree_is_unchecked() -> None:
    with pytest.raises(UncheckedError):
        find_path(History(), "0" * 40, "a")


@pytest.mark.parametrize(
    "name",
    [
        ".gitsign",
        ".GITSIGN",
        ".GitSign",
        ".gitsign.",
        ".gitsign ",
        ".gitsign::$INDEX_ALLOCATION",
        "GITSIG~1",
        "gitsig~9",
        ".g\u200citsign",
        ".gitsign\ufeff",
        ".git\u202esign",
        ".git\u017fign",
    ],
)
def test_names_that_a_file_system_takes_for_the_policys_folder(name: str) -> None:
    assert looks_like(name.encode(), ".gitsign")


@pytest.mark.parametrize(
    "name", [b"gitsign", b".gitsigned", b".git", b"gitsig~", b"agitsig~1", b".gitsi\xffgn", b"..gitsign"]
)
def test_names_that_are_others(name: bytes) -> None:
    assert not looks_like(name, ".gitsign")
