"""The Go client, as its project publishes it: its signatures verify here and ours verify there, and both say no."""

import pytest

from tests.support.foreign import EMAIL, ForeignBench, find_program
from tests.support.foreignrepo import ForeignRepo

pytestmark = pytest.mark.unmeasured

MODES = ["online", "offline"]


@pytest.fixture
def repo(place: ForeignBench) -> ForeignRepo:
    return ForeignRepo(place, find_program("gitsign"))


@pytest.mark.parametrize("mode", MODES)
def test_commits_and_tags_of_each_verify_with_the_other(repo: ForeignRepo, mode: str) -> None:
    repo.sign("theirs", repo.gitsign, GITSIGN_REKOR_MODE=mode)
    repo.sign("ours", repo.ours, GITSIGN_REKOR_MODE=mode)
    for name in ("theirs", "ours"):
        assert repo.git(repo.ours, "verify-commit", name, good=True).stderr.startswith(
            f"gitsign-py: Good signature by {EMAIL}, vouched for by {repo.place.stack.url}, "
        )
        repo.git(repo.ours, "verify-tag", f"v-{name}", good=True)
        told = repo.place.good(repo.ours, "verify", *repo.place.who, name, f"v-{name}").stdout
        assert "2 of 2 verified." in told
        by_git = repo.git(repo.gitsign, "verify-commit", name, good=True, GITSIGN_REKOR_MODE=mode)
        assert "Validated Git signature: true" in by_git.stderr
        repo.git(repo.gitsign, "verify-tag", f"v-{name}", good=True, GITSIGN_REKOR_MODE=mode)
        for command, revision in (("verify", name), ("verify-tag", f"v-{name}")):
            done = repo.place.good(repo.gitsign, command, *repo.place.who, revision, GITSIGN_REKOR_MODE=mode)
            assert f"Good signature from [{EMAIL}]({repo.place.stack.url})" in done.stdout + done.stderr
            assert "Validated Certificate claims: true" in done.stdout + done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_both_refuse_another_identity_and_another_message(repo: ForeignRepo, mode: str) -> None:
    """The same commits, asked for Bob; then with a word changed, each signature kept as it is."""
    repo.sign("theirs", repo.gitsign, GITSIGN_REKOR_MODE=mode)
    repo.sign("ours", repo.ours, GITSIGN_REKOR_MODE=mode)
    bob = ["--certificate-identity", "bob@example.com", *repo.place.who[2:]]
    for name in ("theirs", "ours"):
        changed = repo.changed(name)
        for program in (repo.ours, repo.gitsign):
            assert repo.place.run(program, "verify", *bob, name, GITSIGN_REKOR_MODE=mode).returncode == 1
            assert repo.place.run(program, "verify", *repo.place.who, changed, GITSIGN_REKOR_MODE=mode).returncode == 1
            assert repo.git(program, "verify-commit", changed, GITSIGN_REKOR_MODE=mode).returncode == 1
