"""Merge bases and merges by git itself, for the policy (port ``MergeGraph``).

git computes them in a directory of our own over the repository's objects (``host.ownplace``): no configuration,
attributes, merge driver, filter, graft, shallow file or commit-graph of the repository has a say. A merge's objects
go there, and away with it. Where a history is cut off, an answer counts only when nothing is missing down to it: an
older base than the true one would let an old value pass for a side's own.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.direct import DirectHistory
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.ownplace import OwnPlace
from gitsign_py.host.git.pairs import bases_from
from gitsign_py.host.git.program import ask_history, not_fetched
from gitsign_py.host.git.walk import Git, list_ids
from gitsign_py.policy.changes import Pair

SLOW = 5.0
"""Seconds after which an answer of git counts as slow: in an ordinary history it takes a hundredth of one."""
LONGEST = 120.0
"""Seconds that all slow answers together may take. git's search is quadratic in the number of merge bases, and whoever
writes a history chooses how many there are, and of how many merges."""


class DirectGraph:
    """Answers where there is no git program: everything but merges, which only git makes as git makes them."""

    def __init__(self, history: DirectHistory) -> None:
        self.merge_bases = history.merge_bases
        self.bases_of_pairs = history.bases_of_pairs
        self.is_ancestor = history.is_ancestor

    def merge_tree(self, ours: str, theirs: str) -> str:
        """Raises UncheckedError ``git-needed``."""
        raise UncheckedError(
            "git-needed",
            f"the merge of {ours} and {theirs} has to be made again, and there is no git program on PATH",
            hint="install git, or put it on PATH",
        )

    def merge_trees(self, base: str, ours: str, theirs: str) -> str:  # noqa: ARG002
        """Raises UncheckedError ``git-needed``."""
        return self.merge_tree(ours, theirs)


class GitGraph:
    """Answers from the repository that git finds from ``directory`` with ``environment``."""

    def __init__(self, repository: GitRepository, environment: Mapping[str, str], directory: Path | None) -> None:
        self._repository = repository
        self._environment = environment
        self._directory = directory
        self._own: OwnPlace | None = None
        self._slow = 0.0

    def merge_bases(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        """All best common ancestors; exit status 1 says that there is none.

        Raises UncheckedError ``history-incomplete``.
        """
        out = self._compute(
            ["merge-base", "--all", "--octopus", *commits], accept=(0, 1), grafts=self._repository.grafts
        )
        bases = tuple(out.decode("ascii").split())
        self._check_whole(commits, bases)
        return bases

    def bases_of_pairs(self, commits: tuple[str, ...]) -> Mapping[Pair, tuple[str, ...]]:
        """All merge bases of each pair; of more than two commits by one walk down to what all of them have."""
        if len(commits) == 2:
            return {(0, 1): self.merge_bases(commits)}
        shared = (f"^{base}^@" for base in self.merge_bases(commits))  # what is older is no best ancestor of any
        with tempfile.TemporaryFile() as errors:
            git = Git(self._environment, self._directory, self._repository.grafts)
            return bases_from(commits, list_ids(git, [*commits, *shared], ["--topo-order", "--parents"], errors))

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The tree of a merge without conflict, else empty."""
        out = self._compute(["merge-tree", "--write-tree", ours, theirs], accept=(0, 1))
        lines = out.decode("ascii", "replace").split("\n")
        # Exit status 1 is a conflict, and then the first line is followed by what is in conflict.
        return lines[0] if lines[1:] == [""] else ""

    def merge_trees(self, base: str, ours: str, theirs: str) -> str:
        """The same of trees, by commits of our own: older gits take no merge base from outside (git 2.40)."""
        root = self._place().commit(base)
        return self.merge_tree(self._place().commit(ours, root), self._place().commit(theirs, root))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether ``newer`` comes after ``older``, or is it. Raises UncheckedError ``history-incomplete``."""
        try:
            self._compute(["merge-base", "--is-ancestor", older, newer], grafts=self._repository.grafts)
        except UncheckedError as error:
            if error.facts.get("status") != 1:
                raise
            self._check_whole((newer,), (older,))
            return False
        return True

    def _check_whole(self, commits: tuple[str, ...], older: tuple[str, ...]) -> None:
        """Walk what lies between, where something may be missing: git fails at a parent that is not here."""
        if self._repository.cuts:
            self._repository.run(["rev-list", "--count", *commits, *(f"^{oid}" for oid in older)])

    def _compute(self, arguments: Sequence[str], *, accept: Sequence[int] = (0,), grafts: str = "") -> bytes:
        own, began = self._place(), time.monotonic()
        if self._slow > LONGEST:
            raise UncheckedError(
                "git-timeout",
                f"git spent over {LONGEST:g} s on slow answers about this history's merges, no more of them are made",
                facts={"seconds": int(LONGEST)},
            )
        try:
            return ask_history(arguments, environment=own.environment, directory=own.path, grafts=grafts, accept=accept)
        except UncheckedError as error:
            if error.facts.get("status") != 1 and error.reason == "git-failed" and self._repository.is_partial:
                raise not_fetched("an object") from error
            raise
        finally:
            took = time.monotonic() - began
            self._slow += took if took > SLOW else 0.0

    def _place(self) -> OwnPlace:
        if self._own is None:
            common = self._repository.common_directory
            here = (self._directory or Path()).absolute()
            objects = here / (self._environment.get("GIT_OBJECT_DIRECTORY") or common / "objects")
            self._own = OwnPlace(self._environment, objects, self._repository.algorithm)
        return self._own


def graph_of(repository: GitRepository) -> GitGraph | DirectGraph:
    """The merge graph of a repository."""
    if repository.direct is not None:
        return DirectGraph(repository.direct.history)
    return GitGraph(repository, repository.environment, repository.directory)
