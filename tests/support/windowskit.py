"""Programs for Windows under Wine, as ``.ci/windows`` puts them together, and a Windows user who works with them.

The user's profile is Wine's own, so there is one user at a time; what the programs keep there is gone after each test.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.gitrepo import ISOLATED
from tests.support.stack import RunningStack

EMAIL = "alice@example.com"
_NOT_HANDED_ON = ("GIT_", "GITSIGN_", "SIGSTORE_", "TUF_", "COSIGN_", "XDG_", "PYTHON", "PIP_", "COVERAGE", "WINE")
_PROFILE = ("AppData/Local/gitsign-py", "AppData/Roaming/gitsign-py", ".gitconfig", ".local")


def windows(path: Path | str) -> str:
    """The name of a file of this system as Windows programs know it: Wine shows ``/`` as drive Z."""
    return "Z:" + str(path).replace("/", "\\")


class Said:
    """What a program and its children say on a pipe until the program ends.

    Not until the pipe does: Wine lets whatever goes on in the background keep its ends. Nor can it be a file, which
    Python takes for an invalid handle there.
    """

    _END = b"\0end\0"

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        self._data = bytearray()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._data.endswith(self._END):
            self._data += os.read(self._reader, 1 << 16)

    def all(self) -> bytes:
        """Everything up to now, as the program has ended."""
        if self._thread.is_alive():
            os.write(self.writer, self._END)
            self._thread.join()
        return bytes(self._data.removesuffix(self._END))

    def close(self) -> None:
        self.all()
        os.close(self.writer)
        os.close(self._reader)


@dataclass(frozen=True)
class WindowsKit:
    """``folder`` holds python, git and Wine's prefix."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "python" / "Scripts" / "gitsign-py.exe"

    @property
    def profile(self) -> Path:
        users = self.folder / "prefix" / "drive_c" / "users"
        return next(path for path in users.iterdir() if path.name != "Public")

    def missing(self) -> str:
        """Say why the programs cannot be run; empty when they can."""
        if shutil.which("wine") is None:
            return "wine is not installed (.ci/windows installs it)"
        absent = [path for path in (self.program, self.folder / "git" / "bin" / "git.exe") if not path.exists()]
        return f"{absent[0]} is not there (.ci/windows makes it)" if absent else ""

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of whoever runs the tests; the programs' own folders are on PATH (Wine's WINEPATH)."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
        for name in ("CI", "DISPLAY", "BROWSER", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            kept.pop(name, None)
        places = [self.program.parent, self.folder / "python", self.folder / "git" / "bin"]
        own = {"WINEPREFIX": str(self.folder / "prefix"), "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}
        return {**kept, **own, "WINEPATH": ";".join(map(windows, places)), **more}

    def run(
        self, *command: str | Path, cwd: Path, env: dict[str, str], stdin: bytes = b"", seconds: float = 60
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a program, found as Windows finds it; its files are handed over by names that Windows knows."""
        words = ["wine", *(windows(word) if isinstance(word, Path) else word for word in command)]
        with closing(Said()) as out, closing(Said()) as errors:
            process = subprocess.Popen(
                words, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=out.writer, stderr=errors.writer
            )
            try:
                process.communicate(stdin, timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError((words, out.all(), errors.all())) from None
            return subprocess.CompletedProcess(words, process.returncode, out.all(), errors.all())

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Keep Wine's server between the programs; at the end it ends whatever still runs."""
        env = self.environment()
        subprocess.run(["wineserver", "-p"], env=env, check=True)
        # Wine's own services start with the first program, and would keep the pipes of that one.
        subprocess.run(
            ["wine", "wineboot"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=60, check=True,
        )  # fmt: skip
        try:
            yield
        finally:
            subprocess.run(["wineserver", "-k"], env=env, check=False)

    def forget(self) -> None:
        """Remove what the program and git keep in the user's profile."""
        for name in _PROFILE:
            path = self.profile / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@dataclass
class WindowsUser:
    """One user with a repository that signs; ``variables`` are the environment of everything that is run."""

    kit: WindowsKit
    directory: Path
    stack: RunningStack
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        return self.directory / "repository"

    @property
    def who(self) -> tuple[str, ...]:
        return "--certificate-identity", EMAIL, "--certificate-oidc-issuer", self.stack.url

    @property
    def agent(self) -> Path:
        """The file with the agent's port and secret."""
        return self.kit.profile / "AppData" / "Local" / "gitsign-py" / "agent.sock"

    def prepare(self) -> None:
        named = {name: windows(v) if v.startswith("/") else v for name, v in self.stack.environment().items()}
        isolated = {name: value for name, value in ISOLATED.items() if name not in ("LC_ALL", "GIT_TERMINAL_PROMPT")}
        settings = {"GIT_CONFIG_GLOBAL": windows(self.directory / "gitconfig")}
        self.variables = self.kit.environment(**{**isolated, **settings, **named, **self.variables})
        self.repository.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        for key, value in (("gpg.format", "x509"), ("gpg.x509.program", windows(self.kit.program))):
            self.git("config", key, value)

    def run(self, *command: str | Path, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        """Run it in the repository. What it wrote is read as UTF-8, line ends as they are."""
        done = self.kit.run(*command, cwd=self.repository, env={**self.variables, **more}, stdin=stdin.encode())
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def git(self, *arguments: str | Path, stdin: str = "", **more: str) -> str:
        done = self.run("git.exe", *arguments, stdin=stdin, **more)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.strip()

    def tool(self, *arguments: str | Path, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        """Run gitsign-py. Whatever it was given: never a traceback, never a carriage return."""
        done = self.run("gitsign-py.exe", *arguments, stdin=stdin, **more)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (arguments, said)
        assert "\r" not in said, (arguments, said)
        return done

    def gitsign(self, *arguments: str | Path, stdin: str = "", **more: str) -> str:
        done = self.tool(*arguments, stdin=stdin, **more)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def commit(self, message: str, *options: str, **more: str) -> str:
        self.git("commit", "-q", "--allow-empty", "-S", "-m", message, *options, **more)
        return self.git("rev-parse", "HEAD")


@contextmanager
def at_work(kit: WindowsKit, directory: Path, stack: RunningStack, **variables: str) -> Iterator[WindowsUser]:
    """A user until the end of the block; their agent and what the program keeps in the profile end with it."""
    user = WindowsUser(kit, directory, stack, variables)
    kit.forget()
    user.prepare()
    try:
        yield user
    finally:
        user.run("gitsign-py.exe", "agent", "stop")
        kit.forget()
