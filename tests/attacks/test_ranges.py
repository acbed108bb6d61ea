"""Attack: a list of shallow commits or a forged commit-graph file makes an unsigned commit vanish from a range.

``verify A..B`` then says 0 about what it never saw. No command believes either; where something is missing in a range
the answer is exit status 3, every format of a report says what was not seen, and a range of nothing is no success.
"""

from pathlib import Path

import pytest

from gitsign_py.audit.reports.formats import FORMATS
from tests.support.gitrepo import ScratchRepo
from tests.support.governed import MAIN, Governed
from tests.support.lyinggraph import lying_graph

ANYBODY = ("verify", "--any-identity", "--offline", "-q")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    made = Governed.made(tmp_path)
    made.introduction = made.history.commit(signed="alice", files={"a": "0"})
    return made


def with_a_hidden_commit(governed: Governed) -> tuple[ScratchRepo, list[str]]:
    """Signed, unsigned, signed, signed; judged by whoever made a good signature."""
    good = governed.introduction
    bad = governed.history.commit(good, files={"a": "1"})
    third = governed.history.commit(bad, signed="alice", files={"a": "2"})
    tip = governed.history.commit(third, signed="alice", files={"a": "3"})
    repo = governed.repository("repo", {MAIN: tip, "refs/heads/bad": bad})
    repo.git("config", "gitsign.policyMode", "fixed")
    return repo, [good, bad, third, tip]


@pytest.mark.parametrize("by", ["shallow", "graph"])
def test_an_unsigned_commit_does_not_vanish(governed: Governed, by: str) -> None:
    repo, (good, bad, third, tip) = with_a_hidden_commit(governed)
    if by == "shallow":
        (repo.path / ".git/shallow").write_text(f"{third}\n")
    else:
        lying_graph(repo, wrong=good, right=bad)
    assert bad not in repo.git("rev-list", f"{good}..{tip}"), "git itself is fooled"
    for words in ((f"{good}..{tip}",), (tip, f"^{good}"), (f"{good}...{tip}",), (f"{tip}~2",)):
        done = governed.run(repo, *ANYBODY, *words)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert f"{bad[:7]} REFUSED" in done.stdout
    for words in ((f"{good}..{tip}",), ("main",)):
        status, found, _ = governed.audit(repo, "--no-policy", *words)
        assert (status, found[bad]) == (1, ("unsigned", "unsigned"))


def test_a_range_with_something_missing_is_unchecked(governed: Governed) -> None:
    repo, (good, _, _, tip) = with_a_hidden_commit(governed)
    clone = governed.clone(repo, "--depth=1", "--no-single-branch")
    governed.history.write(clone.path / ".git", {})
    (clone.path / ".git/objects" / good[:2] / good[2:]).unlink()
    signed = governed.history.commit(signed="alice", files={"z": "1"})
    governed.history.write(clone.path / ".git", {})
    (clone.path / ".git/objects" / good[:2] / good[2:]).unlink()
    done = governed.run(clone, *ANYBODY, f"{signed}..{tip}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "[history-incomplete]" in done.stderr
    assert governed.audit(clone, "--no-policy", f"{signed}..{tip}")[:2] == (3, {})


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_what_was_not_seen(governed: Governed, form: str) -> None:
    repo, (*_, tip) = with_a_hidden_commit(governed)
    clone = governed.clone(repo, "--depth=1", "--no-single-branch")
    clone.git("config", "gitsign.policyMode", "fixed")
    clone.git("update-ref", "refs/replace/" + "1" * 40, tip)
    done = governed.run(clone, "audit", "--no-policy", "--offline", "--format", form, tip)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "what lies beyond was not seen" in words
    assert "replace refs are there" in words


@pytest.mark.parametrize("words", [("main..main",), ("main", "^main"), ("--since=2200-01-01", "main")])
def test_a_range_of_nothing_is_no_success(governed: Governed, words: tuple[str, ...]) -> None:
    repo, _ = with_a_hidden_commit(governed)
    for form in ("text", "junit"):
        done = governed.run(repo, "audit", "--no-policy", "--offline", "--format", form, *words)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "[range-empty]" in done.stderr
    if len(words) < 2 or words[0] == "main":
        assert governed.run(repo, *ANYBODY, *words).returncode == 2
