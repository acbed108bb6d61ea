"""Scratch repositories driven by the real git, cut off from the settings of whoever runs the tests."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ISOLATED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.com",
    "GIT_AUTHOR_DATE": "1795179195 +0000",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.com",
    "GIT_COMMITTER_DATE": "1795179195 +0000",
    "GIT_TERMINAL_PROMPT": "0",
    "GITSIGN_VERIFY_HELPER": "0",  # tests of it say otherwise
    "LC_ALL": "C",
}

# Stands in for the signing program: keeps what git gave it and says that the signature is good.
_CAPTURE = """\
import pathlib, sys
here = pathlib.Path(__file__).parent
(here / "payload").write_bytes(sys.stdin.buffer.read())
(here / "signature").write_bytes(pathlib.Path(sys.argv[-2]).read_bytes())
print("[GNUPG:] NEWSIG\\n[GNUPG:] GOODSIG 0123456789ABCDEF someone\\n[GNUPG:] TRUST_FULLY 0 shell")
"""


def environment(**more: str) -> dict[str, str]:
    """The environment for a scratch repository: nothing that points git elsewhere, fixed people and times."""
    others = ("GIT_", "GITSIGN_", "SIGSTORE_", "TUF_", "COSIGN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**kept, **ISOLATED, **more}


@dataclass(frozen=True)
class ScratchRepo:
    """A repository at ``path``."""

    path: Path

    @classmethod
    def init(cls, path: Path, *options: str) -> "ScratchRepo":
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.git("init", "-q", "-b", "main", *options, ".")
        return repo

    def run(self, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        """Run git and return what came of it, whatever that is."""
        return subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment(**env), input=stdin, capture_output=True, check=False
        )

    def git(self, *arguments: str, stdin: bytes = b"", **env: str) -> str:
        """Run git, which must succeed; gives its output without the last newline."""
        done = self.run(*arguments, stdin=stdin, **env)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.decode().rstrip("\n")

    def commit(self, message: str = "hello", *options: str) -> str:
        """Make an empty commit; gives its id."""
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def store(self, kind: str, data: bytes) -> str:
        """Store raw bytes as an object, however odd they are; gives the id."""
        return self.git("hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=data)

    def raw(self, kind: str, oid: str) -> bytes:
        return self.run("cat-file", kind, oid).stdout


@dataclass(frozen=True)
class Capture:
    """What git hands to a signing program when it verifies an object."""

    repo: ScratchRepo
    folder: Path

    def verify(self, kind: str, oid: str) -> tuple[bytes, bytes] | None:
        """Payload and signature that git 'verifies' in the object ``oid``, or None when it finds no signature."""
        program = self.folder / "capture"
        for name in ("payload", "signature"):
            (self.folder / name).unlink(missing_ok=True)
        if not program.exists():
            program.write_text(f"#!{sys.executable}\n{_CAPTURE}")
            program.chmod(0o755)
        options = [f"gpg.program={program}", f"gpg.x509.program={program}"]
        self.repo.run(*(word for option in options for word in ("-c", option)), f"verify-{kind}", oid)
        if not (self.folder / "payload").exists():
            return None
        return (self.folder / "payload").read_bytes(), (self.folder / "signature").read_bytes()
