"""Attack: a pipe or a device in the place of a repository's file, where there is no git program and dulwich reads.

dulwich opens objects, packs, refs and settings by itself: it would wait for a writer who never comes, or never end.
"""

import os
from pathlib import Path

import pytest

from tests.support.gitrepo import ScratchRepo
from tests.support.nogit import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
PLACES = {
    "object": "[object-unreadable]",
    "pack": "[object-unreadable]",
    "index of a pack": "[object-unreadable]",
    "ref": "the refs cannot be read",
    "packed refs": "the refs cannot be read",
    "settings": "[git-config-unreadable]",
}


def file_of(repo: ScratchRepo, place: str) -> Path:
    inner, head = repo.path / ".git", repo.git("rev-parse", "HEAD")
    if "pack" in place and "refs" not in place:
        repo.git("repack", "-adfq")
        return next((inner / "objects/pack").glob("*.idx" if "index" in place else "*.pack"))
    return {
        "object": inner / "objects" / head[:2] / head[2:],
        "ref": inner / repo.git("symbolic-ref", "HEAD"),
        "packed refs": inner / "packed-refs",
        "settings": inner / "config",
    }[place]


@pytest.mark.parametrize("place", PLACES)
def test_what_dulwich_would_open(tmp_path: Path, no_file: Path, place: str) -> None:
    repo = ScratchRepo.init(tmp_path / "repo")
    repo.commit()
    no_file.rename(file_of(repo, place))
    for command in (["audit", "--no-policy"], ["verify", "--any-identity"]):
        done = run_program(repo.path, *command, "--offline", "HEAD", git=False, HOME=str(tmp_path))
        assert PLACES[place] in done.stderr.decode(), done.stderr
        assert done.returncode in (2, 3)


def test_alternates(tmp_path: Path, no_file: Path) -> None:
    """Passed over, as git passes over a list that it cannot read; nothing waits for it."""
    repo = ScratchRepo.init(tmp_path / "repo")
    repo.commit()
    (repo.path / ".git/objects/info").mkdir(exist_ok=True)
    no_file.rename(repo.path / ".git/objects/info/alternates")
    done = run_program(repo.path, "audit", "--no-policy", "--offline", "HEAD", git=False, HOME=str(tmp_path))
    assert (done.returncode, b"unsigned" in done.stdout) == (1, True), done.stderr
