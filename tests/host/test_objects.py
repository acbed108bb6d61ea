"""Objects are the stored bytes, from git and from dulwich alike, or an error."""

import shutil
import stat
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.dulwich import DulwichObjects
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.sizes import MAX_OBJECT_BYTES
from tests.support.gitrepo import ScratchRepo
from tests.support.samplerepo import Sample, at, ids

pytestmark = pytest.mark.usefixtures("pipes")


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
    with closing(DulwichObjects(sample.scratch.path / ".git" / "objects")) as opened:
        assert opened.read(oid) == repo.read(oid)


def test_packed_objects_arrive_unchanged_from_git_and_from_dulwich(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    for data in odd_commits(sample).values():
        sample.scratch.git("update-ref", f"refs/odd/{len(data)}", sample.scratch.store("commit", data))
    sample.scratch.git("repack", "-adq")
    with at(tmp_path) as repository, closing(DulwichObjects(tmp_path / ".git" / "objects")) as opened:
        for line in sample.scratch.git("rev-list", "--all", "--objects").splitlines():
            oid = line.split()[0]
            assert opened.read(oid) == repository.read(oid)
        assert opened.read(sample.tag) == repository.read(sample.tag)


def loose(path: Path, oid: str) -> Path:
    return path / ".git" / "objects" / oid[:2] / oid[2:]


def test_an_object_stored_under_anothers_name_is_refused(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    target = loose(tmp_path, sample.second)
    target.chmod(stat.S_IRUSR | stat.S_IWUSR)
    shutil.copyfile(loose(tmp_path, sample.first), target)
    with at(tmp_path) as repository, closing(DulwichObjects(tmp_path / ".git" / "objects")) as opened:
        for source in (repository, opened):
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
    with closing(DulwichObjects(tmp_path / ".git" / "objects")) as opened, pytest.raises(GitsignError) as caught:
        opened.read(sample.second)
    assert caught.value.reason == "object-unreadable"


@pytest.mark.parametrize("oid", ["f" * 40, "HEAD", "", "x" * 100, "\ud800", "4B825DC642CB6EB9A060E54BF8D69288FBEE4904"])
def test_only_full_ids_of_stored_objects_are_read(oid: str, sample: Sample, repo: GitRepository) -> None:
    with closing(DulwichObjects(sample.scratch.path / ".git" / "objects")) as opened:
        for source in (repo, opened):
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
