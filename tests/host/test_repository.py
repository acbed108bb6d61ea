"""Revisions and objects as the real git has them, in every shape of repository."""

import os
import select
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.core.gitobject import object_id, split_commit
from gitsign_py.errors import GitsignError
from gitsign_py.host.dulwich_objects import DulwichObjects, open_repository
from gitsign_py.host.repository import MAX_OBJECT_BYTES, GitRepository, Revision
from tests.support.gitrepo import ScratchRepo, environment


class Sample:
    """A repository with two commits, an annotated tag ``v1`` and a lightweight tag ``light`` on the first."""

    def __init__(self, path: Path, *options: str) -> None:
        self.scratch = ScratchRepo.init(path, *options)
        self.first = self.scratch.commit("one")
        self.scratch.git("tag", "-a", "-m", "release", "v1")
        self.scratch.git("tag", "light")
        self.second = self.scratch.commit("two")
        self.tag = self.scratch.git("rev-parse", "v1")


@pytest.fixture(params=["poll", "threads"], autouse=True)
def pipes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of talking to git: the second is for systems that have no poll."""
    if request.param == "threads":
        monkeypatch.delattr(select, "poll")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def repo(sample: Sample) -> Iterator[GitRepository]:
    with at(sample.scratch.path) as repository:
        yield repository


def at(path: Path, **env: str) -> GitRepository:
    return GitRepository(path, environment=environment(**env))


def reason(repository: GitRepository, *words: str) -> str:
    with repository, pytest.raises(GitsignError) as caught:
        repository.resolve(words)
    assert "\n" not in caught.value.message
    return caught.value.reason


def ids(repository: GitRepository, *words: str) -> list[str]:
    return [revision.oid for revision in repository.resolve(words)]


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


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_objects_are_the_stored_bytes(algorithm: str, tmp_path: Path) -> None:
    sample = Sample(tmp_path, f"--object-format={algorithm}")
    with at(tmp_path) as repository:
        for oid, kind in ((sample.first, "commit"), (sample.tag, "tag")):
            raw = repository.read(oid)
            assert (raw.kind, raw.oid, raw.data) == (kind, oid, sample.scratch.raw(kind, oid))
        tree = split_commit(repository.read(sample.first).data).tree
        assert repository.read(tree).kind == "tree"
        assert repository.algorithm == algorithm


def odd_commits(sample: Sample) -> dict[str, bytes]:
    data = sample.scratch.raw("commit", sample.first)
    head, _, _ = data.partition(b"\n\n")
    return {
        "crlf": head + b"\n\nhello\r\nworld\r\n",
        "nul": head + b"\n\nhello\0world\n",
        "long-line": head + b"\n\n" + b"x" * 70_000 + b"\n",
        "no-final-newline": head + b"\n\nhello",
        "no-body": head + b"\n",
        "cr-in-author": data.replace(b"+0000\ncommitter", b"+0000\r\ncommitter"),
        "binary": head + b"\n\n" + bytes(range(256)) * 300,
    }


@pytest.mark.parametrize("case", ["crlf", "nul", "long-line", "no-final-newline", "no-body", "cr-in-author", "binary"])
def test_odd_bytes_arrive_unchanged_from_git_and_from_dulwich(case: str, sample: Sample, repo: GitRepository) -> None:
    data = odd_commits(sample)[case]
    oid = sample.scratch.store("commit", data)
    assert repo.read(oid).data == data
    assert ids(repo, oid) == [oid]
    with open_repository(sample.scratch.path) as opened:
        assert DulwichObjects(opened).read(oid) == repo.read(oid)


def test_packed_objects_arrive_unchanged_from_git_and_from_dulwich(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    for data in odd_commits(sample).values():
        sample.scratch.git("update-ref", f"refs/odd/{len(data)}", sample.scratch.store("commit", data))
    sample.scratch.git("repack", "-adq")
    with at(tmp_path) as repository, open_repository(tmp_path) as opened:
        for line in sample.scratch.git("rev-list", "--all", "--objects").splitlines():
            oid = line.split()[0]
            assert DulwichObjects(opened).read(oid) == repository.read(oid)
        assert DulwichObjects(opened).read(sample.tag) == repository.read(sample.tag)


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
    with open_repository(tmp_path / "shared") as opened:
        assert DulwichObjects(opened).read(sample.first).data == sample.scratch.raw("commit", sample.first)


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


def loose(path: Path, oid: str) -> Path:
    return path / ".git" / "objects" / oid[:2] / oid[2:]


def test_an_object_stored_under_anothers_name_is_refused(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    target = loose(tmp_path, sample.second)
    target.chmod(stat.S_IRUSR | stat.S_IWUSR)
    shutil.copyfile(loose(tmp_path, sample.first), target)
    with at(tmp_path) as repository, open_repository(tmp_path) as opened:
        for source in (repository, DulwichObjects(opened)):
            with pytest.raises(GitsignError) as caught:
                source.read(sample.second)
            assert caught.value.reason == "object-id-mismatch"


def test_a_damaged_object_is_one_clear_error_and_reading_goes_on(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    target = loose(tmp_path, sample.second)
    target.chmod(stat.S_IRUSR | stat.S_IWUSR)
    target.write_bytes(zlib.compress(b"commit 999\0short"))
    with at(tmp_path) as repository:
        with pytest.raises(GitsignError) as caught:
            repository.read(sample.second)
        assert caught.value.reason in ("git-failed", "object-missing", "object-id-mismatch")
        assert "\n" not in caught.value.message
        assert repository.read(sample.first).kind == "commit"
    target.write_bytes(b"noise")
    with open_repository(tmp_path) as opened, pytest.raises(GitsignError) as caught:
        DulwichObjects(opened).read(sample.second)
    assert caught.value.reason == "object-unreadable"


@pytest.mark.parametrize("oid", ["f" * 40, "HEAD", "", "x" * 100, "\ud800", "4B825DC642CB6EB9A060E54BF8D69288FBEE4904"])
def test_only_full_ids_of_stored_objects_are_read(oid: str, sample: Sample, repo: GitRepository) -> None:
    with open_repository(sample.scratch.path) as opened:
        for source in (repo, DulwichObjects(opened)):
            with pytest.raises(GitsignError) as caught:
                source.read(oid)
            assert caught.value.reason == "object-missing"


def test_an_object_too_large_to_be_a_commit_is_not_kept_in_memory(tmp_path: Path) -> None:
    scratch = ScratchRepo.init(tmp_path)
    (tmp_path / "zeros").write_bytes(bytes(MAX_OBJECT_BYTES + 1))
    oid = scratch.git("hash-object", "-w", "zeros")
    commit = scratch.commit()
    with at(tmp_path) as repository:
        with pytest.raises(GitsignError) as caught:
            repository.read(oid)
        assert caught.value.reason == "object-too-large"
        assert repository.read(commit).kind == "commit"


def test_outside_a_repository_the_error_says_so(tmp_path: Path) -> None:
    outside = at(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert reason(outside, "HEAD") == "repository-missing"
    assert reason(outside, "HEAD..HEAD") == "repository-missing"
    with pytest.raises(GitsignError) as caught:
        outside.read("f" * 40)
    assert caught.value.reason == "repository-missing"
    with pytest.raises(GitsignError, match="no git repository at"):
        open_repository(Path("/"))


def test_without_the_git_program_the_error_says_so(sample: Sample, tmp_path: Path) -> None:
    repository = at(sample.scratch.path, PATH=str(tmp_path))
    for call in (lambda: repository.resolve(["HEAD"]), lambda: repository.algorithm, lambda: repository.read("f" * 40)):
        with pytest.raises(GitsignError) as caught:
            call()
        assert caught.value.reason == "git-missing"


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    repository = at(tmp_path / "nowhere")
    for call in (lambda: repository.resolve(["HEAD"]), lambda: repository.algorithm):
        with pytest.raises(GitsignError, match="/nowhere") as caught:
            call()
        assert caught.value.reason == "directory-missing"


def fake_git(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_git_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    env = environment(**fake_git(tmp_path / "bin", "exec sleep 60"))
    repository = GitRepository(tmp_path, environment=env, timeout=0.2)
    for call in (lambda: repository.resolve(["HEAD"]), lambda: repository.run(["status"])):
        with pytest.raises(GitsignError, match=r"within 0.2 s") as caught:
            call()
        assert caught.value.reason == "git-timeout"


def test_a_git_that_reads_nothing_is_given_up(tmp_path: Path) -> None:
    env = environment(**fake_git(tmp_path / "bin", "exec sleep 60"))
    repository = GitRepository(tmp_path, environment=env, timeout=0.2)
    with pytest.raises(GitsignError) as caught:
        repository.resolve(["x" * 100_000])
    assert caught.value.reason == "git-timeout"


def test_a_git_that_stops_reading_is_a_failure_not_a_broken_pipe(tmp_path: Path) -> None:
    repository = at(tmp_path, **fake_git(tmp_path / "bin", "exec 0<&-; sleep 0.2; echo 'fatal: enough' >&2; exit 128"))
    with pytest.raises(GitsignError, match="enough") as caught:
        repository.resolve(["x" * 100_000])
    assert caught.value.reason == "revision-unknown"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("exit 3", "git failed: exit status 3"),
        ("echo 'error: it broke' >&2; echo more >&2; exit 1", "git failed: it broke"),
        ("echo 'words' >&2; exit 1", "git failed: words"),
        ("exec 0<&-; exit 1", "git failed: exit status 1"),
    ],
)
def test_a_git_that_fails_is_quoted_in_one_line(body: str, expected: str, tmp_path: Path) -> None:
    repository = at(tmp_path, **fake_git(tmp_path / "bin", body))
    with pytest.raises(GitsignError) as caught:
        repository.read("f" * 40)
    assert caught.value.message == expected


def test_a_repository_of_another_owner_comes_with_the_way_out(tmp_path: Path) -> None:
    words = "fatal: detected dubious ownership in repository"
    repository = at(tmp_path, **fake_git(tmp_path / "bin", f"echo '{words}' >&2; exit 128"))
    for word in ("HEAD", "^HEAD"):
        with pytest.raises(GitsignError) as caught:
            repository.resolve([word])
        assert caught.value.reason == "repository-untrusted"
        assert "safe.directory" in caught.value.hint


def test_many_warnings_do_not_stop_the_conversation(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    sample.scratch.git("tag", "main", sample.first)
    with at(tmp_path) as repository:
        assert len(ids(repository, *["main"] * 3000)) == 3000
        assert len(repository.warnings()) == 3000


def test_one_process_serves_many_questions(sample: Sample, tmp_path: Path) -> None:
    count = tmp_path / "count"
    real = shutil.which("git")
    env = fake_git(tmp_path / "bin", f'echo started >> {count}\nexec {real} "$@"')
    with at(sample.scratch.path, **env) as repository:
        for oid in ids(repository, "HEAD", "v1", "light"):
            repository.read(oid)
    assert count.read_text().splitlines() == ["started"]


def test_where_git_runs_is_told(sample: Sample) -> None:
    with at(sample.scratch.path, GIT_TRACE="0") as repository:
        assert repository.directory == sample.scratch.path
        assert repository.environment["GIT_TRACE"] == "0"


def test_closing_ends_the_process_and_the_next_question_starts_another(sample: Sample, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    env = fake_git(tmp_path / "bin", f'echo $$ >> {note}\nexec {shutil.which("git")} "$@"')
    repository = at(sample.scratch.path, **env)
    for _ in range(2):
        repository.resolve(["HEAD"])
        repository.close()
        repository.close()
    pids = note.read_text().split()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_other_commands_may_take_input_and_end_with_a_status_that_is_no_failure(repo: GitRepository) -> None:
    assert repo.run(["hash-object", "--stdin"], stdin=b"x").strip() == object_id("blob", b"x").encode()
    assert repo.run(["config", "no.such"], accept=(0, 1)) == b""
