"""Patterns that match more than they seem to are refused."""

import re
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitsign_py.policy.patterns import Matcher, PatternError, anchored, glob_includes, glob_matches, path_glob


@pytest.mark.parametrize(
    "pattern",
    [
        "alice@example.com",
        "^alice",
        "alice$",
        "^alice\\$",
        "^a|b$",
        "^(a)|b$",
        "^a|(?:b)$",
        "(?i)^a$",
        "^(?m:a)|b$",
        "^([a$",
        "",
    ],
)
def test_unanchored(pattern: str) -> None:
    with pytest.raises(PatternError):
        anchored(pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [("^(?:a|b)$", "b"), ("^[|]$", "|"), ("^[]|]$", "]"), ("^[^]|]$", "x"), (r"^a\|b$", "a|b"), (r"^a\\$", "a\\")],
)
def test_anchored(pattern: str, value: str) -> None:
    assert anchored(pattern).matches(value)
    assert not anchored(pattern).matches(f"{value}\n")
    assert not anchored(pattern).matches(f"z{value}")


def test_exact_is_byte_by_byte() -> None:
    assert Matcher("a.b@example.com").matches("a.b@example.com")
    assert not Matcher("a.b@example.com").matches("axb@example.com")
    assert not Matcher("a@example.com").matches("A@example.com")


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("refs/heads/*", "refs/heads/main", True),
        ("refs/heads/*", "refs/heads/a/b", False),
        ("refs/heads/**", "refs/heads/a/b", True),
        ("/**/*.md", "/README.md", True),
        ("/**/*.md", "/docs/a/b.md", True),
        ("/docs/**", "/docs", False),
        ("/docs/**", "/docs/a/b", True),
        ("/docs/*", "/docs/a/b", False),
        ("/?.c", "/a.c", True),
        ("/a.c", "/abc", False),
        ("/a", "/a\n", False),
    ],
)
def test_globs(glob: str, name: str, matches: bool) -> None:
    assert glob_matches(glob, name) is matches


def matches_slowly(glob: str, name: str) -> bool:
    """Each wildcard with every length, one after the other."""
    pieces = {"**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return bool(re.fullmatch("".join(pieces.get(part) or re.escape(part) for part in parts), name, re.DOTALL))


def path_globs() -> st.SearchStrategy[str]:
    part = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=5).map(lambda text: text.replace("**", "*")))
    return st.lists(part, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


def is_valid(glob: str) -> bool:
    try:
        return bool(path_glob(glob))
    except PatternError:
        return False


@given(path_globs(), st.text("ab/", max_size=9))
def test_globs_match_as_if_everything_was_tried(glob: str, name: str) -> None:
    assume(is_valid(glob))
    assert glob_matches(glob, f"/{name}") is matches_slowly(glob, f"/{name}")


PATHS = [f"/{'/'.join(parts)}" for count in (1, 2, 3) for parts in product(("a", "b", "ab", "ba", "aab"), repeat=count)]


@given(path_globs(), path_globs())
def test_what_a_glob_includes_it_matches(wide: str, narrow: str) -> None:
    assume(is_valid(wide) and is_valid(narrow))
    if glob_includes(wide, narrow):
        assert [path for path in PATHS if glob_matches(narrow, path) and not glob_matches(wide, path)] == []


@pytest.mark.parametrize(
    ("wide", "narrow", "includes"),
    [
        ("refs/heads/**", "refs/heads/rel-*", True),
        ("refs/heads/**", "refs/heads/a/**", True),
        ("refs/heads/**", "refs/heads/**/x", True),
        ("refs/heads/*", "refs/heads/rel-*", True),
        ("refs/heads/*", "refs/heads/**", False),
        ("refs/heads/*", "refs/heads/a/*", False),
        ("refs/heads/rel-*", "refs/heads/*", False),
        ("refs/heads/rel-*", "refs/heads/rel-?", True),
        ("refs/heads/?*", "refs/heads/*", False),
        ("refs/heads/?*", "refs/heads/*a", False),
        ("refs/**", "refs/heads/*", True),
        ("/**/*.md", "/docs/*.md", True),
        ("/**/*.md", "/**/a.md", True),
        ("/**/*.md", "/**", False),
        ("/docs/**", "/docs/*", True),
        ("/**/a", "/*/a", True),
        ("/docs/**", "/**", False),
        ("/docs/**", "/docs/?*", True),
        ("/a/**/b", "/a/*/b", True),
        ("/a/**/b", "/a/*b", False),
        ("/a/**/b", "/a/x*/y/b", True),
        ("/" + "a" * 300, "/" + "a" * 300, True),
        ("/" + "a" * 300 + "*", "/" + "a" * 300, True),
    ],
)
def test_globs_that_include_others(wide: str, narrow: str, includes: bool) -> None:
    assert glob_includes(wide, narrow) is includes


def test_many_wildcards_take_no_time() -> None:
    """These would not end: each wildcard tried with every length."""
    for glob, name in (
        ("/" + "*a" * 100 + "*b", "/" + "a" * 4000),
        ("/" + "**/a/" * 100 + "b", "/" + "a/" * 2000),
        ("/" + "**/*a*a/" * 50 + "b", "/" + "aaaa/" * 800),
        ("/" + "*a" * 100 + "/**", "/" + "a" * 4000),
    ):
        assert not glob_matches(glob, name)
    assert not glob_includes("/" + "*a" * 90 + "*b", "/" + "a" * 190)
