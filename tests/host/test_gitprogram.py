"""The git program behind a repository: missing, silent, failing, talkative, and started once for many questions."""

import os
import shutil
from pathlib import Path

import pytest

from gitsign_py.audit.plan import resolve_targets
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.program import complaint
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.samplerepo import Sample, at, fake_git, ids

pytestmark = pytest.mark.usefixtures("pipes")


def test_without_the_git_program_the_error_says_so(sample: Sample, tmp_path: Path) -> None:
    repository = at(sample.scratch.path, PATH=str(tmp_path))
    for call in (lambda: repository.resolve(["HEAD"]), lambda: repository.algorithm, lambda: repository.read("f" * 40)):
        with pytest.raises(GitsignError) as caught:
            call()
        assert caught.value.reason == "git-missing"


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


@pytest.mark.parametrize(
    ("named", "directory"),
    [(" at '/srv/a repo'", "'/srv/a repo'"), (" at '/srv/it's'", "'/srv/it'\"'\"'s'"), ("", "DIRECTORY")],
)
def test_the_way_out_can_be_pasted(named: str, directory: str) -> None:
    error = complaint(f"fatal: detected dubious ownership in repository{named}\n".encode(), 128)
    assert error.hint == f"if you do, run git config --global --add safe.directory {directory}"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (f"fatal: missing object {'d' * 40} for refs/heads/master", "git fsck --full names what is damaged"),
        ("fatal: unexpected line in ./packed-refs: x", "git fsck --full names what is damaged"),
        ("fatal: unable to auto-detect email address", ""),
    ],
)
def test_a_damaged_repository_comes_with_what_to_do(words: str, hint: str) -> None:
    error = complaint(words.encode(), 128)
    assert (error.reason, error.hint) == ("git-failed", hint)


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ({"core.repositoryFormatVersion": "1", "extensions.sorted": "x"}, "unknown repository extension found: sorted"),
        ({"core.repositoryFormatVersion": "99"}, "Expected git repo version <= 1, found 99"),
    ],
)
def test_a_repository_that_is_too_new_for_git(settings: dict[str, str], lacks: str, tmp_path: Path) -> None:
    scratch = ScratchRepo.init(tmp_path)
    for key, value in settings.items():
        scratch.git("config", key, value)
    repository = at(tmp_path)
    for ask in (lambda: repository.resolve(["HEAD"]), lambda: resolve_targets(repository, ())):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert caught.value.reason == "repository-unsupported"
        assert caught.value.message == f"this git cannot read the repository: {lacks}"


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
    for pid in map(int, pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
