"""Revisions name what the real git takes them for, and nothing else."""

import os
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import object_id
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.objects import GitRepository, Revision
from tests.support.gitrepo import ScratchRepo
from tests.support.samplerepo import Sample, at, ids, reason

pytestmark = pytest.mark.usefixtures("pipes")


def test_names_give_the_object_that_they_name(sample: Sample, repo: GitRepository) -> None:
    assert repo.resolve(["HEAD", "v1", "light", "v1^{}", "HEAD~1"]) == (
        Revision("HEAD", sample.second, "commit"),
        Revision("v1", sample.tag, "tag"),
        Revision("light", sample.first, "commit"),
        Revision("v1^{}", sample.first, "commit"),
        Revision("HEAD~1", sample.first, "commit"),
    )


@pytest.mark.parametrize(
    "word",
    [
        "HEAD",
        "@",
        "main",
        "heads/main",
        "refs/tags/v1",
        "HEAD@{0}",
        "HEAD@{1}",
        "main@{1}",
        ":/one",
        "HEAD^{/o.e}",
        "v1~0",
        "v1^{commit}",
        "v1^{tag}",
        "HEAD^",
        "v1-0-gFIRST",
        "FIRST",
    ],
)
def test_every_single_revision_resolves_as_git_rev_parse_does(word: str, sample: Sample, repo: GitRepository) -> None:
    name = word.replace("FIRST", sample.first[:9])
    assert ids(repo, name) == [sample.scratch.git("rev-parse", "--verify", name)]


@pytest.mark.parametrize(
    "words",
    [
        "HEAD~1..HEAD",
        "v1..HEAD",
        "HEAD...v1",
        "HEAD^!",
        "HEAD^-",
        "^HEAD~1 HEAD",
        "HEAD ^v1",
        "HEAD..HEAD",
        "..HEAD~1",
        "HEAD~1..",
    ],
)
def test_ranges_give_the_commits_that_git_rev_list_gives(words: str, sample: Sample, repo: GitRepository) -> None:
    found = repo.resolve(words.split())
    assert [revision.oid for revision in found] == sample.scratch.git("rev-list", *words.split()).split()
    assert all(revision.kind == "commit" and revision.name == revision.oid for revision in found)


def test_ranges_stand_for_themselves_between_other_revisions(sample: Sample, repo: GitRepository) -> None:
    assert ids(repo, "v1", "HEAD~1..HEAD", "HEAD~1") == [sample.tag, sample.second, sample.first]


def test_all_parents_are_revisions_not_a_range(sample: Sample, repo: GitRepository) -> None:
    assert ids(repo, "HEAD^@") == [sample.first]


@pytest.mark.parametrize("word", ["HEAD^{tree}", "HEAD:", "v1^{tree}"])
def test_trees_are_refused_by_name(word: str, repo: GitRepository) -> None:
    with pytest.raises(GitsignError, match="is a tree, not a commit or a tag") as caught:
        repo.resolve([word])
    assert caught.value.reason == "revision-kind"


def test_blobs_are_refused_and_the_next_question_is_answered(tmp_path: Path) -> None:
    scratch = ScratchRepo.init(tmp_path)
    (tmp_path / "big").write_bytes(os.urandom(300_000))
    scratch.git("add", "big")
    oid = scratch.commit()
    with at(tmp_path) as repository:
        for word in ("HEAD:big", ":big"):
            with pytest.raises(GitsignError, match="is a blob"):
                repository.resolve([word])
            assert ids(repository, "HEAD") == [oid]


@pytest.mark.parametrize(
    "word",
    [
        *[
            "nope",
            "HEAD~9",
            "HEAD@{99}",
            "HEAD@{upstream}",
            "a..b",
            "HEAD..nope",
            "HEAD@{99}..HEAD",
            "^nope",
            "^HEAD@{99}",
            "HEAD^{nope}",
        ],
        *[
            "-1",
            "--all",
            "-nope",
            "--end-of-options",
            "--git-dir",
            "--show-toplevel",
            "--verify",
            "--not",
            "--",
            "--exec=touch",
            "^--all",
        ],
        *("", "HEAD\nHEAD", "^HEAD\n--all", "x commit 5", "f" * 40, "\udce9"),
    ],
)
def test_what_git_does_not_know_is_one_clear_error(word: str, repo: GitRepository) -> None:
    assert reason(repo, word) == "revision-unknown"
    assert ids(repo, "HEAD")


def test_a_name_that_starts_with_a_dash_is_a_name(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    (tmp_path / ".git" / "refs" / "tags" / "--all").write_text(f"{sample.first}\n")
    with at(tmp_path) as repository:
        assert ids(repository, "--all") == [sample.first]


def test_a_branch_named_like_a_short_id_is_what_git_takes_it_for(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    sample.scratch.git("branch", sample.first[:7], sample.second)
    with at(tmp_path) as repository:
        assert ids(repository, sample.first[:7]) == [sample.second]
        assert ids(repository, sample.first[:8]) == [sample.first]
        assert ids(repository, sample.first) == [sample.first]


def test_a_name_that_is_a_branch_and_a_tag_resolves_as_in_git_with_its_warning(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    sample.scratch.git("tag", "main", sample.first)
    with at(tmp_path) as repository:
        assert repository.warnings() == ()
        assert ids(repository, "main") == [sample.scratch.git("rev-parse", "--verify", "main")] == [sample.first]
        assert repository.warnings() == ("warning: refname 'main' is ambiguous.",)
        assert repository.warnings() == ()


def test_a_short_id_of_two_objects_is_refused(tmp_path: Path) -> None:
    scratch = ScratchRepo.init(tmp_path)
    blobs = {object_id("blob", b"%d" % number): number for number in range(2000)}
    starts = [oid[:4] for oid in blobs]
    short = next(start for start in starts if starts.count(start) > 1)
    for oid, number in blobs.items():
        if oid.startswith(short):
            assert scratch.store("blob", b"%d" % number) == oid
    assert reason(at(tmp_path), short) == "revision-ambiguous"
