"""Patterns that match more than they seem to are refused."""

import pytest

from gitsign_py.policy.patterns import Matcher, PatternError, anchored, glob_matches


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
