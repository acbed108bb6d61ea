"""Commits of heads that a batch of commits will be judged by, so that their signatures are verified along with it.

Nothing is decided here: what is not found ahead is read and verified when the judge asks for it, one by one.
"""

from collections.abc import Iterable, Iterator, Sequence

from gitsign_py.audit.foreign import PROGRAMS
from gitsign_py.audit.judges import commit_facts
from gitsign_py.audit.pullheads import PullHeads
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.errors import GitsignError
from gitsign_py.policy.ancestry import Ancestry
from gitsign_py.policy.model import Policy
from gitsign_py.ports import ObjectSource

_CANDIDATES = 2
_MOST = 4096
"""Commits for one batch."""


class HeadsAhead:
    """Looks for what ``policies`` may take for a forge's copy."""

    def __init__(self, known: PullHeads, objects: ObjectSource, policies: Iterable[Policy | None]) -> None:
        self._known, self._objects, self._ancestry = known, objects, Ancestry(objects)
        judged_by = [policy for policy in policies if policy is not None]
        forges = [forge for policy in judged_by for forge in policy.forges if forge.copies]
        self._squash, self._rebase = (any(getattr(one, kind) for one in forges) for kind in ("squash", "rebase"))
        people = (one.emails for policy in judged_by for one in policy.principals.values()) if forges else ()
        self._committers = frozenset[str]().union((forge.committer for forge in forges), *people)

    def behind(self, items: Sequence[Scanned]) -> list[str]:
        """Commits that the items may be copies of, each once."""
        found: dict[str, None] = {}
        for item in items:
            if item.committer in self._committers and item.count_parents() == 1 and _may_be_copy(item):
                if len(found) > _MOST:
                    break
                found.update(dict.fromkeys(self._of(item)))
        return list(found)

    def _of(self, item: Scanned) -> Iterator[str]:
        commit = commit_facts(item)
        try:
            own = split_commit(self._objects.read(item.oid).data, two_hashes=True)
            for head in self._known.squashed(commit, own.message)[:_CANDIDATES] if self._squash else ():
                yield from self._ancestry.compare(commit.parents[0], head).between
            if self._rebase:
                yield from self._known.picked(commit, own.author, own.message)[:_CANDIDATES]
        except GitsignError:
            return  # the judge says so


def _may_be_copy(item: Scanned) -> bool:
    return not item.malformed[0] and (not item.form or item.form in PROGRAMS)
