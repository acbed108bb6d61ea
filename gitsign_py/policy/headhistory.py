"""Heads of pull requests, judged by the policies in the history: each commit by those in its parents, as everywhere.

Such commits are on no branch that is walked, or on another one, where other rules may have let them pass. So they are
judged apart from the walk, on the refs of what a forge made of them, and nothing that is found here counts there.
"""

from collections.abc import Callable, Iterator, Sequence

from gitsign_py.core.frozen import field, frozen, replace, slotted
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.policy.facts import CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.heads import Heads, HeadSource, unread_head
from gitsign_py.policy.history import PolicyHistory

FactsOf = Callable[[str], tuple[CommitFacts, SignatureFacts]]
"""Reads and verifies one commit by its id."""
_MAX_DEPTH = 8


@slotted
class _Beside(PolicyHistory):
    """Judges what ``judged`` names. The commits below were judged by ``walked``, and leads to the copy."""

    walked: PolicyHistory | None = None
    judged: dict[str, tuple[Decision, SignatureFacts]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    _rooted: dict[str, bool] = field(default_factory=dict)

    def is_accepted(self, oid: str) -> bool:
        """As judged here, or in the walk."""
        if oid in self.begun or self.walked is None:
            return PolicyHistory.is_accepted(self, oid)
        return self.walked.is_accepted(oid)

    def is_inside(self, oid: str) -> bool:
        """As judged here, or in the walk; what the walk left out leads to the copy, and may be older than the start."""
        if oid in self.begun or self.walked is None:
            return PolicyHistory.is_inside(self, oid)
        if oid not in self._rooted:
            self._rooted[oid] = self.walked.is_inside(oid) or self._comes_after_start(oid)
        return self._rooted[oid]

    def _comes_after_start(self, oid: str) -> bool:
        return self.introduction in self.graph.merge_bases((oid, self.introduction))

    def effective(self, commit: str) -> tuple[str, ...]:
        """As judged here, or in the walk."""
        if commit in self.begun or self.walked is None:
            return PolicyHistory.effective(self, commit)
        if self.walked.is_unknown(commit):
            raise UncheckedError("policy-unread", f"whether {commit} was accepted is not known, nor its policy")
        return self.walked.effective(commit)


@frozen
class HeadHistory:
    """Port ``HeadJudge``: judges on ``refs`` what is on no walked branch, or on another one."""

    facts_of: FactsOf
    refs: tuple[str, ...]
    beside: _Beside

    def judge(self, oids: Sequence[str]) -> Iterator[tuple[Decision, SignatureFacts]]:
        """Judge each once, parents first."""
        for oid in oids:
            if oid not in self.beside.judged:
                self.beside.begun.add(oid)
                self.beside.judged[oid] = self._judged(oid)
            yield self.beside.judged[oid]

    def _judged(self, oid: str) -> tuple[Decision, SignatureFacts]:
        try:
            commit, facts = self.facts_of(oid)
            return self.beside.judge(commit, facts, self.refs), facts
        except GitsignError as error:
            return unread_head(error)

    def needs_parents(self, oid: str) -> bool:
        """A commit follows the policies in its parents."""
        return oid not in self.beside.judged


@frozen
class HeadJudges:
    """Makes the judges of heads: ``known`` names heads that are here, ``facts_of`` reads and verifies a commit."""

    known: HeadSource
    facts_of: FactsOf
    depth: int = 0

    def __call__(self, walked: PolicyHistory, refs: tuple[str, ...]) -> Heads:
        """The judge of the heads of which commits on ``refs`` were made, that ``walked`` judges."""
        if self.depth >= _MAX_DEPTH:
            raise UncheckedError("merge-too-deep", f"squashes of squashes, more than {_MAX_DEPTH} deep")
        beside = _Beside(
            walked.source,
            walked.graph,
            walked.introduction,
            replace(walked.before, vouched=frozenset()),
            walked.closing,
            walked.submission,
            unclosed=walked.unclosed,
            heads=HeadJudges(self.known, self.facts_of, self.depth + 1),
            walked=walked,
        )
        return Heads(walked.source, walked.graph, self.known, HeadHistory(self.facts_of, refs, beside))
