"""The line of a key is found whatever stands before it, and looked for only where something is wrong."""

import tomllib

import pytest

from gitsign_py.policy import reader
from gitsign_py.policy.locate import Path, lines_of
from gitsign_py.policy.parse import read_policy
from tests.policy.test_parse import SMALL


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("a = '''\n[b]\nlast = 2\n'' '''\n", 5),
        ('a = """\n[b]\n\\""" last = 2\n"""""\n', 5),
        ('a = [1, # ] "\n  "]", {b = "\'"},\n]\n', 4),
        ('a = {b = "}", c = []}\r\n\r\n', 3),
        ("# [b] '''\n\t\"b # =\" = 1 # '''\n", 3),
        ("a . b = ''\n'c = 1' = \"\"\n", 3),
    ],
    ids=["literal", "escaped", "array", "inline", "comment", "names"],
)
def test_a_key_behind_what_looks_like_others(before: str, line: int) -> None:
    text = f"{before} last = 1"
    tomllib.loads(text)
    places = lines_of(text)
    assert places["last",] == line
    assert max(places.values()) == line


def test_tables_and_items_are_told_apart() -> None:
    text = "[[a]]\nx = 1\n[[a.b]]\n[a.b.c]\ny = 1\n[[ a ]]\nx = 2\n[[a . b]]\n[[a.'b']]\nz.w = 3"
    tomllib.loads(text)
    found = {path: line for path, line in lines_of(text).items() if len(path) > 2}
    wanted: dict[Path, int] = {
        ("a", 0, "x"): 2,
        ("a", 0, "b"): 3,
        ("a", 0, "b", 0): 3,
        ("a", 0, "b", 0, "c"): 4,
        ("a", 0, "b", 0, "c", "y"): 5,
        ("a", 1, "x"): 7,
        ("a", 1, "b"): 8,
        ("a", 1, "b", 0): 8,
        ("a", 1, "b", 1): 9,
        ("a", 1, "b", 1, "z"): 10,
        ("a", 1, "b", 1, "z", "w"): 10,
    }
    assert found == wanted


def test_the_lines_are_looked_for_once_and_only_for_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(text: str) -> dict[Path, int]:
        read.append(text)
        return lines_of(text)

    monkeypatch.setattr(reader, "lines_of", noted)
    assert read_policy(SMALL.encode(), "policy.toml")[0] is not None
    assert read == []
    assert len(read_policy(b"x = 1\n" + SMALL.encode() + b"y = 1\nz = 1\n", "policy.toml")[1]) > 1
    assert len(read) == 1
