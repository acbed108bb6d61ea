"""Histories that are judged whole by the program's own engine, over real repositories, without a key in sight.

What each signature leaves is put into the facts that an audit keeps, where the engine finds it: signatures are tested
elsewhere, and here hundreds of histories are judged in seconds.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import starmap
from pathlib import Path

from gitsign_py.audit.cache import Basis, FactsCache
from gitsign_py.audit.codec import dump_facts
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.record import Record
from gitsign_py.audit.resources import Resources
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.repository import open_repository
from gitsign_py.policy.parse import parse_policy
from tests.support.history import History
from tests.support.nogit import variables

ARMOR = b"-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n"
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


def new_history() -> History:
    """A history whose signatures look like some; their facts are in it."""
    return History(signer=lambda person, payload, at: ARMOR)


@dataclass
class Court:
    """A folder for repositories, and what signatures leave."""

    folder: Path
    count: int = 0
    cache: FactsCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = FactsCache(self.folder / "facts", Basis("signatures", "nobody's"))
        weakref.finalize(self, self.cache.close)

    def repository(self, history: History, refs: Mapping[str, str] | None = None, *, head: str = "main") -> Path:
        """Make a bare repository of all the objects, without a process."""
        self.count += 1
        path = self.folder / f"{self.count}.git"
        for name in ("objects/pack", "refs/heads"):
            (path / name).mkdir(parents=True)
        (path / "HEAD").write_text(f"ref: refs/heads/{head}\n")
        (path / "config").write_text(_CONFIG)
        history.write(path, refs or {})
        self.know(history)
        return path

    def know(self, history: History) -> None:
        """Keep what the history's signatures leave."""
        self.cache.put(
            [(oid, dump_facts(facts)) for oid, facts in history.facts.items() if facts.status in ("good", "bad")]
        )

    @property
    def resources(self) -> Resources:
        """What a run may use: nothing but what signatures have left."""
        return Resources(VerifySettings(None, datetime.now(UTC)), 1, self.cache)

    @contextmanager
    def opened(self, path: Path, *, git: bool = True, **more: str) -> Iterator[tuple[GitRepository, Resources]]:
        with open_repository(path, environment=variables(git=git, **more)) as repository:
            yield repository, self.resources

    def audit(
        self,
        path: Path,
        refs: Mapping[str, str] | Sequence[Target],
        *,
        policy: str = "",
        git: bool = True,
        **changes: object,
    ) -> dict[str, Record]:
        """Audit what ``refs`` name, and give the records by id; without ``git`` no process is started."""
        parsed = parse_policy(policy.encode(), "policy") if policy else None
        targets = tuple(starmap(Target, refs.items())) if isinstance(refs, Mapping) else tuple(refs)
        plan = AuditPlan(targets, policy=parsed, **changes)  # type: ignore[arg-type]
        with self.opened(path, git=git) as (repository, resources):
            return {record.oid: record for record in audit_history(repository, plan, resources)}


def cut_off(path: Path, commits: Iterable[str]) -> None:
    """Make the repository a shallow one that ends at ``commits``."""
    (path / "shallow").write_text("".join(f"{oid}\n" for oid in sorted(commits)))


def lose(path: Path, oids: Iterable[str]) -> None:
    """Take objects away."""
    for oid in oids:
        (path / "objects" / oid[:2] / oid[2:]).unlink()
