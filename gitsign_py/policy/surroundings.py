"""What a policy may ask about a commit's surroundings, and the two ways to answer: from a repository, or as stated."""

from collections.abc import Callable, Iterable
from typing import Protocol

from gitsign_py.core.frozen import frozen
from gitsign_py.core.gitobject import split_commit
from gitsign_py.errors import FormatError
from gitsign_py.policy.facts import CommitFacts, Pusher
from gitsign_py.policy.trees import changed_paths
from gitsign_py.ports import ObjectSource


class MergeGraph(Protocol):
    """Answers what only a walk over the commit graph or a real merge can tell."""

    def merge_bases(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        """All best common ancestors of ``commits`` (``git merge-base --all --octopus``); none is an empty tuple."""
        ...

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The tree that ``git merge-tree --write-tree`` makes of two commits; empty when the merge conflicts."""
        ...


class Surroundings(Protocol):
    """Answers about one commit at a time. Raises UncheckedError for what is not there, FormatError for broken trees."""

    def changed(self, commit: CommitFacts) -> Iterable[str]:
        """Paths that the commit itself changes (see ``trees.changed_paths``), without a leading slash."""
        ...

    def changed_below(self, commit: CommitFacts, folder: str) -> Iterable[str]:
        """The same, for one folder of the root."""
        ...

    def brought(self, commit: CommitFacts) -> Iterable[str]:
        """Paths in which a merge differs from its first parent."""
        ...

    def is_reproducible(self, commit: CommitFacts) -> bool:
        """Tell whether merging the two parents without conflict gives exactly the commit's tree."""
        ...

    def is_accepted(self, oid: str) -> bool:
        """Tell whether the commit ``oid``, a parent of the one that is judged, is accepted itself."""
        ...

    def pushed_by(self) -> Pusher | None:
        """Who is pushing what is judged; None where nobody knows, as in an audit of what is there already."""
        ...


@frozen
class Stated:
    """Surroundings that somebody states: for tags, and for the test cases beside a policy."""

    paths: tuple[str, ...] = ()
    reproducible: bool = False
    parents_accepted: bool = False
    pusher: str = ""

    def changed(self, commit: CommitFacts) -> Iterable[str]:  # noqa: ARG002 - stated for one commit
        """The stated paths."""
        return self.paths

    def changed_below(self, commit: CommitFacts, folder: str) -> Iterable[str]:  # noqa: ARG002
        """The stated paths below a folder."""
        return tuple(path for path in self.paths if path.startswith(f"{folder}/"))

    def brought(self, commit: CommitFacts) -> Iterable[str]:  # noqa: ARG002
        """The stated paths."""
        return self.paths

    def is_reproducible(self, commit: CommitFacts) -> bool:  # noqa: ARG002
        """As stated."""
        return self.reproducible

    def is_accepted(self, oid: str) -> bool:  # noqa: ARG002
        """As stated."""
        return self.parents_accepted

    def pushed_by(self) -> Pusher | None:
        """The stated name."""
        return Pusher(self.pusher) if self.pusher else None


NOTHING_CHANGED = Stated()


@frozen
class InRepository:
    """Surroundings read from objects. ``accepts`` judges a parent by its id; ``pusher`` is known in a push alone."""

    source: ObjectSource
    graph: MergeGraph
    accepts: Callable[[str], bool]
    pusher: Pusher | None

    def changed(self, commit: CommitFacts) -> Iterable[str]:
        """Paths that the commit changes."""
        return self.changed_below(commit, "")

    def changed_below(self, commit: CommitFacts, folder: str) -> Iterable[str]:
        """Paths that the commit changes below a folder of the root (empty: everywhere)."""
        if commit.kind == "tag":
            return ()
        parents = tuple(map(self._tree, commit.parents)) or ("",)
        bases: tuple[str, ...] = ()
        if len(set(parents)) > 1:  # parents that agree need no base to tell which of them is meant
            bases = tuple(map(self._tree, self.graph.merge_bases(commit.parents)))
        return changed_paths(self.source, commit.tree, parents, bases, folder=folder)

    def brought(self, commit: CommitFacts) -> Iterable[str]:
        """Paths in which a merge differs from its first parent."""
        return changed_paths(self.source, commit.tree, (self._tree(commit.parents[0]),))

    def is_reproducible(self, commit: CommitFacts) -> bool:
        """Merge the parents again and compare the trees."""
        return commit.tree == self.graph.merge_tree(*commit.parents)

    def is_accepted(self, oid: str) -> bool:
        """Ask whoever judges."""
        return self.accepts(oid)

    def pushed_by(self) -> Pusher | None:
        """As it was given."""
        return self.pusher

    def _tree(self, commit: str) -> str:
        return commit_tree(self.source, commit)


def commit_tree(source: ObjectSource, commit: str) -> str:
    """The id of a commit's tree. Raises FormatError ``commit-expected`` for another kind of object."""
    found = source.read(commit)
    if found.kind != "commit":
        raise FormatError("commit-expected", f"{commit} is a {found.kind}, not a commit")
    return split_commit(found.data).tree
