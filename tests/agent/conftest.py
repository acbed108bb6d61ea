"""Fixtures for the tests of the agent: a terminal to look at, and a place for a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.screen import Screen, opened


@pytest.fixture
def screen(home: Home) -> Iterator[Screen]:
    """A terminal in the repository of the test's own ``home``."""
    with opened(home) as screen:
        yield screen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an agent may listen: a name in a directory that nobody else can look into."""
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "agent.sock"
