"""Trees are parsed strictly."""

import pytest

from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.policy.trees import find_path, parse_tree
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


@pytest.mark.parametrize("names", [[b"a", b"b", b"a"], [b"a"] + [b"f%05d" % number for number in range(2000)] + [b"a"]])
def test_a_path_that_stands_twice_is_none(names: list[bytes]) -> None:
    """In a small tree, which is parsed and remembered, and in a large one, which is only looked through."""
    history = History()
    tree = history.add("tree", b"".join(b"100644 " + name + b"\0" + BLOB for name in names))
    with pytest.raises(FormatError, match="repeated"):
        find_path(history, tree, "a")
