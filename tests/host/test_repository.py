"""Every shape of repository as the real git has it, and places where there is none."""

from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import object_id
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.dulwich import DulwichObjects
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.repository import open_repository
from tests.support.samplerepo import Sample, at, ids, reason

pytestmark = pytest.mark.usefixtures("pipes")


def test_works_in_a_linked_worktree(sample: Sample, tmp_path: Path) -> None:
    tree = tmp_path / "linked"
    sample.scratch.git("worktree", "add", "-q", "--detach", str(tree), "HEAD~1")
    try:
        with at(tree) as repository:
            assert ids(repository, "HEAD", "main", "HEAD@{0}") == [sample.first, sample.second, sample.first]
            assert repository.read(sample.second).kind == "commit"
            assert repository.git_directory == sample.scratch.path / ".git" / "worktrees" / "linked"
            assert repository.common_directory == sample.scratch.path / ".git"
    finally:
        sample.scratch.git("worktree", "remove", "--force", str(tree))


def test_works_in_a_subdirectory_a_bare_repository_and_a_clone_with_alternates(sample: Sample, tmp_path: Path) -> None:
    below = sample.scratch.path / "below"
    below.mkdir(exist_ok=True)
    sample.scratch.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    sample.scratch.git("clone", "-q", "-s", ".", str(tmp_path / "shared"))
    for place, bare in ((below, False), (tmp_path / "bare.git", True), (tmp_path / "shared", False)):
        with at(place) as repository:
            assert ids(repository, "HEAD", "v1") == [sample.second, sample.tag]
            assert repository.read(sample.first).data == sample.scratch.raw("commit", sample.first)
            assert (repository.is_bare, repository.is_shallow) == (bare, False)
    assert not any((tmp_path / "shared" / ".git" / "objects").glob("??/*"))
    with closing(DulwichObjects(tmp_path / "shared" / ".git" / "objects")) as opened:
        assert opened.read(sample.first).data == sample.scratch.raw("commit", sample.first)


def test_git_dir_in_the_environment_wins(sample: Sample, tmp_path: Path) -> None:
    with at(tmp_path, GIT_DIR=str(sample.scratch.path / ".git")) as repository:
        assert ids(repository, "HEAD") == [sample.second]


def test_a_shallow_clone_says_so(sample: Sample, tmp_path: Path) -> None:
    sample.scratch.git("clone", "-q", "--depth=1", f"file://{sample.scratch.path}", str(tmp_path / "shallow"))
    with at(tmp_path / "shallow") as repository:
        assert repository.is_shallow
        with pytest.raises(GitsignError, match="is not in the repository"):
            repository.read(sample.first)


def test_replace_refs_do_not_stand_in_for_the_object(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    honest = sample.scratch.raw("commit", sample.second)
    sample.scratch.git("replace", sample.second, sample.first)
    assert sample.scratch.raw("commit", sample.second) != honest
    with at(tmp_path) as repository:
        assert repository.read(sample.second).data == honest
        assert ids(repository, "HEAD~1..HEAD") == [sample.second]


def test_grafts_do_not_bend_the_history(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    (tmp_path / ".git" / "info" / "grafts").write_text(f"{sample.second}\n")
    assert sample.scratch.git("rev-list", "--count", "HEAD") == "1"
    with at(tmp_path) as repository:
        assert ids(repository, "HEAD", "HEAD~1") == [sample.second, sample.first]
        assert ids(repository, "^HEAD~1", "HEAD") == [sample.second]
        assert repository.warnings() == ()


def test_outside_a_repository_the_error_says_so(tmp_path: Path) -> None:
    outside = at(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert reason(outside, "HEAD") == "repository-missing"
    assert reason(outside, "HEAD..HEAD") == "repository-missing"
    with pytest.raises(GitsignError) as caught:
        outside.read("f" * 40)
    assert caught.value.reason == "repository-missing"
    with pytest.raises(GitsignError, match="no git repository at"):
        open_repository(Path("/"), environment={"PATH": ""}).resolve(["HEAD"])


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    repository = at(tmp_path / "nowhere")
    for call in (lambda: repository.resolve(["HEAD"]), lambda: repository.algorithm):
        with pytest.raises(GitsignError, match="/nowhere") as caught:
            call()
        assert caught.value.reason == "directory-missing"


def test_where_git_runs_is_told(sample: Sample) -> None:
    with at(sample.scratch.path, GIT_TRACE="0") as repository:
        assert repository.directory == sample.scratch.path
        assert repository.environment["GIT_TRACE"] == "0"


def test_other_commands_may_take_input_and_end_with_a_status_that_is_no_failure(repo: GitRepository) -> None:
    assert repo.run(["hash-object", "--stdin"], stdin=b"x").strip() == object_id("blob", b"x").encode()
    assert repo.run(["config", "no.such"], accept=(0, 1)) == b""
