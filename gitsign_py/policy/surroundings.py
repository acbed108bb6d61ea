"""The questions of a policy about a commit's surroundings, and the two ways to answer: from a repository, or as
stated.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.errors import FormatError, UncheckedError
from gitsign_py.policy.approvals import ApprovalSource, approvers_of
from gitsign_py.policy.changes import Changed, Pair, Trees, changed_paths, first_changed, moved_paths
from gitsign_py.policy.facts import CommitFacts, Decision, Pusher
from gitsign_py.policy.heads import Copy, Heads, HeadVerdict
from gitsign_py.policy.model import TIME_SOURCES, Policy
from gitsign_py.policy.names import looks_like
from gitsign_py.policy.paths import PathRules
from gitsign_py.ports import ObjectSource

MAX_PARENTS = 100
"""Of a merge: its pairs of parents grow with the square. The largest one that was ever seen had 66."""
MAX_BASES = 10_000
"""Of all pairs of a merge's parents together: criss-cross merges give a pair several."""


class MergeGraph(Protocol):
    """Answers what only a walk over the commit graph or a real merge can tell."""

    def merge_bases(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        """All best common ancestors of ``commits`` (``git merge-base --all --octopus``); none is an empty tuple."""
        ...

    def bases_of_pairs(self, commits: tuple[str, ...]) -> Mapping[Pair, tuple[str, ...]]:
        """All merge bases of each pair of ``commits``, by their positions, the lower one first."""
        ...

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The tree that ``git merge-tree --write-tree`` makes of two commits; empty when the merge conflicts."""
        ...

    def merge_trees(self, base: str, ours: str, theirs: str) -> str:
        """The same of two trees that part at the tree ``base``."""
        ...


class Surroundings(Protocol):
    """Answers about one commit at a time. Raises UncheckedError for what is not there, FormatError for broken trees."""

    def changed(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:
        """The changes that the commit itself makes (see ``changes.changed_paths``), and the rules that decide about
        it.
        """
        ...

    def changed_below(self, commit: CommitFacts, folder: str) -> str:
        """A path that the commit changes below one folder of the root, or what may be taken for it; empty for none."""
        ...

    def brought(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:
        """In what a merge differs from its first parent."""
        ...

    def moved(self, commit: CommitFacts, copy: Copy, rules: PathRules) -> Iterable[Changed]:
        """The paths to which git moved a change that the commits behind a copy make elsewhere."""
        ...

    def is_reproducible(self, commit: CommitFacts) -> bool:
        """Tell whether merging the two parents without conflict gives exactly the commit's tree."""
        ...

    def is_accepted(self, oid: str) -> bool:
        """Tell whether the commit ``oid``, a parent of the one that is judged, is accepted itself."""
        ...

    def copies(self, commit: CommitFacts, *, squash: bool, rebase: bool) -> Iterable[Copy]:
        """Heads of pull requests that are here and of which the commit is an exact copy."""
        ...

    def judge_copy(self, commit: CommitFacts, copy: Copy) -> HeadVerdict:
        """The policy's answer about the commits behind a copy."""
        ...

    def keeps(self, commit: CommitFacts, copy: Copy, path: str) -> bool:
        """Tell whether a copy has at a path what its head has there."""
        ...

    def approvers(self, policy: Policy, commit: CommitFacts, ref: str) -> frozenset[str]:
        """The people of the policy who have approved the commit for the ref."""
        ...

    def pushed_by(self) -> Pusher | None:
        """The pusher of what is judged; None where none is known, as in an audit of what is there already."""
        ...


@frozen
class Stated:
    """Surroundings that somebody states: for tags, and for the test cases beside a policy."""

    paths: tuple[str, ...] = ()
    reproducible: bool = False
    parents_accepted: bool = False
    pusher: str = ""
    copied: Copy | None = None
    head_signers: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()
    pushed_at: datetime | None = None

    def changed(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:  # noqa: ARG002 - stated for one
        """The stated paths, as files."""
        return (Changed(path, rules.here(rules.along(path), is_link=False)) for path in self.paths)

    def changed_below(self, commit: CommitFacts, folder: str) -> str:  # noqa: ARG002
        """A stated path below a folder."""
        return next((path for path in self.paths if looks_like(_first_part(path), folder)), "")

    def brought(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:
        """The stated paths."""
        return self.changed(commit, rules)

    def moved(self, commit: CommitFacts, copy: Copy, rules: PathRules) -> Iterable[Changed]:  # noqa: ARG002
        """What is stated was made where it is."""
        return ()

    def is_reproducible(self, commit: CommitFacts) -> bool:  # noqa: ARG002
        """As stated."""
        return self.reproducible

    def is_accepted(self, oid: str) -> bool:  # noqa: ARG002
        """As stated."""
        return self.parents_accepted

    def copies(self, commit: CommitFacts, *, squash: bool, rebase: bool) -> Iterable[Copy]:  # noqa: ARG002
        """As stated."""
        copied = self.copied
        return (copied,) if copied and (squash if copied.kind == "squash" else rebase) else ()

    def judge_copy(self, commit: CommitFacts, copy: Copy) -> HeadVerdict:  # noqa: ARG002
        """As stated."""
        if not self.parents_accepted:
            return HeadVerdict(copy.head, Decision("unauthorised", "stated", "it is stated so"))
        return HeadVerdict(signers=frozenset(self.head_signers), times=frozenset(TIME_SOURCES))

    def keeps(self, commit: CommitFacts, copy: Copy, path: str) -> bool:  # noqa: ARG002
        """A stated copy has nothing of its own."""
        return True

    def approvers(self, policy: Policy, commit: CommitFacts, ref: str) -> frozenset[str]:  # noqa: ARG002
        """Those of the stated names who are people."""
        people = (policy.principals.get(name) for name in self.approved_by)
        return frozenset(person.name for person in people if person is not None and person.kind == "person")

    def pushed_by(self) -> Pusher | None:
        """The stated name and time."""
        return Pusher(self.pusher, at=self.pushed_at) if self.pusher else None


NOTHING_CHANGED = Stated()


@frozen
class Submission:
    """How commits came in: who pushed them, known in a push alone, and who approved them (without a source: nobody)."""

    pusher: Pusher | None = None
    approvals: ApprovalSource | None = None


@frozen
class InRepository:
    """Surroundings read from objects. ``accepts`` judges a parent by its id.

    Without ``heads`` no head of a pull request is looked for.
    """

    source: ObjectSource
    graph: MergeGraph
    accepts: Callable[[str], bool]
    submission: Submission
    heads: Heads | None

    def changed(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:
        """The changes of the commit; a tag changes nothing."""
        return changed_paths(self.source, self._trees(commit), rules) if commit.kind != "tag" else ()

    def changed_below(self, commit: CommitFacts, folder: str) -> str:
        """A path that the commit changes below a folder of the root."""
        return self._first_changed(commit, lambda name: looks_like(name, folder))

    def _first_changed(self, commit: CommitFacts, wanted: Callable[[bytes], bool]) -> str:
        return first_changed(self.source, self._trees(commit), wanted) if commit.kind != "tag" else ""

    def brought(self, commit: CommitFacts, rules: PathRules) -> Iterable[Changed]:
        """In what a merge differs from its first parent."""
        return changed_paths(self.source, Trees(commit.tree, (self._tree(commit.parents[0]),)), rules)

    def moved(self, commit: CommitFacts, copy: Copy, rules: PathRules) -> Iterable[Changed]:
        """Compare as of a merge."""
        if copy.kind == "merge":
            return moved_paths(self.source, self._merge(commit, copy.head), rules)
        trees = self.heads.merged_by_git(commit, copy) if self.heads else None
        return moved_paths(self.source, trees, rules) if trees else ()

    def is_reproducible(self, commit: CommitFacts) -> bool:
        """Merge the parents again and compare the trees."""
        return commit.tree == self.graph.merge_tree(*commit.parents)

    def is_accepted(self, oid: str) -> bool:
        """Ask whoever judges."""
        return self.accepts(oid)

    def copies(self, commit: CommitFacts, *, squash: bool, rebase: bool) -> Iterable[Copy]:
        """Make each merge again."""
        return self.heads.copies(commit, squash=squash, rebase=rebase) if self.heads else ()

    def judge_copy(self, commit: CommitFacts, copy: Copy) -> HeadVerdict:
        """Judge the commits of the head."""
        return self.heads.judged(commit, copy) if self.heads else HeadVerdict(copy.head)

    def keeps(self, commit: CommitFacts, copy: Copy, path: str) -> bool:
        """Compare what stands in both trees."""
        return self.heads is not None and self.heads.has_same(commit, copy, path)

    def approvers(self, policy: Policy, commit: CommitFacts, ref: str) -> frozenset[str]:
        """Count what was signed and not taken back."""
        return self.approved_by(policy, commit, ref, None)

    def approved_by(self, policy: Policy, commit: CommitFacts, ref: str, closing: Policy | None) -> frozenset[str]:
        """The same; the windows of a newer policy, ``closing``, hold as well."""
        approvals = self.submission.approvals
        found = approvals.approvals(commit) if approvals and commit.kind == "commit" else ()
        return approvers_of(policy, ref, found, closing)

    def pushed_by(self) -> Pusher | None:
        """As it was given."""
        return self.submission.pusher

    def _trees(self, commit: CommitFacts) -> Trees:
        parents = tuple(dict.fromkeys(commit.parents))
        trees = tuple(map(self._tree, parents)) or ("",)
        if len(set(trees)) == 1:  # parents that agree need no base to tell which of them is meant
            return Trees(commit.tree, trees)
        bases = bases_of_parents(self.graph, parents)
        return Trees(commit.tree, trees, {pair: tuple(map(self._tree, found)) for pair, found in bases.items()})

    def _merge(self, commit: CommitFacts, side: str) -> Trees:
        first, second = commit.parents
        bases = bases_of_parents(self.graph, commit.parents)[0, 1]
        sides = (second if side == first else first, side)
        return Trees(commit.tree, tuple(map(self._tree, sides)), {(0, 1): tuple(map(self._tree, bases))})

    def _tree(self, commit: str) -> str:
        return commit_tree(self.source, commit)


def bases_of_parents(graph: MergeGraph, parents: tuple[str, ...]) -> Mapping[Pair, tuple[str, ...]]:
    """The merge bases of each pair of a merge's parents. Raises UncheckedError ``merge-too-wide``."""
    if len(parents) > MAX_PARENTS:
        raise UncheckedError("merge-too-wide", f"merge has {len(parents)} parents, at most {MAX_PARENTS} are compared")
    found = graph.bases_of_pairs(parents)
    check_bases(sum(map(len, found.values())))
    return found


def check_bases(count: int) -> None:
    """Raise UncheckedError ``merge-too-wide`` where the pairs of a merge have more merge bases than are compared."""
    if count > MAX_BASES:
        raise UncheckedError("merge-too-wide", f"merge has more than {MAX_BASES} merge bases of two parents")


def _first_part(path: str) -> bytes:
    return path.partition("/")[0].encode("utf-8", "surrogateescape")


def commit_tree(source: ObjectSource, commit: str) -> str:
    """The id of a commit's tree. Raises FormatError ``commit-expected`` for another kind of object."""
    found = source.read(commit)
    if found.kind != "commit":
        raise FormatError("commit-expected", f"{commit} is a {found.kind}, not a commit")
    return split_commit(found.data, two_hashes=True).tree  # no signature is asked about
