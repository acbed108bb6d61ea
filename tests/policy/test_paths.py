"""Rules for paths: found part by part, the same as whole globs; and no other spelling leads around them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitsign_py.policy.model import Rule
from gitsign_py.policy.paths import PathRules
from gitsign_py.policy.patterns import glob_matches
from tests.policy.test_patterns import is_valid, path_globs


def rules(*globs: tuple[str, ...]) -> PathRules:
    """A rule for each group of globs, named by its number."""
    return PathRules(
        tuple(Rule(str(number), (), paths, frozenset(), "none", frozenset()) for number, paths in enumerate(globs))
    )


def names(made: PathRules, path: str, *, is_link: bool = False) -> tuple[list[str], bool]:
    found = made.here(made.along(path), is_link=is_link)
    return [rule.name for rule in found.rules], found.is_covered


@given(
    st.lists(path_globs(), min_size=1, max_size=3),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_as_whole_globs(globs: list[str], parts: list[str]) -> None:
    assume(all(map(is_valid, globs)))
    made, path = rules(*((glob,) for glob in globs)), "/".join(parts)
    found = made.here(made.along(path), is_link=False)
    first = next((number for number, glob in enumerate(globs) if glob_matches(glob, f"/{path}")), None)
    assert (int(found.rules[-1].name) if found.is_covered else None) == first


@given(
    st.lists(path_globs(), min_size=1, max_size=3),
    st.lists(st.text("aB", min_size=1, max_size=3), min_size=1, max_size=5),
)
def test_what_is_decided_for_a_folder_holds_for_all_in_it(globs: list[str], parts: list[str]) -> None:
    assume(all(map(is_valid, globs)))
    made = rules(*((glob,) for glob in globs))
    for depth in range(1, len(parts)):
        together = made.below(made.along("/".join(parts[:depth])))
        if together is not None:
            assert made.here(made.along("/".join(parts)), is_link=True) == together


SECRETS = (("/secrets/**",), ())


@pytest.mark.parametrize(
    "path",
    [
        *("Secrets/key", "SECRETS/a/b", "secrets./key", "secrets /key", "secrets. ./key", "se\u200bcrets/key"),
        *("\ufeffsecrets/key", "\u017fecrets/key", "secrets::$INDEX_ALLOCATION/key", "SECRET~1/key", "SE0A1B~1/key"),
        *("secrets\\key", "...\\secrets\\key", ".../secrets/key", "SECRE~12/key", "secret~1:$DATA/key"),
    ],
)
def test_a_look_alike_of_a_folder_is_asked_about_as_well(path: str) -> None:
    assert names(rules(*SECRETS), path) == (["0", "1"], True)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("/CODEOWNERS", "codeowners"),
        ("/CODEOWNERS", "CodeOwners::$DATA"),
        ("/CODEOWNERS", "CODEOW~1"),
        ("/**/*.yaml", "a/B.YAML"),
        ("/**/*.yaml", "a/ABCDEF~1.YAM"),
        ("/Grün/*", "gru\u0308n/x"),
        ("/gru\u0308n/*", "GRÜN/x"),
    ],
)
def test_a_look_alike_of_a_file(glob: str, path: str) -> None:
    assert names(rules((glob,), ()), path) == (["0", "1"], True)


@pytest.mark.parametrize("path", ["secret/key", "secrets2/key", "a/secrets/key", "secrets~1/key", "secretx~1/key"])
def test_other_names_are_left_alone(path: str) -> None:
    assert names(rules(*SECRETS), path) == (["1"], True)


@pytest.mark.parametrize(
    ("glob", "path", "as_file", "as_link"),
    [
        ("/secrets/**", "secrets", True, True),
        ("/secrets/**", "SECRETS", True, True),
        ("/a/b/c.txt", "a", True, True),
        ("/a/b/c.txt", "a/b", True, True),
        ("/a/b/c.txt", "b", False, False),
        ("/**/keys/*", "x/keys", True, True),
        ("/src/*/OWNERS", "src/main.c", False, True),
        ("/**/*.md", "src", False, False),
    ],
)
def test_what_takes_the_place_of_a_folder(glob: str, path: str, as_file: bool, as_link: bool) -> None:
    """A file by the name of a folder that has a rule; a link or submodule where any folder has one."""
    made = rules((glob,), ())
    assert names(made, path) == ((["0", "1"] if as_file else ["1"]), True)
    assert names(made, path, is_link=True) == ((["0", "1"] if as_link else ["1"]), True)


def test_no_spelling_leads_to_a_rule_that_allows_more() -> None:
    """What is decided as it is written stays decided so; the look-alike is asked besides."""
    assert names(rules(("/docs/**",), ("/**",)), "DOCS/x") == (["0", "1"], True)
    assert names(rules(("/docs/**",)), "DOCS/x") == (["0"], False)
    assert names(rules(("/DOCS/**",), ("/docs/**",)), "DOCS/x") == (["0"], True)


def test_names_that_are_not_unicode() -> None:
    assert names(rules(("/a*/**",), ()), "a\udcff/x") == (["0"], True)
