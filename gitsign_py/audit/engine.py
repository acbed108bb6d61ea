"""The audit itself: walk, verify on all cores, judge, and yield a record for each commit and tag as it comes."""

import os
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import groupby
from typing import IO

from gitsign_py.audit.ahead import HeadsAhead
from gitsign_py.audit.approvals import Approvals
from gitsign_py.audit.closing import Closing, find_closing
from gitsign_py.audit.gathering import Begun, Gathering
from gitsign_py.audit.judges import (
    BEFORE_INTRODUCTION,
    INTRODUCTION,
    AnySigner,
    FixedPolicy,
    Judge,
    PolicyInHistory,
    commit_facts,
)
from gitsign_py.audit.membership import Membership, membership_of
from gitsign_py.audit.plan import AuditPlan, Target, check_introduction, git_of, judged_part
from gitsign_py.audit.pullheads import PullHeads
from gitsign_py.audit.reading import BATCH, read_commits, read_one
from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch, UnsignedRun, record_of, signature_of, unread
from gitsign_py.audit.resources import Resources
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.frozen import replace
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.walk import list_ids, read_all
from gitsign_py.policy.facts import UNSIGNED, CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.headhistory import HeadJudges
from gitsign_py.policy.history import JudgedBefore, PolicyHistory
from gitsign_py.policy.recent import RecentObjects
from gitsign_py.policy.surroundings import Submission

_TOGETHER = 16  # records of signatures that are given at once: some judgements take long (merges), and somebody waits
_AHEAD_BYTES = 4 << 20
_MAX_APART = 16_384


def audit_history(repository: GitRepository, plan: AuditPlan, resources: Resources) -> Generator[Record, None, None]:
    """Judge every commit, and every annotated tag, that the plan names; yields a Record for each as it comes.

    Newest first, or parents first when the policy is in the history. Raises UncheckedError when git stops early or a
    process dies (nothing after that was judged), PolicyError when the history's policy cannot start. Close the
    generator to stop early.
    """
    with closing(audit_batches(repository, plan, resources)) as batches:
        for records in batches:
            yield from records


def audit_batches(repository: GitRepository, plan: AuditPlan, resources: Resources) -> Generator[Batch, None, None]:
    """As ``audit_history``, with as many records at once as are there."""
    with ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        stack.callback(resources.close)
        audit = _Audit(repository, plan, resources, errors)
        stack.callback(audit.keep)
        if not plan.tags_only:
            commits = audit.commits()
            first = next(commits, ())  # fails where the history that follows a policy of its own is not all here
            yield from audit.before_introduction()
            yield first
            yield from commits
        yield from audit.tags()


def _with_introduction(repository: GitRepository, plan: AuditPlan) -> tuple[AuditPlan, UncheckedError | None]:
    """The plan, and why its introduction is not here: in a shallow clone a fixed policy judges without it.

    Nothing is older then, and nothing accepted for that. Raises what ``check_introduction`` raises for other plans.
    """
    if not plan.introduction:
        return plan, None
    try:
        check_introduction(repository, plan.introduction)
    except UncheckedError as error:
        if plan.in_history or plan.policy is None:
            raise
        return replace(plan, introduction=""), error
    return plan, None


class _Audit:
    """One run."""

    def __init__(self, repository: GitRepository, plan: AuditPlan, resources: Resources, errors: IO[bytes]) -> None:
        self._repository = repository
        plan, lost = _with_introduction(repository, judged_part(plan))
        self._plan = plan
        self._resources = resources
        self._errors = errors
        self._git = git_of(repository)  # a walk by it ends where the history is cut off
        self._whole = git_of(repository, whole=True)  # by this it fails there
        self._graph = graph_of(repository)
        self._objects = RecentObjects(repository)
        self._heads = PullHeads(repository, self._objects)
        self._verified_apart: dict[str, tuple[CommitFacts, SignatureFacts]] = {}
        self._ahead = HeadsAhead(self._heads, self._objects, [plan.policy])
        self._gathering = Gathering(self._git, resources)
        self._judge = self._choose_judge(lost)
        self._membership: Membership = membership_of(self._git, plan, errors)

    # -- who judges ---------------------------------------------------------------------------------------------

    def _choose_judge(self, lost: UncheckedError | None) -> Judge:
        policy = self._plan.policy
        approvals = Approvals(self._repository, lambda: self._resources.settings, self._resources.renew)
        submission = Submission(self._plan.pusher, approvals)
        if self._plan.in_history:
            closing = self._closing(self._plan.introduction)
            history = PolicyHistory(
                self._objects,
                self._graph,
                self._plan.introduction,
                JudgedBefore(*self._judged_before(), self._plan.was_accepted),
                closing=closing.policy,
                submission=submission,
                unclosed=closing.missing,
                heads=HeadJudges(self._heads, self._facts_of),
            )
            first = history.start()  # there must be one
            self._ahead = HeadsAhead(self._heads, self._objects, [first, closing.policy])
            return PolicyInHistory(history)
        if policy is None:
            return AnySigner(self._plan.signers)
        heads = self._heads if policy.forges else None
        return FixedPolicy(
            policy,
            self._objects,
            self._graph,
            self._facts_of,
            lost or self._plan.introduction,
            submission=submission,
            heads=heads,
        )

    def _closing(self, introduction: str) -> Closing:
        if self._plan.policy is not None:
            return Closing(self._plan.policy)
        return self._plan.closing or find_closing(self._repository, introduction)

    def _judged_before(self) -> tuple[frozenset[str], frozenset[str]]:
        """The part that the walk leaves out because it was judged when it came in: what hangs beside the introduction
        and on it.

        Only commits that walked ones name as parents, and those that targets name.
        """
        plan = self._plan
        if not plan.assume_judged or not plan.exclude:
            return frozenset(), frozenset()  # all since the introduction is walked
        unseen, edge = set(plan.commits), set()
        revisions = [*plan.commits, *(f"^{oid}" for oid in (plan.introduction, *plan.exclude))]
        for line in list_ids(self._whole, revisions, ["--boundary"], self._errors):
            if line.startswith("-"):
                edge.add(line[1:])
            else:
                unseen.discard(line)
        left_out = (unseen | edge) - {plan.introduction}
        vouched = frozenset(oid for oid in left_out if self._graph.is_ancestor(plan.introduction, oid))
        return frozenset(left_out - vouched), vouched

    # -- the walk -----------------------------------------------------------------------------------------------

    def before_introduction(self) -> Iterator[Sequence[Record]]:
        """Everything older than the introduction is accepted as it is, and so is the introduction."""
        plan = self._plan
        if not plan.introduction or plan.assume_judged or not plan.commits:
            return
        revisions = [plan.introduction, *(f"^{oid}" for oid in plan.exclude)]
        for items in read_commits(self._git, revisions, plan.options, self._errors):
            yield [self._accepted_as_it_is(item) for item in items]

    def _accepted_as_it_is(self, item: Scanned) -> Record:
        if item.malformed[0]:
            return unread(item)
        decision = INTRODUCTION if item.oid == self._plan.introduction else BEFORE_INTRODUCTION
        # The branches that lead there do not matter: the introduction lies on the first of them.
        return record_of(item, SignatureFacts("unsigned", item.form), decision, self._membership.refs[0])  # type: ignore[arg-type]

    def commits(self) -> Iterator[Batch]:
        """Walk, a few batches ahead of the verdicts."""
        pending: deque[Begun] = deque()
        depth = 2 * (self._resources.jobs or os.cpu_count() or 1)
        for items in self._walked():
            pending.append(self._gathering.begin(items, self._read_apart(items)))
            while len(pending) > depth or sum(begun.size for begun in pending) > _AHEAD_BYTES:
                yield from self._finish(pending.popleft())
        while pending:
            yield from self._finish(pending.popleft())

    def _walked(self) -> Iterator[list[Scanned]]:
        plan = self._plan
        if not plan.commits:
            return iter(())
        exclude = plan.exclude if not plan.in_history or plan.assume_judged else ()
        left_out = (*exclude, *((plan.introduction,) if plan.introduction else ()))
        # Order matters to the history's own policy alone; putting a whole history in order costs git half a second.
        options = [*(("--topo-order", "--reverse") if plan.in_history else ()), *plan.options]
        # A commit that is missing after the introduction may have brought another policy, or taken one away. A range is
        # asked for whole; and a push vouches for all that lies before it, missing now and there later.
        is_part = bool(plan.exclude) or plan.assume_judged
        git = self._whole if plan.in_history or is_part else self._git
        return read_commits(git, [*plan.commits, *(f"^{oid}" for oid in left_out)], options, self._errors)

    def tags(self) -> Iterator[Sequence[Record]]:
        """Judge the annotated tags of the plan, each for its own ref."""
        targets = [target for target in self._plan.targets if target.tag]
        for at in range(0, len(targets), BATCH):
            yield self._tag_batch(targets[at : at + BATCH])

    def _tag_batch(self, targets: Sequence[Target]) -> Sequence[Record]:
        stored = {one.oid: one for one in read_all(self._git, [target.tag for target in targets], self._errors)}
        items: list[Scanned] = []
        for target in targets:
            item = read_one(*stored[target.tag], two_hashes=self._git.two_hashes)
            # Where a tag of a tag leads in the end is what policies are asked about.
            items.append(item.leading_to("" if item.malformed[0] else target.commit))
        facts = self._gathering.gather(self._gathering.begin(items))
        pairs = zip(targets, items, strict=True)
        return [self._judged(item, facts, target.ref)._replace(kind="tag") for target, item in pairs]

    # -- verification -------------------------------------------------------------------------------------------

    def _read_apart(self, items: list[Scanned]) -> list[Scanned]:
        oids = [oid for oid in self._ahead.behind(items) if oid not in self._verified_apart]
        found = (self._objects.read(oid) for oid in oids)
        return [read_one(one.oid, one.kind, one.data, two_hashes=self._git.two_hashes) for one in found]

    def _finish(self, begun: Begun) -> Iterator[Batch]:
        items = begun.items
        if not begun.apart and not any(item.form or item.malformed[0] for item in items):
            yield from self._unsigned(items)
            return
        facts = self._gathering.gather(begun)
        if len(self._verified_apart) > _MAX_APART:
            self._verified_apart.clear()
        self._verified_apart.update({one.oid: (commit_facts(one), signature_of(one, facts)) for one in begun.apart})
        for at in range(0, len(items), _TOGETHER):
            yield list(self._each(items[at : at + _TOGETHER], facts))

    def _unsigned(self, items: Sequence[Scanned]) -> Iterator[UnsignedRun]:
        included = self._membership.includes
        for (decision, ref), alike in groupby(items, lambda item: self._decided(item, UNSIGNED)):
            members = [item for item in alike if included is None or item.oid in included]
            if decision is not None and members:
                yield UnsignedRun(members, decision, ref)

    def _each(self, items: Sequence[Scanned], facts: dict[str, SignatureFacts]) -> Iterator[Record]:
        included = self._membership.includes
        for item in items:
            found = signature_of(item, facts)
            decision, ref = self._decided(item, found)
            if decision is not None and (included is None or item.oid in included):
                yield record_of(item, found, decision, ref)

    def _decided(self, item: Scanned, found: SignatureFacts) -> tuple[Decision | None, str]:
        """The decision, none where it was made before; and the ref that the commit is counted for."""
        refs, ref = self._membership.place_of(item)
        if refs is None:
            self._judge.pass_over(item)
            return None, ref
        return self._judge.judge(item, found, refs), ref

    def keep(self) -> None:
        """Keep what is worth it at the end of a run."""
        self._gathering.keep()

    def _facts_of(self, oid: str) -> tuple[CommitFacts, SignatureFacts]:
        """Read and verify one commit apart from the walk, for what rests on it."""
        if found := self._verified_apart.get(oid):
            return found
        stored = self._repository.read(oid)
        item = read_one(oid, stored.kind, stored.data, two_hashes=self._git.two_hashes)
        facts = self._gathering.gather(self._gathering.begin([item]))
        return commit_facts(item), signature_of(item, facts)

    def _judged(self, item: Scanned, facts: dict[str, SignatureFacts], ref: str) -> Record:
        found = signature_of(item, facts)
        return record_of(item, found, self._judge.judge(item, found, (ref,)), ref)
