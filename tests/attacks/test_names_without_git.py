"""Attack: a tag called like a branch that is not there, where there is no git program.

git takes refs/tags/refs/heads/main for refs/heads/main; the reader that stands in for it takes the very name alone.
"""

from pathlib import Path

import pytest

from gitsign_py.errors import UsageError
from gitsign_py.host.git.naming import commit_at
from gitsign_py.host.repository import open_repository
from tests.support.gitrepo import ScratchRepo
from tests.support.nogit import run_program, variables

GONE = "refs/heads/gone"


@pytest.fixture
def repo(tmp_path: Path) -> ScratchRepo:
    made = ScratchRepo.init(tmp_path / "repo")
    made.commit()
    for place in ("refs/tags/", "refs/heads/", "refs/remotes/"):
        made.git("update-ref", f"{place}{GONE}", "HEAD")
    return made


@pytest.mark.parametrize("git", [False, True])
def test_a_full_name_is_that_ref_alone(repo: ScratchRepo, git: bool) -> None:
    with open_repository(repo.path, environment=variables(git=git)) as opened:
        assert opened.missing_ref(f"HEAD..{GONE}") == GONE
        assert commit_at(opened, GONE) == ""
        for words in ([GONE], [f"{GONE}~0"], [f"{GONE}..HEAD"], ["HEAD", f"^{GONE}"]):
            with pytest.raises(UsageError) as caught:
                opened.resolve(words)
            assert caught.value.reason == "revision-unknown"
        repo.git("update-ref", GONE, "HEAD")
        assert opened.missing_ref(GONE) == ""
        assert commit_at(opened, GONE) == repo.git("rev-parse", "HEAD")
        assert opened.resolve([GONE])[0].oid == repo.git("rev-parse", "HEAD")


@pytest.mark.parametrize("git", [False, True])
def test_a_policy_by_a_guessed_name(repo: ScratchRepo, tmp_path: Path, git: bool) -> None:
    name = f"{GONE}:.gitsign/policy.toml"
    done = run_program(repo.path, "audit", "--offline", "--policy", name, "HEAD", git=git, HOME=str(tmp_path))
    assert (done.returncode, f"there is no {GONE}" in done.stderr.decode()) == (2, True), done.stderr
    done = run_program(repo.path, "audit", "--offline", "--no-policy", GONE, git=git, HOME=str(tmp_path))
    assert (done.returncode, b"[revision-unknown]" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("git", [False, True])
def test_a_short_name_of_two_refs(repo: ScratchRepo, tmp_path: Path, git: bool) -> None:
    repo.git("update-ref", "refs/heads/both", "HEAD")
    repo.git("update-ref", "refs/tags/both", "HEAD")
    for words in (["both"], ["both~0"], ["HEAD..both"]):
        done = run_program(repo.path, "audit", "--offline", "--no-policy", *words, git=git, HOME=str(tmp_path))
        assert (done.returncode, b"[revision-ambiguous]" in done.stderr) == (2, True), done.stderr
