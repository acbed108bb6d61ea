"""``gitsign-py demo``: the whole job once, with the real git, on a Sigstore that starts and ends with it.

Each step says what it does, runs the command that a person would type, shows what came back and checks it. The exit
status is 0 only when every step did what it should, the refusal at the end included.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.ownprogram import installed_program
from gitsign_py.host.programs import find_program
from gitsign_py.localstack.clientenv import environment as stack_environment
from gitsign_py.localstack.process import StackInfo, start_detached, stop

EMAIL = "alice@example.com"
_TIMEOUT = 60
_PREFIX = "gitsign-py-demo-"


class _FailedError(GitsignError):
    """A step of the demo did not do what it should."""


class Demo:
    """A scratch repository beside a running local Sigstore."""

    def __init__(self, directory: Path, info: StackInfo) -> None:
        self._directory = directory
        self._repository = directory / "repository"
        self._info = info
        self._environment = _environment(directory, info)
        self._step = 0

    def run(self) -> None:
        """Take every step. Raises GitsignError when one does not do what it should."""
        self._say(f"A private Sigstore runs at {self._info.url}: issuer, CA, CT log, transparency log.")
        self._say("A scratch repository, and git told to sign through gitsign-py.")
        self._repository.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        for key, value in self._configuration().items():
            self._git("config", key, value)
        self._say(f"A commit, signed by {EMAIL} with a key that is gone a moment later.")
        (self._repository / "hello.txt").write_text("hello\n")
        self._git("add", "hello.txt")
        self._git("commit", "--quiet", "-S", "-m", "hello")
        self._say("A signed tag.")
        self._git("tag", "-s", "v1", "-m", "first release")
        self._say("git itself checks both.")
        self._expect(self._git("log", "--show-signature", "-1"), EMAIL)
        self._git("verify-commit", "HEAD")
        self._git("verify-tag", "v1")
        self._say("gitsign-py checks both, and that gitsign.allowedSigner lists who signed.")
        self._expect(self._verify("HEAD", "v1"), "2 of 2 verified.")
        self._say("Every step of the check: certificate, logs, time, identity and issuer.")
        self._expect(self._verify("-v", "HEAD"), "identity and issuer")
        self._tampered()
        self._say("Somebody else is asked for, and that is refused as well.")
        mallory = ["--certificate-identity", "mallory@example.com", "--certificate-oidc-issuer", self._info.url]
        self._expect(self._verify(*mallory, "HEAD", status=1), "identity-mismatch")

    def _configuration(self) -> dict[str, str]:
        program = _program(self._directory)
        return {
            "user.name": "Alice",
            "user.email": EMAIL,
            "gpg.format": "x509",
            "gpg.x509.program": program,
            "gitsign.allowedSigner": f"{EMAIL} {self._info.url}",
            "gitsign.agent": "off",  # it leaves nothing behind
        }

    def _tampered(self) -> None:
        self._say("One byte of the signed commit is changed, and the forgery is refused.")
        commit = self._run(["git", "cat-file", "commit", "HEAD"], quiet=True)
        forged = commit.rpartition("hello")[0] + "hellO" + commit.rpartition("hello")[2]
        oid = self._run(["git", "hash-object", "-t", "commit", "-w", "--stdin"], stdin=forged, quiet=True).strip()
        self._expect(self._verify(oid, "HEAD", status=1), "content-digest-mismatch")

    def _verify(self, *arguments: str, status: int = 0) -> str:
        return self._run([_program(self._directory), "verify", *arguments], status=status)

    def _git(self, *arguments: str) -> str:
        return self._run(["git", *arguments])

    def _run(self, command: Sequence[str], *, status: int = 0, stdin: str = "", quiet: bool = False) -> str:
        if not quiet:
            print(f"   $ {shlex.join([Path(command[0]).name, *command[1:]])}")
        done = subprocess.run(
            command,
            cwd=self._repository,
            env=self._environment,
            input=stdin.encode(),  # as bytes: Windows would change the line ends of text, and its encoding
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
        stdout = done.stdout.decode("utf-8", "replace")
        output = stdout + done.stderr.decode("utf-8", "replace")
        if not quiet:
            print("".join(f"     {line}\n" for line in output.splitlines() if line), end="")
        if done.returncode != status:
            raise _FailedError(
                "demo-failed", f"{shlex.join(command)} ended with status {done.returncode}, expected {status}: {output}"
            )
        return output if not quiet else stdout

    def _say(self, text: str) -> None:
        self._step += 1
        print(f"\n{self._step}. {text}", flush=True)

    def _expect(self, output: str, words: str) -> None:
        if words not in output:
            raise _FailedError("demo-failed", f"step {self._step} did not say {words!r}")


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py demo``."""
    options = _parser().parse_args(arguments)
    if find_program("git") is None:
        raise ConfigError("git-missing", "the program git cannot be found", hint="install git, or put it on PATH")
    started = time.monotonic()
    with _scratch(keep=options.keep) as directory:
        info = start_detached(directory / "sigstore", ["--port", "0"])
        try:
            Demo(directory, info).run()
        finally:
            stop(directory / "sigstore")
    print(f"\nEvery step did what it should ({time.monotonic() - started:.1f} s).")
    return 0


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    if keep:
        directory = tempfile.mkdtemp(prefix=_PREFIX)
        try:
            yield Path(directory)
        finally:
            print(f"\nkept: {directory}")
    else:  # it makes read-only files writable first, as git's objects are: Windows would keep them
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as directory:
            yield Path(directory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py demo",
        description="Start a private Sigstore, sign a commit and a tag with the real git, check them.",
        epilog="example:\n  gitsign-py demo\n\nNothing outside a temporary directory is touched.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="keep the scratch directory and say where it is")
    return parser


def _environment(directory: Path, info: StackInfo) -> dict[str, str]:
    """Nothing of the person's own configuration, and the stack's addresses."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITSIGN_", "SIGSTORE_"))}
    own = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    own |= {"XDG_RUNTIME_DIR": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CACHE_HOME": str(directory)}
    return kept | own | stack_environment(info)


def _program(directory: Path) -> str:
    """The program as it was installed, or a script that runs the package."""
    installed = installed_program()
    if installed is not None:
        return str(installed)
    script = directory / "gitsign-py"
    if not script.exists():
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gitsign_py "$@"\n', newline="\n")
        script.chmod(0o700)
    return str(script)
