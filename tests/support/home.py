"""A user of this machine for tests: directories of their own, a local Sigstore, a repository, a signing agent.

The program runs as installed ones do: a short script that git finds by its path.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsign_py.agent.client import ask
from tests.support import warm
from tests.support.gitrepo import environment
from tests.support.stack import ROOT, RunningStack
from tests.support.waiting import wait_until
from tests.support.webform import write_browser

EMAIL = "alice@example.com"
PATIENCE = 60.0
"""Seconds that programs wait for an agent or a keyring that is silent: theirs are few, and a machine may be busy."""
_WAITS = (
    "agent__client__CONNECT_SECONDS",
    "agent__client__SILENCE_SECONDS",
    "agent__client__ASK_SECONDS",
    "host__keystore__TIMEOUT_SECONDS",
)


@dataclass
class Home:
    """One user. ``variables`` are the environment of everything that is run."""

    directory: Path
    stack: RunningStack
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        return self.directory / "gitsign-py"

    @property
    def repository(self) -> Path:
        return self.directory / "repository"

    @property
    def socket(self) -> Path:
        return self.directory / "run" / "gitsign-py" / "agent.sock"

    @property
    def sign_ins(self) -> list[str]:
        """The addresses that the browser was opened at."""
        record = self.directory / "browser.log"
        return record.read_text().splitlines() if record.exists() else []

    def prepare(self) -> None:
        for name in ("run", "home"):
            (self.directory / name).mkdir(mode=0o700)
        warm.program(self.program, own=True)
        places = {
            "HOME": self.directory / "home",
            "XDG_RUNTIME_DIR": self.directory / "run",
            "XDG_STATE_HOME": self.directory / "state",
            "XDG_CACHE_HOME": self.directory / "cache",
            "XDG_DATA_HOME": self.directory / "data",
        }
        self.variables = environment(
            GIT_CONFIG_GLOBAL=str(self.directory / "home" / ".gitconfig"),
            **{name: str(path) for name, path in places.items()},
            **self.stack.environment(),
            PYTHONPATH=str(ROOT),
        )
        self.variables |= warm.constants(**dict.fromkeys(_WAITS, PATIENCE))
        for name in ("CI", "DISPLAY", "BROWSER", "WAYLAND_DISPLAY", "SSH_CONNECTION", "GIT_TERMINAL_PROMPT"):
            self.variables.pop(name, None)
        self.repository.mkdir()
        self.git("init", "-q", "-b", "main")
        for key, value in (("gpg.format", "x509"), ("gpg.x509.program", str(self.program))):
            self.git("config", key, value)

    def person_signs_in(self, email: str = EMAIL) -> None:
        """From now on a token needs a person: a browser that opens, and somebody who signs in there as ``email``."""
        self.git("config", "gitsign.tokenProvider", "interactive")
        opener = f"{write_browser(self.directory)} {{{{.URL}}}} {email}"
        self.git("config", "--global", "gitsign.urlOpener", opener)  # the person's own: a repository's is asked about

    def run(self, *command: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.repository,
            env={**self.variables, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def git(self, *arguments: str, **more: str) -> str:
        done = self.run("git", *arguments, **more)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.strip()

    def gitsign(self, *arguments: str, **more: str) -> str:
        done = self.run(self.program, *arguments, **more)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def commit(self, message: str, *options: str, **more: str) -> str:
        self.git("commit", "-q", "--allow-empty", "-S", "-m", message, *options, **more)
        return self.git("rev-parse", "HEAD")

    def signers(self, *revisions: str) -> list[tuple[str, str]]:
        """Verdict and fingerprint of each commit, by git itself."""
        lines = self.git("log", "--format=%G? %GF", *revisions).splitlines()
        return [(line[0], line[2:]) for line in lines]

    def status(self) -> Any:
        return json.loads(self.gitsign("agent", "status", "--json"))

    def pid(self) -> int:
        return int(self.status()["pid"])

    def kill(self) -> None:
        with suppress(ProcessLookupError, AssertionError):
            os.kill(self.pid(), signal.SIGKILL)

    def files(self) -> Iterator[Path]:
        """Every file that this user's programs left behind."""
        return (path for path in self.directory.rglob("*") if path.is_file())


@contextmanager
def living(directory: Path, stack: RunningStack, **more: str) -> Iterator[Home]:
    """A user until the end of the block, with ``more`` variables of their own; their agent ends with it."""
    home = Home(directory, stack)
    home.prepare()
    home.variables |= more
    try:
        yield home
    finally:
        home.run(home.program, "agent", "stop")
        wait_until(lambda: ask(str(home.socket), "ping") is None)
