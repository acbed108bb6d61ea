"""A repository of the real git that signs through the real program against a running stack."""

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import warm
from tests.support.gitrepo import environment as git_environment
from tests.support.stack import RunningStack

EMAIL = "alice@example.com"
_COUNT = itertools.count(1)


def program(folder: Path) -> Path:
    """The installed program, else a script that runs the package from here."""
    installed = Path(sys.executable).with_name("gitsign-py")
    if installed.exists():
        return installed
    script = folder / "gitsign-py"
    if not script.exists():
        warm.program(script)
    return script


@dataclass
class Workbench:
    """``repo`` is the repository, ``env`` what git and the program get; nothing of the person who runs the tests."""

    folder: Path
    stack: RunningStack
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        run = self.folder / "run"
        for directory in (home, run):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Two tests on one stack may make "the same" commit in the same second: its log would have both entries for it.
        committer = f"Alice at bench {next(_COUNT)}"
        base = git_environment(HOME=str(home), XDG_RUNTIME_DIR=str(run), GIT_COMMITTER_NAME=committer)
        for name in (
            "GIT_AUTHOR_DATE",
            "GIT_COMMITTER_DATE",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
        ):
            base.pop(name, None)
        self.env = {**base, **self.stack.environment(), **self.env}
        self.env.pop("GIT_CONFIG_GLOBAL", None)
        (home / ".gitconfig").write_text("[gitsign]\n\tagent = off\n")  # tests/agent has the tests with one

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    def init(self, *options: str, path: Path | None = None) -> Path:
        """Make the repository and have it sign through the program."""
        repo = path or self.repo
        self.run(["git", "init", "-q", "-b", "main", *options, str(repo)], cwd=self.folder)
        self.configure("gpg.format=x509", f"gpg.x509.program={self.for_git()}", cwd=repo)
        return repo

    def for_git(self) -> Path:
        """The program as git finds it: the installed one, in a file of its own where that starts it sooner."""
        installed = program(self.folder)
        is_sooner = not warm.is_cold and installed == warm.INSTALLED
        return warm.program(self.folder / "gitsign-py", installed=True) if is_sooner else installed

    def configure(self, *pairs: str, cwd: Path | None = None) -> None:
        for pair in pairs:
            key, _, value = pair.partition("=")
            whose = ["--global"] if key.startswith("gitsign.") else []  # a repository's own services are asked about
            self.git("config", *whose, "--add", key, value, cwd=cwd)

    def run(
        self, command: list[str], *, cwd: Path | None = None, stdin: bytes = b"", timeout: float = 60, **env: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command,
            cwd=cwd or self.repo,
            env={**self.env, **env},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            start_new_session=True,  # no controlling terminal: what is said goes to stderr and the log
        )

    def git(self, *arguments: str, cwd: Path | None = None, **env: Any) -> str:
        done = self.run(["git", *arguments], cwd=cwd, **env)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.decode().rstrip("\n")

    def try_git(self, *arguments: str, cwd: Path | None = None, **env: Any) -> "subprocess.CompletedProcess[bytes]":
        return self.run(["git", *arguments], cwd=cwd, **env)

    def tool(
        self, *arguments: str, cwd: Path | None = None, stdin: bytes = b"", **env: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run gitsign-py itself."""
        return self.run([str(program(self.folder)), *arguments], cwd=cwd, stdin=stdin, **env)

    def commit(self, message: str = "hello", *options: str, cwd: Path | None = None, **env: Any) -> str:
        """Make a signed commit; gives its id."""
        self.git("commit", "-q", "--allow-empty", "-S", "-m", message, *options, cwd=cwd, **env)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    @property
    def who(self) -> list[str]:
        """The flags that ask for Alice."""
        return ["--certificate-identity", EMAIL, "--certificate-oidc-issuer", self.stack.url]

    def verify(self, *arguments: str, cwd: Path | None = None, **env: Any) -> "subprocess.CompletedProcess[bytes]":
        return self.tool("verify", *self.who, *arguments, cwd=cwd, **env)

    def store(self, kind: str, data: bytes, cwd: Path | None = None) -> str:
        done = self.run(["git", "hash-object", "-w", "--literally", "-t", kind, "--stdin"], stdin=data, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def raw(self, kind: str, name: str, cwd: Path | None = None) -> bytes:
        return self.run(["git", "cat-file", kind, name], cwd=cwd).stdout


def no_agent(env: dict[str, str]) -> bool:
    """Whether no agent's socket lies in the runtime directory."""
    return not os.path.exists(f"{env['XDG_RUNTIME_DIR']}/gitsign-py/agent.sock")  # noqa: PTH110
