"""Names that a file system may take for another one are found, and others are left alone."""

import pytest

from gitsign_py.policy.names import folded, looks_like, may_be_short_for


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
        "GITSI~10",
        "GI0A1B~1",
        "gi0a1~12",
        ".g\u200citsign",
        ".g\u200bitsign",
        ".gitsign\ufeff",
        ".git\u202esign",
        ".git\u017fign",
        ".g\u0131tsign",
        ".gitsign\\policy.toml",
        "...\\.gitsign",
        "...",
        " ",
    ],
)
def test_names_that_a_file_system_takes_for_the_policys_folder(name: str) -> None:
    assert looks_like(name.encode(), ".gitsign")


@pytest.mark.parametrize(
    "name",
    [
        *(b"gitsign", b".gitsigned", b".git", b"gitsig~", b"agitsig~1", b".gitsi\xffgn", b"..gitsign", b"git~1"),
        *(b"gi0a1g~1", b"gi0a1b~", b"x\\.gitsign", b"gitsig~1.txt"),
    ],
)
def test_names_that_are_others(name: bytes) -> None:
    assert not looks_like(name, ".gitsign")


def test_one_form_for_composed_and_decomposed() -> None:
    assert folded("\u00c4b") == folded("A\u0308B") == folded("a\u0308b")


@pytest.mark.parametrize(
    ("name", "long"),
    [
        ("codeow~1", "codeowners"),
        ("secret~1.yam", "secrets.yaml"),
        ("se1f2e~1.yam", "secrets.yaml"),
        ("ab~1", "a b"),
        ("abcdef~1.c_x", "abcdefgh.c+x"),
        ("abcdef~1.md", "*.md"),
        ("abcdef~1.yam", "*.yaml"),
        ("code12~1", "co*"),
        ("gr_ndl~1", "gr\u00fcndlich"),
        ("whatev~1.x", "*"),
    ],
)
def test_short_names(name: str, long: str) -> None:
    assert may_be_short_for(name, long)


@pytest.mark.parametrize(
    ("name", "long"),
    [
        ("codeow~1.txt", "codeowners"),
        ("codeo~1", "codeowners"),
        ("codeown~1", "codeowners"),
        ("secret~1.yml", "secrets.yaml"),
        ("abcdef~1.txt", "*.md"),
        ("readme", "readme.md"),
        ("~1", "~1"),
        ("do12~1", "co*"),
    ],
)
def test_names_that_are_short_for_nothing(name: str, long: str) -> None:
    assert not may_be_short_for(name, long)
