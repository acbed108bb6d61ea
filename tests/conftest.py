"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest

from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A local Sigstore, started once for each test worker."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
