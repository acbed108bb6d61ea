"""Fixtures for the tests of the agent: a terminal to look at, and a place for a socket."""

from pathlib import Path

import pytest

from gitsign_py.agent import client, lifecycle
from tests.support import warm
from tests.support.home import PATIENCE
from tests.support.screen import screen

__all__ = ["screen"]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy machines take longer than a client waits for an agent; tests of that wait say for how long."""
    for name in ("CONNECT_SECONDS", "SILENCE_SECONDS", "ASK_SECONDS"):
        monkeypatch.setattr(client, name, PATIENCE)


@pytest.fixture
def warm_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that a test starts from its own process are forked as well."""
    if command := warm.agents_command():
        monkeypatch.setattr(lifecycle, "own_command", lambda: command)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an agent may listen: a name in a directory that nobody else can look into."""
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "agent.sock"
