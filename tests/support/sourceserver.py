"""A bare server that keeps a branch and states its provenance, on the local stack, and a consumer that clones it."""

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from jsonschema import validate

from tests.support.schemas import SCHEMAS
from tests.support.workbench import Workbench

MAIN = "refs/heads/main"
URI = "git+https://git.example.com/project"
SERVER = "server@example.com"
SCHEMA: dict[str, Any] = json.loads((SCHEMAS / "source.json").read_text())
_HOOKS = ("pre-receive", "post-receive")


@dataclass
class SourceServer:
    """``bench`` is Alice's repository, which pushes to the server."""

    bench: Workbench

    @property
    def bare(self) -> Path:
        return self.bench.folder / "server.git"

    @property
    def who(self) -> list[str]:
        """The options that name the server's attester."""
        return ["--certificate-identity", SERVER, "--certificate-oidc-issuer", self.bench.stack.url]

    def start(self, *rule: str) -> None:
        self.write_policy(*rule)
        self.bench.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], cwd=self.bench.folder)
        for key, value in {
            "gitsign.policy": str(self.bench.folder / "policy.toml"),
            "gitsign.sourceURI": URI,
            "gitsign.sourceRef": MAIN,
            "gitsign.sourceAttester": f"{SERVER} {self.bench.stack.url}",
        }.items():
            self.bench.git("config", key, value, cwd=self.bare)
        done = self.bench.tool("hooks", "install", "--server", "--attest", cwd=self.bare)
        assert done.returncode == 0, done.stderr

    def write_policy(self, *rule: str) -> None:
        people = "".join(
            f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{self.bench.stack.url}" }}]\n'
            for name in ("alice", "bob")
        )
        head = 'version = 1\nadministrators = ["alice"]\nunjudged = ["refs/attestations/**"]\n'
        lines = "\n".join(('name = "all"', 'allow = ["alice"]', *rule))
        (self.bench.folder / "policy.toml").write_text(f"{head}{people}[[rules]]\n{lines}\n")

    def commit(self, text: str, *, signed: bool = True) -> str:
        (self.bench.repo / "file").write_text(text)
        self.bench.git("add", "file")
        if signed:
            return self.bench.commit(text)
        self.bench.git("commit", "-q", "--no-gpg-sign", "-m", text)
        return self.bench.git("rev-parse", "HEAD")

    def approve(self, name: str) -> None:
        """Somebody approves what is checked out; the server gets it."""
        token, mail = self.bench.stack.token(f"{name}@example.com"), f"{name}@example.com"
        done = self.bench.tool("approve", "--ref", MAIN, SIGSTORE_ID_TOKEN=token, GIT_COMMITTER_EMAIL=mail)
        assert done.returncode == 0, done.stderr
        self.bench.git("push", "-q", str(self.bare), "refs/attestations/trees")

    def push(self, *refspecs: str) -> "CompletedProcess[bytes]":
        """Push; the server's hook gets its own token, as from the platform that it runs on."""
        token = self.bench.stack.token(SERVER)
        return self.bench.try_git("push", str(self.bare), *(refspecs or (f"HEAD:{MAIN}",)), SIGSTORE_ID_TOKEN=token)

    def pushed(self, *refspecs: str) -> str:
        done = self.push(*refspecs)
        assert done.returncode == 0, done.stderr
        return done.stderr.decode()

    def without_hooks(self, *refspecs: str) -> None:
        """Push as while the hooks were off."""
        for name in _HOOKS:
            (self.bare / "hooks" / name).rename(self.bare / "hooks" / f"{name}.off")
        self.pushed(*refspecs)
        for name in _HOOKS:
            (self.bare / "hooks" / f"{name}.off").rename(self.bare / "hooks" / name)

    def clone(self, name: str = "consumer") -> Path:
        """A consumer's clone, with the attestations as they are now."""
        path = self.bench.folder / name
        if not path.exists():
            self.bench.git("clone", "-q", str(self.bare), str(path), cwd=self.bench.folder)
        fetched = [
            "fetch",
            "-q",
            "origin",
            f"+{MAIN}:refs/remotes/origin/main",
            "+refs/attestations/*:refs/attestations/*",
        ]
        self.bench.git(*fetched, cwd=path)
        self.bench.git("checkout", "-q", "--detach", "origin/main", cwd=path)
        return path

    def source(self, command: str, *arguments: str, cwd: Path, who: bool = True) -> "CompletedProcess[bytes]":
        named = ["--resource-uri", URI, *(self.who if who else ())]
        done = self.bench.tool("source", command, *arguments, *named, cwd=cwd)
        if "--json" in arguments:
            validate(json.loads(done.stdout), SCHEMA)
        return done

    def verified(self, clone: Path, level: int, *arguments: str, status: int = 0) -> dict[str, Any]:
        asked = ("HEAD", "--level", str(level), "--ref", MAIN, "--json", *arguments)
        done = self.source("verify", *asked, cwd=clone)
        assert done.returncode == status, (done.stdout, done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found
