"""A terminal (tmux) for tests: what a person types into it, and what stands on its screen."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.home import Home
from tests.support.waiting import SECONDS, wait_until

NEEDED = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
COMMIT = 'git commit -q --allow-empty -S -m signed; echo "status $?"'


class Resident(Protocol):
    """Somebody with a repository and an environment."""

    directory: Path
    variables: dict[str, str]

    @property
    def repository(self) -> Path: ...


@dataclass
class Screen:
    """A terminal of 400 columns whose shell runs in a home's repository."""

    socket: Path

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-S", str(self.socket), *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "0", "-l", "--", text)  # a code may begin with a hyphen
        self.tmux("send-keys", "-t", "0", "Enter")

    def interrupt(self) -> None:
        self.tmux("send-keys", "-t", "0", "C-c")

    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-J", "-t", "0").rstrip()

    def holder(self) -> str:
        """The command that has the terminal: whom Ctrl-C would reach (tcgetpgrp(3))."""
        return self.tmux("display-message", "-p", "-t", "0", "#{pane_current_command}").strip()

    def shell(self) -> str:
        """The process id of the shell."""
        return self.tmux("display-message", "-p", "-t", "0", "#{pane_pid}").strip()

    def clear(self) -> None:
        """Empty the screen; return when it is and the shell asks again, so that what comes next begins a line."""
        self.type("clear; echo emptied")
        wait_until(lambda: self.text() == "emptied\n$", self.text)

    def wait(self, words: str, seconds: float = SECONDS) -> str:
        end = time.monotonic() + seconds
        while words not in (text := self.text()):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text


@contextmanager
def opened(home: Resident) -> Iterator[Screen]:
    """A terminal whose shell runs in ``home``'s repository, until the end of the block."""
    screen = Screen(home.directory / "tmux.sock")
    shell = ["env", "-i", *(f"{name}={value}" for name, value in home.variables.items()), "PS1=$ ", "TERM=screen", "sh"]
    subprocess.run(
        ["tmux", "-S", str(screen.socket), "-f", "/dev/null", "new-session", "-d", "-x", "400", "-y", "40", *shell],
        cwd=home.repository, env=home.variables, check=True,
    )  # fmt: skip
    try:
        yield screen
    finally:
        screen.tmux("kill-server")


def value(text: str, label: str) -> str:
    """The last word of the line on the screen that begins with ``label``."""
    return next(line.split()[-1] for line in text.splitlines() if line.strip().startswith(label))


def clean(home: Home) -> None:
    """The signature in the commit is armor and nothing else."""
    raw = home.git("cat-file", "commit", "HEAD")
    header = raw.partition("\n\n")[0]
    armor = [line for line in header.splitlines() if line.startswith(("gpgsig ", " "))]
    assert armor[0] == "gpgsig -----BEGIN SIGNED MESSAGE-----"
    assert all(line.strip().isalnum() or set(line.strip()) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    ) for line in armor[1:-1] if line.strip() != "-----END SIGNED MESSAGE-----")  # fmt: skip
    assert home.signers("-1")[0][0] == "U"


def until_gone(command: str) -> None:
    """Wait until no process runs ``command``."""
    wait_until(lambda: subprocess.run(["pgrep", "-f", command], capture_output=True, check=False).returncode != 0)


@pytest.fixture
def screen(home: Home) -> Iterator[Screen]:
    """A terminal in the repository of the test's own ``home``."""
    with opened(home) as screen:
        yield screen
