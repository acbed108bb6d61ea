"""A sample repository of the real git, and the words in which the tests ask ours about it."""

import os
from pathlib import Path

import pytest

from gitsign_py.errors import GitsignError
from gitsign_py.host.git.objects import GitRepository
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


def at(path: Path, **env: str) -> GitRepository:
    return GitRepository(path, environment=environment(**env))


def ids(repository: GitRepository, *words: str) -> list[str]:
    return [revision.oid for revision in repository.resolve(words)]


def reason(repository: GitRepository, *words: str) -> str:
    with repository, pytest.raises(GitsignError) as caught:
        repository.resolve(words)
    assert "\n" not in caught.value.message
    return caught.value.reason


def fake_git(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}
