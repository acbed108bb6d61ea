"""Fixtures for the tests that look at a terminal."""

from collections.abc import Iterator

import pytest

from tests.support.home import Home
from tests.support.screen import Screen, opened


@pytest.fixture
def screen(home: Home) -> Iterator[Screen]:
    """A terminal in the repository of the test's own ``home``."""
    with opened(home) as screen:
        yield screen
