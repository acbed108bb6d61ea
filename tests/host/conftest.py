"""A repository to ask, by both ways of talking to git."""

import select
from collections.abc import Iterator

import pytest

from gitsign_py.host.git.objects import GitRepository
from tests.support.samplerepo import Sample, at


@pytest.fixture(params=["poll", "threads"])
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
