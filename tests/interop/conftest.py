"""The bench and the programs on it."""

from pathlib import Path

import pytest

from tests.support.foreign import ForeignBench, find_program
from tests.support.stack import RunningStack


@pytest.fixture
def place(stack: RunningStack, tmp_path: Path) -> ForeignBench:
    return ForeignBench(tmp_path, stack)


@pytest.fixture
def cosign() -> str:
    return find_program("cosign")
