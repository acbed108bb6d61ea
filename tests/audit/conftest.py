"""A repository with one of each verdict, signed for real, and a way to audit it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.engine import FetchEntries, Resources, audit_history
from gitsign_py.audit.jobs import Settings
from gitsign_py.audit.plan import Plan, read_refs, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.parse import parse_policy
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History

ROOT_OF_TESTS = Path(__file__).resolve().parents[2]
POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
[forges.forge]
committer = "noreply@forge.example"
reproducible = true
[[rules]]
name = "everyone"
allow = ["alice", "bob"]
[[exemptions]]
commits = ["EXEMPT"]
reason = "release night"
"""


@dataclass
class Audited:
    """A history written to ``repo``."""

    repo: ScratchRepo
    history: History
    trusted_root: TrustedRoot
    named: dict[str, str] = field(default_factory=dict)

    def repository(self, directory: Path | None = None) -> GitRepository:
        return GitRepository(directory or self.repo.path, environment=environment())

    def resources(self, jobs: int = 1, cache: FactsCache | None = None, fetch: FetchEntries | None = None) -> Resources:
        return Resources(Settings(self.trusted_root, datetime.now(UTC)), jobs, cache, fetch)

    def audit(
        self,
        *words: str,
        policy: str = "",
        directory: Path | None = None,
        resources: Resources | None = None,
        **changes: object,
    ) -> dict[str, Record]:
        """Audit and give the records by object id."""
        with self.repository(directory) as repository:
            targets, exclude = resolve_targets(repository, words or ("main",))
            if changes.pop("tags", False):
                targets += read_refs(repository, ("refs/tags/",))
            parsed = parse_policy(policy.encode(), "policy") if policy else None
            plan = Plan(targets, exclude, policy=parsed, **changes)  # type: ignore[arg-type]
            return {record.oid: record for record in audit_history(repository, plan, resources or self.resources())}


Make = Callable[..., Audited]
"""What ``make`` gives: a history, its tip and options for ``git init`` make a repository."""


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> BulkSigner:
    """One authority for all tests of this folder."""
    return BulkSigner(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def make(tmp_path: Path, signer: BulkSigner) -> Callable[[History, str], Audited]:
    """Write a history into a repository with ``main`` at a commit."""

    def made(history: History, tip: str, *options: str) -> Audited:
        repo = ScratchRepo.init(tmp_path / "repo", *options)
        history.write(repo.path / ".git", {"refs/heads/main": tip})
        return Audited(repo, history, signer.trusted_root)

    return made


@pytest.fixture
def every(make: Callable[[History, str], Audited], signer: BulkSigner) -> Audited:
    """One commit for each verdict."""
    history = History(signer=signer.sign)
    named = {}
    named["verified"] = tip = history.commit(signed="alice", files={"a": "1"})
    named["unsigned"] = tip = history.commit(tip, by="alice", files={"a": "2"})
    named["unauthorised"] = tip = history.commit(tip, by="mallory", signed="mallory", files={"a": "3"})
    named["identity-mismatch"] = tip = history.commit(tip, by="bob", signed="alice", files={"a": "4"})
    named["exempt"] = tip = history.commit(tip, by="carol", files={"a": "5"})
    good = history.objects[history.commit(tip, signed="alice", files={"a": "6"}, message="good")].data
    named["bad"] = tip = history.add("commit", good.replace(b"\n\ngood\n", b"\n\nevil\n"))
    history.files[tip] = {"a": "6"}
    broken = good.replace(b"author ", b"author X <x@x> 1 +0000\nauthor ", 1)
    named["malformed"] = history.add("commit", broken.replace(b"parent ", f"parent {tip}\nparent ".encode(), 1))
    # The rest stands on what can be read: the language walks its own histories.
    tip = history.order[-1]
    left = history.commit(tip, signed="alice", files={"b": "1"})
    right = history.commit(tip, by="bob", signed="bob", files={"c": "1"})
    named["forge-merge"] = tip = history.merge(left, right, by="noreply@forge.example", author="alice")
    pgp = "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----"
    lines = history.objects[tip].data.split(b"\n\n", 1)
    unchecked = (
        lines[0].replace(b"noreply@forge.example", b"dave@example.com")
        + b"\ngpgsig "
        + pgp.replace("\n", "\n ").encode()
    )
    named["unchecked"] = tip = history.add("commit", unchecked + b"\n\n" + lines[1])
    audited = make(history, named["unchecked"])
    history.write(
        audited.repo.path / ".git", {"refs/heads/merged": named["forge-merge"], "refs/heads/bad": named["malformed"]}
    )
    audited.named = named
    return audited
