"""The three judges: lists of signers, which may be empty (then a good signature is good), one policy, or the policy in
the history.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from gitsign_py.audit.knownsigners import KnownSigners
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.tagname import fits_ref, mismatch
from gitsign_py.errors import FormatError, GitsignError, UncheckedError
from gitsign_py.policy.evaluation import evaluate_one, is_plainly_unsigned
from gitsign_py.policy.facts import UNSIGNED, CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.heads import Heads, HeadSource, unread_head
from gitsign_py.policy.history import PolicyHistory
from gitsign_py.policy.model import Policy
from gitsign_py.policy.signers import refused
from gitsign_py.policy.surroundings import InRepository, MergeGraph, Submission
from gitsign_py.ports import ObjectSource

FactsOf = Callable[[str], tuple[CommitFacts, SignatureFacts]]
"""Reads and verifies one commit by its id."""
INTRODUCTION = Decision("exempt", "introduction", "pinned by its id", "introduction")
BEFORE_INTRODUCTION = Decision("exempt", "before-introduction", "older than the introduction", "introduction")
_NOBODY = Decision("unsigned", UNSIGNED.reason, UNSIGNED.message)
_MAX_DEPTH = 32
_MAX_REMEMBERED = 10_000


class Judge(Protocol):
    """Judges commits in the order of the walk."""

    def judge(self, item: Scanned, facts: SignatureFacts, refs: Collection[str]) -> Decision:
        """Judge one commit or tag on the refs that it is reachable from; raises nothing."""
        ...

    def pass_over(self, item: Scanned) -> None:
        """Note a commit of the walk that was judged when it came in."""
        ...


def commit_facts(item: Scanned) -> CommitFacts:
    """The part of a scanned object that a policy reads."""
    kind, name = ("tag", item.tag_name) if item.kind == "tag" else ("commit", "")
    return CommitFacts(item.oid, item.author, item.committer, item.parents, item.tree, kind, name)  # type: ignore[arg-type]


class AnySigner:
    """No policy: a good signature is good, and verified where its signer is known to be allowed."""

    def __init__(self, known: KnownSigners) -> None:
        self._known = known

    def judge(self, item: Scanned, facts: SignatureFacts, refs: Collection[str]) -> Decision:
        """Take the signature's own status; a tag stands below its own name alone."""
        if facts.status == "good":
            odd = next((ref for ref in refs if not fits_ref(item.tag_name, ref)), "") if item.kind == "tag" else ""
            return refused("tag-name-mismatch", mismatch(item.tag_name, odd)) if odd else self._known.decide(facts)
        if facts is UNSIGNED:
            return _NOBODY
        return Decision(facts.status, facts.reason, facts.message)

    def pass_over(self, item: Scanned) -> None:
        """Nothing rests on it."""


@frozen
class _Apart:
    """Port ``HeadJudge`` where one policy judges each commit by itself."""

    beside: Callable[[str], tuple[Decision, SignatureFacts]]

    def judge(self, oids: Sequence[str]) -> Iterator[tuple[Decision, SignatureFacts]]:
        """Judge each."""
        for oid in oids:
            try:
                yield self.beside(oid)
            except GitsignError as error:
                yield unread_head(error)

    def needs_parents(self, oid: str) -> bool:  # noqa: ARG002
        """Nothing before a commit counts."""
        return False


class FixedPolicy:
    """One policy judges everything after an introduction, if there is one.

    ``facts_of`` serves forge merges, which rest on what they merge, and ``heads`` what forges copy. An error in place
    of the introduction says why it is not here: nobody can tell then whether a commit that the policy refuses is older,
    and accepted as it is.
    """

    def __init__(
        self,
        policy: Policy,
        source: ObjectSource,
        graph: MergeGraph,
        facts_of: FactsOf,
        introduction: str | UncheckedError,
        *,
        submission: Submission,
        heads: HeadSource | None,
    ) -> None:
        self._lost = introduction if isinstance(introduction, UncheckedError) else None
        self._policy = policy
        self._graph = graph
        self._introduction = introduction if isinstance(introduction, str) else ""
        self._facts_of = facts_of
        known = None if heads is None else Heads(source, graph, heads, _Apart(self._beside))
        self._around = InRepository(source, graph, self._is_accepted, submission, known)
        self._refs: tuple[str, ...] = ()
        self._depth = 0
        self._remembered: dict[tuple[str, tuple[str, ...]], tuple[Decision, SignatureFacts] | GitsignError] = {}

    def judge(self, item: Scanned, facts: SignatureFacts, refs: Collection[str]) -> Decision:
        """Judge by the rules for each of the refs; the first refusal counts."""
        decision = self._decide(item, facts, refs)
        if self._lost is None or decision.accepted or item.kind == "tag":
            return decision
        why = f"{decision.message}, and may be older than the introduction: {self._lost.message}; {self._lost.hint}"
        return Decision("unchecked", self._lost.reason, why)

    def _decide(self, item: Scanned, facts: SignatureFacts, refs: Collection[str]) -> Decision:
        if facts is UNSIGNED and refs and is_plainly_unsigned(self._policy, item.oid, item.count_parents()):
            return _NOBODY
        self._refs = tuple(refs)
        return _guarded(lambda: self._on_all(commit_facts(item), facts))

    def _on_all(self, commit: CommitFacts, facts: SignatureFacts) -> Decision:
        return evaluate_one(self._policy, commit, facts, self._refs, self._around)

    def _is_accepted(self, oid: str) -> bool:
        return self._beside(oid)[0].accepted

    def _beside(self, oid: str) -> tuple[Decision, SignatureFacts]:
        """Judge a commit apart from the walk, on the refs of the one that rests on it."""
        key = (oid, self._refs)
        found = self._remembered.get(key)
        if found is None:
            if self._depth >= _MAX_DEPTH:
                raise UncheckedError("merge-too-deep", f"forge merges of forge merges, more than {_MAX_DEPTH} deep")
            self._remember(key, UncheckedError("merge-too-deep", f"{oid} was made by a forge out of itself"))
            self._depth += 1
            try:
                found = self._judged_beside(oid)
            except GitsignError as error:
                found = error
            finally:
                self._depth -= 1
            self._remember(key, found)
        if isinstance(found, GitsignError):
            raise found
        return found

    def _judged_beside(self, oid: str) -> tuple[Decision, SignatureFacts]:
        commit, facts = self._facts_of(oid)
        try:
            decision = self._on_all(commit, facts)
        except GitsignError:
            if not self._is_older(oid):
                raise
            return BEFORE_INTRODUCTION, facts
        return (decision if decision.accepted or not self._is_older(oid) else BEFORE_INTRODUCTION), facts

    def _is_older(self, oid: str) -> bool:
        """Tell whether a commit is the introduction, or lies before it: accepted as it is, like in the walk."""
        return bool(self._introduction) and oid in self._graph.merge_bases((oid, self._introduction))

    def _remember(
        self, key: tuple[str, tuple[str, ...]], found: tuple[Decision, SignatureFacts] | GitsignError
    ) -> None:
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = found

    def pass_over(self, item: Scanned) -> None:
        """Nothing rests on it."""


class PolicyInHistory:
    """Each commit by the policy in its parents; the walk must give parents first."""

    def __init__(self, history: PolicyHistory) -> None:
        self._history = history

    def judge(self, item: Scanned, facts: SignatureFacts, refs: Collection[str]) -> Decision:
        """Judge a commit by its parents' policies, a tag by those in force at what it names."""
        if item.kind == "tag":
            target = item.parents[0] if item.parents else ""
            return _guarded(lambda: self._history.judge_tag(commit_facts(item), target, facts, tuple(refs)))
        return _guarded(lambda: self._history.judge(commit_facts(item), facts, refs))

    def pass_over(self, item: Scanned) -> None:
        """It counts as accepted; what lies beside the introduction still does."""
        self._history.pass_over(commit_facts(item))


def _guarded(judge: Callable[[], Decision]) -> Decision:
    """Surroundings that cannot be read leave a commit unchecked, and a broken object malformed; never accepted."""
    try:
        return judge()
    except FormatError as error:
        return Decision("malformed", error.reason, error.message)
    except GitsignError as error:
        return Decision("unchecked", error.reason, error.message)
