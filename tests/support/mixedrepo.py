"""A repository whose commits and tags are signed in all formats, by real keys."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.foreignkeys import GpgHome, SshKey
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER
from tests.support.stack import ROOT


@dataclass
class Mixed:
    """A repository whose commits and tags are signed in all formats; ``named`` are ids by what is wrong with them."""

    folder: Path
    repo: ScratchRepo
    gpg: GpgHome
    keys: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    author: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {"GNUPGHOME": str(self.gpg.path), "HOME": str(self.folder)}

    def commit(self, name: str, *options: str) -> list[str]:
        """Make a commit signed as ``options`` say; gives them as git takes them."""
        words = [word for option in options for word in ("-c", option)]
        self.repo.git(
            *words, "commit", "-q", "--allow-empty", "-S", "-m", name, stdin=b"", **self.variables, **self.author
        )
        return words

    def sign(self, name: str, *options: str) -> None:
        """Make a commit and a tag of it, both signed as ``options`` say."""
        words = self.commit(name, *options)
        self.repo.git(*words, "tag", "-s", "-m", name, name, stdin=b"", **self.variables, **self.author)
        self.remember(name)

    def remember(self, name: str) -> None:
        self.named[name] = self.repo.git("rev-parse", "HEAD")
        self.named[f"tag-{name}"] = self.repo.git("rev-parse", f"refs/tags/{name}")

    def openpgp(self, name: str, key: str, program: str = "gpg") -> None:
        self.sign(name, "gpg.format=openpgp", f"user.signingkey={key}", f"gpg.program={program}")

    def ssh(self, name: str, key: SshKey) -> None:
        self.sign(name, "gpg.format=ssh", f"user.signingkey={key.path}")

    def spoil(self, name: str, of: str) -> None:
        """A commit and a tag with the signature of others: not a byte of the signature is wrong, but the payload."""
        for kind, ref, oid in (
            ("commit", "refs/heads/main", self.named[of]),
            ("tag", f"refs/tags/{name}", self.named[f"tag-{of}"]),
        ):
            data = self.repo.raw(kind, oid).replace(b"\n\n" + of.encode(), b"\n\n" + name.encode())
            self.repo.git("update-ref", ref, self.repo.store(kind, data))
        self.remember(name)

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gitsign_py", *arguments],
            cwd=self.repo.path,
            env=environment(
                **{**self.variables, "PYTHONPATH": str(ROOT), **more},
                XDG_CACHE_HOME=str(self.folder / "cache"),
                GITSIGN_TRUSTED_ROOT=str(self.folder / "root.json"),
            ),
            capture_output=True,
            text=True,
            check=False,
        )

    def verdicts(self, *arguments: str, **more: str) -> dict[str, tuple[str, str]]:
        """Verdict and reason of everything named, by the command line."""
        done = self.run("audit", "--offline", "--all", "--tags", "--format", "ndjson", *arguments, **more)
        assert done.stdout, done.stderr
        records = [json.loads(line) for line in done.stdout.splitlines()]
        found = {record["oid"]: (record["verdict"], record["reason"]) for record in records[:-1]}
        return {name: found[oid] for name, oid in self.named.items()}

    def policy(self) -> str:
        people = "".join(f'[people.{name}]\nkeys = ["{name}"]\n' for name in self.keys)
        entries = "".join(
            f'[keys.{name}]\nformat = "ssh"\npublic = "{value}"\n'
            if " " in value
            else f'[keys.{name}]\nformat = "openpgp"\nfingerprint = "{value}"\n'
            for name, value in self.keys.items()
        )
        alice = f'[people.alice]\nidentities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]\n'
        allow = json.dumps(["alice", *self.keys])
        rule = f'[[rules]]\nname = "all"\nallow = {allow}\n'
        return f'version = 1\nmatch = "none"\nadministrators = ["alice"]\n{alice}{people}{entries}{rule}'
