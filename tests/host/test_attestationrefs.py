"""The refs of attestations: two histories of one brought together, and writers that git knows no address of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.errors import UncheckedError, UsageError
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.attestationrefs import join, store
from gitsign_py.host.git.notes import REF as NOTES
from gitsign_py.host.git.notes import EntryNotes
from gitsign_py.host.git.objects import GitRepository
from tests.support.gitrepo import ScratchRepo, environment

OURS, THEIRS = "refs/attestations/trees", "refs/remotes/origin/attestations/trees"
ONE, TWO = "ab" * 20, "cd" * 20


@pytest.fixture
def repo(tmp_path: Path) -> ScratchRepo:
    return ScratchRepo.init(tmp_path / "repository")


@pytest.fixture
def opened(repo: ScratchRepo) -> Iterator[GitRepository]:
    with GitRepository(repo.path, environment=environment()) as repository:
        yield repository


def put(repository: GitRepository, ref: str, *files: tuple[str, str, bytes]) -> str:
    return [store(repository, ref, oid, {name: data}, message="said") for oid, name, data in files][-1]


def listed(repo: ScratchRepo) -> list[str]:
    return repo.git("ls-tree", "-r", "--name-only", OURS).split()


def test_two_histories_become_one(repo: ScratchRepo, opened: GitRepository) -> None:
    same = (ONE, "approval-0", b"0")
    ours = put(opened, OURS, same, (ONE, "approval-1", b"1"))
    theirs = put(opened, THEIRS, same, (ONE, "approval-2", b"2"), (TWO, "approval-3", b"3"))
    assert join(opened, OURS, THEIRS)
    assert repo.git("log", "-1", "--format=%P", OURS).split() == [ours, theirs], "both can be pushed over"
    assert listed(repo) == [f"{ONE}/approval-{n}" for n in range(3)] + [f"{TWO}/approval-3"]
    assert not join(opened, OURS, THEIRS), "all of it is there"
    put(opened, OURS, (TWO, "approval-4", b"4"))
    assert not join(opened, OURS, THEIRS)
    repo.git("fsck", "--strict")


def test_one_history_goes_on(repo: ScratchRepo, opened: GitRepository) -> None:
    assert not join(opened, OURS, THEIRS), "the remote has none yet"
    theirs = put(opened, THEIRS, (ONE, "approval-1", b"1"))
    assert join(opened, OURS, THEIRS)
    assert repo.git("rev-parse", OURS) == theirs
    later = put(opened, THEIRS, (ONE, "approval-2", b"2"))
    assert join(opened, OURS, THEIRS)
    assert repo.git("rev-parse", OURS) == later, "no commit is needed for that"


def test_nothing_is_written_over(repo: ScratchRepo, opened: GitRepository) -> None:
    before = put(opened, OURS, (ONE, "custom", b"ours"))
    put(opened, THEIRS, (ONE, "custom", b"theirs"))
    with pytest.raises(UsageError) as refused:
        join(opened, OURS, THEIRS)
    assert (refused.value.reason, f"{ONE}/custom" in refused.value.message) == ("attestation-exists", True)
    repo.git("update-ref", THEIRS, repo.git("commit-tree", "-m", "a file", file_in_place_of(repo)))
    with pytest.raises(UsageError) as refused:
        join(opened, OURS, THEIRS)
    assert refused.value.reason == "attestation-exists"
    assert repo.git("rev-parse", OURS) == before


def file_in_place_of(repo: ScratchRepo) -> str:
    blob = repo.store("blob", b"")
    return repo.git("mktree", stdin=f"100644 blob {blob}\t{ONE}\n".encode())


def test_more_than_a_reader_reads(opened: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    put(opened, OURS, (ONE, "approval-1", b"1"))
    put(opened, THEIRS, (TWO, "approval-2", b"2"))
    monkeypatch.setattr(attestationrefs.check_size, "__defaults__", (40,))
    with pytest.raises(UncheckedError) as refused:
        join(opened, OURS, THEIRS)
    assert refused.value.reason == "attestations-too-many"


def test_a_server_without_an_address_writes_too(repo: ScratchRepo) -> None:
    """Nobody commits on a server, so its account needs no address: what was signed is not lost for it."""
    repo.git("config", "user.useConfigOnly", "true")  # or git makes one up from the name of the machine
    noted = repo.commit()
    people = ("GIT_AUTHOR_", "GIT_COMMITTER_")
    nameless = {name: value for name, value in environment(EMAIL="").items() if not name.startswith(people)}
    with GitRepository(repo.path, environment=nameless) as repository:
        put(repository, OURS, (ONE, "approval-1", b"1"))
        put(repository, THEIRS, (TWO, "approval-2", b"2"))
        assert join(repository, OURS, THEIRS)
        assert EntryNotes(repository).add({noted: (b"{}",)}) == 1
    for ref in (OURS, THEIRS, NOTES):
        assert repo.git("log", "-1", "--format=%cn <%ce>", ref) == "gitsign-py <gitsign-py@localhost>"
    repo.git("fsck", "--strict")
