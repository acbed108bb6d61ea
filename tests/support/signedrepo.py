"""A repository of history that is signed for real, and the program run in it; no stack, no network."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support import warm
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History

WHO = ("--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", ISSUER)


@dataclass
class SignedRepo:
    """``history`` makes objects, ``write`` puts them into ``repo``; trust root and program are in its config."""

    folder: Path
    repo: ScratchRepo
    history: History

    @classmethod
    def make(cls, folder: Path, signer: BulkSigner, algorithm: str = "sha1") -> "SignedRepo":
        """A repository in ``folder`` that trusts ``signer``."""
        program = warm.program(folder / "gitsign-py")
        (folder / "root.json").write_bytes(signer.trusted_root_json)
        repo = ScratchRepo.init(folder / "repo", f"--object-format={algorithm}")
        repo.git("config", "gpg.x509.program", str(program))
        repo.git("config", "gitsign.trustedRoot", str(folder / "root.json"))
        repo.git("config", "gitsign.agent", "off")
        return cls(folder, repo, History(algorithm, signer.sign))  # type: ignore[arg-type]

    @property
    def variables(self) -> dict[str, str]:
        """Nothing of the person who runs the tests."""
        return {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache"), "XDG_RUNTIME_DIR": "/nowhere"}

    def write(self, **refs: str) -> None:
        """Write all objects; ``refs`` are names below refs/, with ``__`` for the slashes."""
        named = {f"refs/{name.replace('__', '/')}": oid for name, oid in refs.items()}
        self.history.write(self.repo.path / ".git", named)

    def git(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return self.repo.run(*arguments, stdin=b"", **self.variables)

    def tool(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run gitsign-py in the repository."""
        return subprocess.run(
            [str(self.folder / "gitsign-py"), *arguments],
            cwd=self.repo.path,
            env=environment(**self.variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def serve(self, policy: str) -> ScratchRepo:
        """A bare repository whose pre-receive hook judges pushes by a policy."""
        (self.folder / "server.toml").write_text(policy)
        bare = ScratchRepo.init(self.folder / "server.git", "--bare")
        bare.git("config", "gitsign.trustedRoot", str(self.folder / "root.json"))
        bare.git("config", "gitsign.policy", str(self.folder / "server.toml"))
        hook = bare.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\nexec {self.folder / 'gitsign-py'} hook pre-receive\n")
        hook.chmod(0o755)
        return bare

    def push(self, bare: ScratchRepo, *refspecs: str) -> tuple[int, str]:
        """Write all objects and push with the real git; gives exit status and stderr."""
        self.write()
        done = self.git("push", str(bare.path), *refspecs)
        return done.returncode, done.stderr.decode()
