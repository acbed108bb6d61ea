"""Servers with a hook, clones that push to them, and a signer whose trust root the server has."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.cli.hooks import shim
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo
from tests.support.history import ISSUER, History

ROOT = Path(__file__).resolve().parents[2]
POLICY = f"""\
version = 1
administrators = ["alice"]
unjudged = ["refs/notes/**"]

[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]

[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]

[[rules]]
name = "main"
refs = ["refs/heads/main", "refs/tags/**"]
allow = ["alice"]

[[rules]]
name = "rest"
allow = ["alice", "bob"]
"""


@dataclass
class Server:
    """A bare repository, and the language for histories that are pushed to it."""

    folder: Path
    bare: ScratchRepo
    history: History
    environment: dict[str, str]

    def push(self, *refspecs: str) -> tuple[int, str]:
        """Write the history's objects into a clone and push with the real git; gives exit status and stderr."""
        clone = ScratchRepo.init(self.folder / "clone")
        self.history.write(clone.path / ".git", {})
        done = clone.run("push", str(self.bare.path), *refspecs, stdin=b"", **self.environment)
        return done.returncode, done.stderr.decode()

    def ref(self, name: str) -> str:
        return self.bare.run("rev-parse", "-q", "--verify", name).stdout.decode().strip()

    def install(self, *names: str) -> None:
        for name in names:
            path = self.bare.path / "hooks" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(shim(name, str(self.folder / "gitsign-py")))
            path.chmod(0o755)

    def config(self, key: str, value: str) -> None:
        self.bare.git("config", key, value)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    """One authority for all tests of this folder."""
    return BulkSigner(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(tmp_path: Path, signer: BulkSigner) -> Server:
    """A server with a policy and the pre-receive hook."""
    program = tmp_path / "gitsign-py"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n')
    program.chmod(0o755)
    (tmp_path / "trusted_root.json").write_bytes(signer.trusted_root_json)
    (tmp_path / "policy.toml").write_text(POLICY)
    bare = ScratchRepo.init(tmp_path / "server.git", "--bare")
    environment = {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PATH": os.environ["PATH"],
    }
    made = Server(tmp_path, bare, History(signer=signer.sign), environment)
    made.config("gitsign.trustedRoot", str(tmp_path / "trusted_root.json"))
    made.config("gitsign.policy", str(tmp_path / "policy.toml"))
    made.install("pre-receive")
    return made
