"""Heads of pull requests, and the commits that a forge made of them: which fit, and what the policy says of them.

A forge that squashes makes one commit of a whole head, one that rebases makes a new commit of each of the head's. A
statement about where such a commit comes from is not believed: the merge is made again and its tree compared, to
the byte. ``HeadSource`` names heads that may fit, ``HeadJudge`` judges commits that are on no branch.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, Protocol

from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.gitobject import SignedObject, split_commit
from gitsign_py.errors import FormatError, GitsignError
from gitsign_py.policy.ancestry import Ancestry, Compared
from gitsign_py.policy.changes import Trees
from gitsign_py.policy.facts import UNSIGNED, CommitFacts, Decision, SignatureFacts, Verdict
from gitsign_py.policy.treemerge import NotTrivialError, merged_tree
from gitsign_py.policy.trees import Entry, find_path
from gitsign_py.ports import ObjectSource

CopyKind = Literal["squash", "rebase", "merge"]
_OF_EACH = (b"tree", b"parent", b"committer")
MAX_CANDIDATES = 16
"""Heads that are looked at for one commit."""


@frozen
class Copy:
    """A commit of a pull request, ``head``, of which the commit under judgement has exactly the change.

    Of a squash it is the last of all that were squashed, of a rebase the one that was applied again. A merge of two
    parents is asked about as a copy of either.
    """

    kind: CopyKind
    head: str


@frozen
class HeadVerdict:
    """The policy's answer about the commits behind a copy: the first that it refuses, or whom it knows as their
    signers.

    ``decision`` is that about the refused one. ``times`` are the sources that prove a time for each of them.
    ``all_signed``: the signers are all of them, and no forge made one of the commits.
    """

    refused: str = ""
    decision: Decision | None = None
    signers: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()
    all_signed: bool = False


def unread_head(error: GitsignError) -> tuple[Decision, SignatureFacts]:
    """The answer of a judge of heads about a commit that cannot be read, or whose verdict rests on one."""
    verdict: Verdict = "malformed" if isinstance(error, FormatError) else "unchecked"
    return Decision(verdict, error.reason, error.message), UNSIGNED


class HeadSource(Protocol):
    """Names commits that are here, and that may be what a forge made a commit of. No word is believed for it."""

    def squashed(self, commit: CommitFacts, message: bytes) -> Sequence[str]:
        """Heads that may have been squashed to ``commit``."""
        ...

    def with_tree(self, commit: CommitFacts) -> Sequence[str]:
        """Heads that have the tree of ``commit``: a number in a message may be that of something else."""
        ...

    def picked(self, commit: CommitFacts, author: bytes, message: bytes) -> Sequence[str]:
        """Commits of heads with this author line and message."""
        ...


class HeadJudge(Protocol):
    """Judges commits of heads by the policy, on the refs of the commit that was made of them."""

    def judge(self, oids: Sequence[str]) -> Iterator[tuple[Decision, SignatureFacts]]:
        """Judge commits, parents first; raises nothing (see ``unread_head``)."""
        ...

    def needs_parents(self, oid: str) -> bool:
        """Tell whether the verdict about a commit rests on commits before it that were not judged yet."""
        ...


class TreeMerger(Protocol):
    """Merges as git does."""

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The tree of merging two commits; empty when they conflict."""
        ...

    def merge_trees(self, base: str, ours: str, theirs: str) -> str:
        """The tree of merging two trees that part at ``base``; empty when they conflict."""
        ...


class Heads:
    """The questions of a judge about copies. One for the commits that are judged on the same refs by the same
    policy.
    """

    def __init__(self, source: ObjectSource, git: TreeMerger, known: HeadSource, judge: HeadJudge) -> None:
        self._source, self._git, self._known, self._judge = source, git, known, judge
        self._ancestry = Ancestry(source)
        self._by_git: set[tuple[str, str]] = set()  # commits and heads where both sides touched a path

    def copies(self, commit: CommitFacts, *, squash: bool, rebase: bool) -> Iterator[Copy]:
        """Heads of which ``commit`` is a copy, as its tree says. Raises UncheckedError where git cannot merge."""
        trouble: GitsignError | None = None
        for kind in [*(("squash",) if squash else ()), *(("rebase",) if rebase else ())]:
            # Another may fit than one that cannot be read: anybody can write a note that names a broken one.
            try:
                for head in islice(self._candidates(commit, kind), MAX_CANDIDATES):
                    fits, error = self._looked_at(commit, kind, head)
                    trouble = trouble or error
                    if fits:
                        yield Copy(kind, head)
            except GitsignError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    def _candidates(self, commit: CommitFacts, kind: CopyKind) -> Iterator[str]:
        own = self._read(commit.oid)
        if kind == "rebase":
            yield from self._known.picked(commit, own.author, own.message)
            return
        named = self._known.squashed(commit, own.message)
        yield from named
        yield from (head for head in self._known.with_tree(commit) if head not in named)

    def _looked_at(self, commit: CommitFacts, kind: CopyKind, head: str) -> tuple[bool, GitsignError | None]:
        try:
            return (self._is_squash if kind == "squash" else self._is_pick)(commit, head), None
        except GitsignError as error:
            return False, error

    def judged(self, commit: CommitFacts, copy: Copy) -> HeadVerdict:
        """The policy's answer about the head: of a squash all its commits count, of a rebase the very one."""
        oids: Sequence[str] = (copy.head,)
        if copy.kind != "rebase" or any(map(self._judge.needs_parents, self._read(copy.head).parents)):
            oids = self._compare(commit, copy.head).between
        found = list(zip(oids, self._judge.judge(oids), strict=True))
        if copy.kind == "rebase":
            found = found[-1:]
        for oid, (decision, _) in found:
            if not decision.accepted:
                return HeadVerdict(oid, decision)
        signers = frozenset(decision.principal for _, (decision, _) in found) - {""}
        proven = [{source for source, _ in facts.times} for _, (_, facts) in found]
        times = frozenset[str](set.intersection(*proven))  # type: ignore[arg-type]
        return HeadVerdict(
            signers=signers, times=times, all_signed=all(one.verdict == "verified" for _, (one, _) in found)
        )

    def merged_by_git(self, commit: CommitFacts, copy: Copy) -> Trees | None:
        """The merge that a copy is: of its parent and the head, which part at the merge bases, or of a rebase where the
        picked commit began. None where git had no say, so that each path is as one of the two has it.
        """
        if (commit.oid, copy.head) not in self._by_git:
            return None
        picked = copy.kind == "rebase"
        bases = self._read(copy.head).parents if picked else self._compare(commit, copy.head).bases
        ours, theirs, *before = (self._read(oid).tree for oid in (commit.parents[0], copy.head, *bases))
        return Trees(commit.tree, (ours, theirs), {(0, 1): tuple(before)})

    def has_same(self, commit: CommitFacts, copy: Copy, path: str) -> bool:
        """Tell whether the copy has the very value of the head at a path."""
        return self._at(commit.tree, path) == self._at(self._read(copy.head).tree, path)

    def _at(self, tree: str, path: str) -> Entry | None:
        return find_path(self._source, tree, path)

    def _is_squash(self, commit: CommitFacts, head: str) -> bool:
        [parent] = commit.parents
        compared = self._compare(commit, head)
        if not compared.between or commit.oid in compared.between:
            return False
        theirs = self._read(head).tree
        if compared.bases == (parent,):
            return theirs == commit.tree
        if len(compared.bases) == 1:
            base, ours = (self._read(oid).tree for oid in (*compared.bases, parent))
            try:
                return merged_tree(self._source, base, ours, theirs) == commit.tree
            except NotTrivialError:
                pass
        self._by_git.add((commit.oid, head))
        return bool(compared.bases) and self._git.merge_tree(parent, head) == commit.tree

    def _is_pick(self, commit: CommitFacts, oid: str) -> bool:
        """The same words by the same author, and what the commit changed applied to another parent gives the tree."""
        own, picked = self._read(commit.oid), self._read(oid)
        if oid == commit.oid or len(picked.parents) != 1:
            return False
        if (picked.author, picked.message) != (own.author, own.message) or not _has_headers_of(own, picked):
            return False
        base, ours = (self._read(parent).tree for parent in (*picked.parents, *commit.parents))
        if base == picked.tree:
            return False
        try:
            fits = merged_tree(self._source, base, ours, picked.tree) == commit.tree
        except NotTrivialError:
            self._by_git.add((commit.oid, oid))
            fits = self._git.merge_trees(base, ours, picked.tree) == commit.tree
        # A part that is in already was taken back since, and no signature brings it again.
        return fits and oid in self._compare(commit, oid).between

    def _compare(self, commit: CommitFacts, head: str) -> Compared:
        return self._ancestry.compare(_other_side(commit, head), head)

    def _read(self, oid: str) -> SignedObject:
        found = self._source.read(oid)
        if found.kind != "commit":
            raise FormatError("commit-expected", f"{oid} is a {found.kind}, not a commit")
        return split_commit(found.data, two_hashes=True)  # no signature is asked about


def _has_headers_of(own: SignedObject, picked: SignedObject) -> bool:
    """The encoding says which text the message is; a header that the picked commit lacks was signed by nobody."""
    added = {one for one in own.headers if one.name not in _OF_EACH} - set(picked.headers)
    return not added and own.encoding == picked.encoding


def _other_side(commit: CommitFacts, head: str) -> str:
    """With what a head was merged: the parent of a copy, the other parent of a merge."""
    return commit.parents[-1] if commit.parents[0] == head else commit.parents[0]
