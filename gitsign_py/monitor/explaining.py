"""One repository in one run: its new commits are replayed, and their entries looked for in the followed logs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, GitsignError, UncheckedError
from gitsign_py.host.repository import open_repository
from gitsign_py.monitor.explain import Replayed, check_logged, entry_of, replay
from gitsign_py.monitor.findings import Finding
from gitsign_py.monitor.follow import Followed
from gitsign_py.monitor.heads import Head, open_head
from gitsign_py.monitor.sources import LogSource
from gitsign_py.monitor.state import Store

_AT_ONCE = 200


def check_repository(
    directory: Path,
    sources: Sequence[LogSource],
    store: Store,
    root: TrustedRoot,
    environment: Mapping[str, str],
    *,
    now: int,
) -> Followed:
    """Replay what is new in a repository, and check the embedded entries of what was not checked yet."""
    name = str(directory.absolute())
    work = _Work(name, sources, store, root, now)
    try:
        with open_repository(directory, environment=_naming(directory, environment)) as repository:
            if repository.lacks_objects:
                raise UncheckedError(
                    "history-incomplete", f"{name} is {repository.lacks_objects}: it does not explain what it lacks"
                )
            work.take(replay(repository, store.replayed(name, checked=True)))
    except GitsignError as error:
        return Followed(name, tuple(work.alarms), failures=(error,))
    return Followed(name, tuple(work.alarms), failures=tuple(work.failures[:1]))


def _naming(directory: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment in which git uses a bare repository, which the person has named (safe.bareRepository)."""
    try:
        with open_repository(directory, environment=environment) as repository:
            _ = repository.is_bare
    except ConfigError as error:
        if error.reason != "repository-bare":
            raise
        return {**environment, "GIT_DIR": str(directory.absolute())}
    return environment


class _Work:
    """The kept heads of the followed signature logs, and what is found by them."""

    def __init__(self, name: str, sources: Sequence[LogSource], store: Store, root: TrustedRoot, now: int) -> None:
        self._name, self._store, self._root, self._now = name, store, root, now
        logs = [source for source in sources if source.kind in ("rekor1", "rekor2")]
        self._heads: list[tuple[LogSource, Head]] = [
            (source, open_head(kept.kind, kept.signed, root))
            for source in logs
            for kept in store.trees()
            if (kept.kind, kept.url) == (source.kind, source.url)
        ]
        self.alarms: list[Finding] = []
        self.failures: list[GitsignError] = []

    def take(self, commits: Iterable[Replayed]) -> None:
        """Keep digests and alarms together, some hundred commits in one transaction."""
        group: list[tuple[Replayed, bool, list[Finding]]] = []
        for one in commits:
            group.append((one, *self._checked(one)))
            if len(group) == _AT_ONCE:
                self._keep(group)
                group = []
        self._keep(group)

    def _keep(self, group: Sequence[tuple[Replayed, bool, list[Finding]]]) -> None:
        with self._store.transaction():
            for one, checked, alarms in group:
                self._store.note_replayed(self._name, one.oid, one.digests, checked=checked and not alarms)
                self._store.add(alarms)
        self.alarms += [alarm for _, _, alarms in group for alarm in alarms]

    def _checked(self, one: Replayed) -> tuple[bool, list[Finding]]:
        """Whether the entry's log has had its say, and the alarms. Without an embedded entry nothing is asked."""
        found = entry_of(one)
        if found is None:
            return True, []
        mine = [(source, head) for source, head in self._heads if head.log.log_id == found[0].log_id]
        alarms: list[Finding] = []
        for source, head in mine if not self.failures else ():
            try:
                alarm = check_logged(one, source, head, self._root, now=self._now)
            except GitsignError as error:
                self.failures.append(error)
                return False, []
            alarms += [alarm] if alarm is not None else []
        proof = found[0].inclusion_proof
        covered = not mine or any(proof is not None and proof.tree_size <= head.size for _, head in mine)
        return covered and not self.failures, alarms
