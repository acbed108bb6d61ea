"""A repository with a history in it, and a way to audit it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.plan import AuditPlan, read_refs, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.audit.resources import FetchEntries, Resources
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.parse import parse_policy
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ALICE_AND_BOB, History

ROOT_OF_TESTS = Path(__file__).resolve().parents[2]
POLICY = f"""\
{ALICE_AND_BOB}[forges.forge]
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
        return Resources(VerifySettings(self.trusted_root, datetime.now(UTC)), jobs, cache, fetch)

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
            plan = AuditPlan(targets, exclude, policy=parsed, **changes)  # type: ignore[arg-type]
            return {record.oid: record for record in audit_history(repository, plan, resources or self.resources())}


Make = Callable[..., Audited]
"""What ``make`` gives: a history, its tip and options for ``git init`` make a repository."""
