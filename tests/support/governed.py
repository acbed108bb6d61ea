"""A folder with one authority: repositories whose policy lies in their history, servers with hooks, and questions."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.plan import AuditPlan, resolve_targets
from gitsign_py.audit.resources import Resources
from gitsign_py.cli.commands.hooks import shim
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.model import POLICY_PATH
from tests.support import warm
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ("pre-receive", "update", "reference-transaction")
MAIN = "refs/heads/main"


def policy(*people: str, administrators: str = "alice", first: str = "") -> str:
    """A policy that lets ``people`` sign everything; ``name until=DATE`` closes a window, ``first`` stands on top."""
    lines = ["version = 1", f'administrators = ["{administrators}"]', first]
    names = [person.split()[0] for person in people]
    for person in people:
        name, *rest = person.split()
        identity = f'identities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]'
        lines += [f"[people.{name}]", identity, *rest]
    return "\n".join([*lines, "[[rules]]", 'name = "all"', f"allow = {names}", ""])


def in_mode(server: ScratchRepo, mode: str) -> ScratchRepo:
    """A server as it is made, with the policy in the history, or ``fixed``: by the main branch's from before a push."""
    if mode == "fixed":
        server.git("config", "gitsign.policyMode", "fixed")
        server.git("config", "gitsign.policy", f"{MAIN}:{POLICY_PATH}")
    return server


@dataclass
class Governed:
    """Everything below ``folder``."""

    folder: Path
    history: History
    signer: BulkSigner
    introduction: str = ""

    @classmethod
    def made(cls, folder: Path) -> "Governed":
        signer = BulkSigner(folder / "authority")
        (folder / "root.json").write_bytes(signer.trusted_root_json)
        warm.program(folder / "gitsign-py")
        return cls(folder, History(signer=signer.sign), signer)

    def environment(self, **more: str) -> dict[str, str]:
        places = {"HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return environment(**places, XDG_DATA_HOME=str(self.folder / "data"), **more)

    def repository(self, name: str, refs: Mapping[str, str], *options: str) -> ScratchRepo:
        """A repository with all objects of the history, that asks this program about signatures."""
        repo = ScratchRepo.init(self.folder / name, *options)
        self.history.write(repo.path if "--bare" in options else repo.path / ".git", refs)
        return self.configure(repo)

    def configure(self, repo: ScratchRepo) -> ScratchRepo:
        for key, value in (
            ("gpg.x509.program", str(self.folder / "gitsign-py")),
            ("gitsign.trustedRoot", str(self.folder / "root.json")),
            ("gitsign.agent", "off"),
            ("gitsign.policyMode", "history"),
            ("gitsign.introduction", self.introduction),
        ):
            repo.git("config", key, value)
        return repo

    def server(self, hook: str, refs: Mapping[str, str]) -> ScratchRepo:
        """A server with one of the hooks."""
        bare = self.repository("server.git", refs, "--bare")
        self.install(bare.path, hook)
        return bare

    def install(self, git_directory: Path, hook: str) -> None:
        path = git_directory / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(shim(hook, str(self.folder / "gitsign-py")))
        path.chmod(0o755)

    def clone(self, source: ScratchRepo, *options: str, name: str = "clone") -> ScratchRepo:
        """A clone over a real transport."""
        path = self.folder / name
        ScratchRepo(self.folder).git("clone", "-q", "--no-checkout", *options, f"file://{source.path}", str(path))
        return self.configure(ScratchRepo(path))

    def push(
        self, bare: ScratchRepo, *refspecs: str, source: ScratchRepo | None = None, namespace: str = ""
    ) -> tuple[int, str]:
        """Push with the real git, out of a repository with all objects unless one is given."""
        if source is None:
            source = ScratchRepo.init(self.folder / "pusher")
            self.history.write(source.path / ".git", {})
        own = {name: self.environment()[name] for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        if namespace:
            own["GIT_NAMESPACE"] = namespace
        done = source.run("push", "-q", str(bare.path), *refspecs, stdin=b"", **own)
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stderr.decode()

    def run(self, repo: ScratchRepo, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the program in a repository."""
        command = [str(self.folder / "gitsign-py"), *arguments]
        done = subprocess.run(
            command, cwd=repo.path, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr, done.stderr
        return done

    def audit(self, repo: ScratchRepo, *arguments: str) -> tuple[int, dict[str, tuple[str, str]], str]:
        """Exit status, verdict and reason by id, and all that was said."""
        done = self.run(repo, "audit", "--offline", "--format", "ndjson", *arguments)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found = {one["oid"]: (one["verdict"], one["reason"]) for one in lines if one["type"] in ("commit", "tag")}
        return done.returncode, found, done.stdout + done.stderr

    def audited(self, repo: ScratchRepo, *words: str, **changes: object) -> dict[str, tuple[str, str]]:
        """The same by the library, with the policy in the history."""
        with GitRepository(repo.path, environment=self.environment()) as repository:
            targets, exclude = resolve_targets(repository, words)
            plan = AuditPlan(targets, exclude, introduction=self.introduction, in_history=True, **changes)  # type: ignore[arg-type]
            resources = Resources(VerifySettings(self.signer.trusted_root, datetime.now(UTC)), 1)
            return {one.oid: (one.verdict, one.reason) for one in audit_history(repository, plan, resources)}

    def git_says(self, repo: ScratchRepo, oid: str) -> str:
        """The status lines that git reads of a commit's signature."""
        done = repo.run("verify-commit", "--raw", oid, XDG_CACHE_HOME=str(self.folder / "cache"))
        said = done.stderr.decode()
        assert ("TRUST_FULLY" in said) == (done.returncode == 0), said
        return said
