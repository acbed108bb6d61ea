"""A user of another system: every Python that runs for them, the signing program and the agent too, is of that kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home, living
from tests.support.othersystem import installed
from tests.support.stack import RunningStack


@pytest.fixture(params=["windows", "macos"])
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack, system: str) -> Iterator[Home]:
    (tmp_path / "u").mkdir(mode=0o700)
    with living(tmp_path / "u", stack, **installed(tmp_path / "python", system)) as home:
        yield home


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, stack: RunningStack) -> Iterator[Home]:
    """A user of this very system, who has signed 26 commits: more than one process audits alone."""
    folder = tmp_path_factory.mktemp("history")
    with living(folder, stack) as home:
        for number in range(26):
            home.commit(str(number))
        yield home
