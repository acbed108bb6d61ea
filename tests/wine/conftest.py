"""A Windows user; every test says why it cannot run where there is no kit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import RunningStack
from tests.support.windowskit import WindowsKit, WindowsUser, at_work


@pytest.fixture(scope="session")
def kit() -> Iterator[WindowsKit]:
    named = os.environ.get("GITSIGN_PY_WINDOWS_KIT") or Path.home() / ".cache" / "gitsign-py-windows"
    kit = WindowsKit(Path(named))
    if why := kit.missing():
        pytest.skip(why)
    with kit.serving():
        yield kit


@pytest.fixture
def user(kit: WindowsKit, tmp_path: Path, stack: RunningStack) -> Iterator[WindowsUser]:
    with at_work(kit, tmp_path / "Ünser Büro", stack) as user:
        yield user
