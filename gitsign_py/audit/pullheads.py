"""Heads of pull requests that are here, for commits that a forge may have made of them (port ``HeadSource``).

GitHub and Gitea keep them in refs/pull/N/head, GitLab in refs/merge-requests/N/head; a clone has them where its
refspecs put them. ``refs/notes/gitsign-merges`` names them where those refs are gone. All of this is a hint: trees are
compared, and the commits judged.
"""

import hashlib
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from gitsign_py.audit.plan import git_of
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.git.naming import list_refs
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.walk import walk
from gitsign_py.policy.facts import CommitFacts
from gitsign_py.ports import ObjectSource

PLACES = (
    "refs/pull/*/head",
    "refs/merge-requests/*/head",
    "refs/remotes/*/pull/*/head",  # +refs/pull/*/head:refs/remotes/origin/pull/*/head
    "refs/remotes/*/pr/*",  # +refs/pull/*/head:refs/remotes/origin/pr/*, as GitHub's pages say
    "refs/remotes/*/merge-requests/*",  # as GitLab's pages say
)
MAX_COMMITS = 200_000
"""Commits of all heads together that are looked through for those that were rebased, the newest first."""
_SAME_WORDS = 8
_NAMED = re.compile(rb"[#!]([1-9][0-9]{0,9})\b")
_MAX_NAMED = 8
_NUMBER = re.compile(r"/(?:pull|pr|merge-requests)/([1-9][0-9]*)(?:/head)?\Z")


class PullHeads:
    """The heads in one repository, listed when the first commit asks for them."""

    def __init__(self, repository: GitRepository, objects: ObjectSource) -> None:
        self._repository = repository
        self._objects = objects
        self._notes: MergeNotes | None = None
        self._numbered: dict[int, tuple[str, ...]] | None = None
        self._trees: dict[str, list[str]] | None = None
        self._words: dict[bytes, list[str]] | None = None
        self._trouble: GitsignError | None = None

    def squashed(self, commit: CommitFacts, message: bytes) -> Sequence[str]:
        """The head that a note names, then the numbers in the message, then heads that have the very tree."""
        numbers = (int(number) for number in islice(_NAMED.findall(message), _MAX_NAMED))
        named = (oid for number in numbers for oid in self._by_number().get(number, ()))
        found = dict.fromkeys((*self._noted(commit), *named))
        return tuple(found) or self.with_tree(commit)

    def with_tree(self, commit: CommitFacts) -> Sequence[str]:
        """Heads that have the very tree: all of them are read for it, once."""
        return tuple(self._by_tree().get(commit.tree, ()))

    def picked(self, commit: CommitFacts, author: bytes, message: bytes) -> Sequence[str]:
        """The head that a note names, then all that have the same words."""
        found = (*self._noted(commit), *self._by_words(commit).get(_key(author, message), ()))
        if not found and self._trouble is not None:
            raise self._trouble
        return tuple(dict.fromkeys(found))

    def _noted(self, commit: CommitFacts) -> Iterator[str]:
        if self._notes is None:
            self._notes = MergeNotes(self._repository)
        return (oid for oid in self._notes.heads(commit.oid) if self._is_here(oid))

    def _is_here(self, oid: str) -> bool:
        try:
            return self._objects.read(oid).kind == "commit"
        except GitsignError:
            return False

    def _by_number(self) -> Mapping[int, tuple[str, ...]]:
        if self._numbered is None:
            found: dict[int, dict[str, None]] = defaultdict(dict)
            for ref in list_refs(self._repository, *PLACES):
                number = _NUMBER.search(ref.name)
                if ref.kind == "commit" and number:
                    found[int(number[1])][ref.oid] = None
            self._numbered = {number: tuple(oids) for number, oids in found.items()}
        return self._numbered

    def _tips(self) -> Iterable[str]:
        return dict.fromkeys(oid for oids in self._by_number().values() for oid in oids)

    def _by_tree(self) -> Mapping[str, Sequence[str]]:
        if self._trees is None:
            self._trees = defaultdict(list)
            for oid in filter(self._is_here, self._tips()):
                self._trees[split_commit(self._objects.read(oid).data, two_hashes=True).tree].append(oid)
        return self._trees

    def _by_words(self, commit: CommitFacts) -> Mapping[bytes, Sequence[str]]:
        """Commits of all heads by author line and message, less those behind the first commit that asks."""
        if self._words is None:
            self._words = defaultdict(list)
            tips = [oid for oid in self._tips() if self._is_here(oid)]
            with tempfile.TemporaryFile() as errors:
                revisions = [*tips, *(f"^{parent}" for parent in commit.parents)]
                options = [f"--max-count={MAX_COMMITS}"]
                try:
                    for oid, _, data in walk(git_of(self._repository), revisions, options, errors) if tips else ():
                        self._note_words(oid, data)
                except GitsignError as error:  # of one head; what was found of the others counts
                    self._trouble = error
        return self._words

    def _note_words(self, oid: str, data: bytes | None) -> None:
        assert self._words is not None  # noqa: S101 - for the type checker: its only caller made it
        try:
            made = split_commit(data or b"", two_hashes=True)
        except GitsignError:
            return
        alike = self._words[_key(made.author, made.message)]
        if len(alike) < _SAME_WORDS:
            alike.append(oid)


def _key(author: bytes, message: bytes) -> bytes:
    return hashlib.sha256(b"%d " % len(author) + author + message).digest()[:16]
