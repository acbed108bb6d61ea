"""Attack: a pull request brings a folder that is called like the base branch's policy, ``refs/heads/main:.gitsign``.

CI names the policy as ``refs/remotes/origin/main:.gitsign/policy.toml`` in a checkout of the change. If a file of that
very name came first, the change would be judged by its own policy. A name with a colon means a revision.
"""

from pathlib import Path

import pytest

from gitsign_py.cli.auditheading import _commit_of
from gitsign_py.cli.policysource import configured_policy, is_file, load_policy
from gitsign_py.errors import ConfigError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.model import POLICY_PATH
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.governed import MAIN, policy
from tests.support.history import History

NAME = f"{MAIN}:{POLICY_PATH}"


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[GitRepository, str]:
    """A worktree whose files are the pull request's; main has alice's policy."""
    history, repo = History(), ScratchRepo.init(tmp_path / "repo")
    base = history.commit(files={POLICY_PATH: policy("alice")})
    history.write(repo.path / ".git", {MAIN: base, "refs/heads/C": base})
    for name in (NAME, f"{base}:{POLICY_PATH}", f"C:{POLICY_PATH}", "none:policy.toml"):
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.path / name).write_text(policy("mallory", administrators="mallory"))
    return GitRepository(repo.path, environment=environment()), base


def test_the_branchs_policy_counts(checkout: tuple[GitRepository, str]) -> None:
    repository, base = checkout
    with repository:
        for name in (NAME, f"{base}:{POLICY_PATH}", f"C:{POLICY_PATH}"):
            for read in (load_policy, configured_policy):
                assert set(read(repository, name).principals) == {"alice"}, name
        assert _commit_of(repository, NAME) == base


def test_a_file_of_such_a_name_is_written_as_a_path(checkout: tuple[GitRepository, str]) -> None:
    """And never taken for a revision that is not there."""
    repository, _ = checkout
    with repository:
        with pytest.raises(ConfigError) as refused:
            load_policy(repository, "none:policy.toml")
        assert refused.value.reason == "policy-unreadable"
        assert "./FILE" in refused.value.hint
        assert set(load_policy(repository, "./none:policy.toml").principals) == {"mallory"}


@pytest.mark.parametrize("name", ["policy.toml", "./a:b", "../a:b", "~/a:b", "/etc/a:b"])
def test_paths(name: str) -> None:
    assert is_file(name)
