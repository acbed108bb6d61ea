"""The audit itself: walk, verify on all cores, judge, and yield a record for each commit and tag as it comes."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import groupby
from typing import IO, TYPE_CHECKING, NamedTuple

from gitsign_py.audit.ahead import HeadsAhead
from gitsign_py.audit.approvals import Approvals
from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.closing import Closing, find_closing
from gitsign_py.audit.codec import load_facts, load_kept
from gitsign_py.audit.foreign import PROGRAMS, ForeignBatch, ForeignSignatures, unchecked
from gitsign_py.audit.jobs import NOT_EMBEDDED, Job, VerifySettings
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
from gitsign_py.audit.scan import Scanned
from gitsign_py.audit.smime import SmimeChecks
from gitsign_py.core.frozen import replace
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.walk import list_ids, read_all
from gitsign_py.policy.facts import UNSIGNED, CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.headhistory import HeadJudges
from gitsign_py.policy.history import PolicyHistory
from gitsign_py.policy.recent import RecentObjects
from gitsign_py.verification.smime import SmimeSignature, read_smime
from gitsign_py.verification.verdict import lacks_authority

if TYPE_CHECKING:
    from gitsign_py.audit.workers import PendingFacts, Workers
    from gitsign_py.verification.renewal import Renew

_TOGETHER = 16  # records of signatures that are given at once: some judgements take long (merges), and somebody waits
_AHEAD_BYTES = 4 << 20
_MAX_APART = 16_384
_CACHED = ("good", "bad")
_TIME_DEPENDENT = ("log-time-in-future",)
FetchEntries = Callable[[Sequence[Job]], dict[str, tuple[bytes, ...]]]
"""Finds log entries for online-mode objects: jobs in, entries (protobuf with body) by object id out.

A job that comes with entries had these from here, and they did not hold.
"""


class Resources:
    """The resources of a run. Without ``fetch`` only embedded entries count, without ``cache`` nothing is kept.

    ``renew`` may give a newer trust root where the run's lacks an authority.
    """

    def __init__(
        self,
        settings: VerifySettings,
        jobs: int = 0,
        cache: FactsCache | None = None,
        fetch: FetchEntries | None = None,
        renew: "Renew | None" = None,
    ) -> None:
        self.settings = settings
        self.jobs = jobs
        self.cache = cache
        self.fetch = fetch
        self.renew = renew
        self._workers: Workers | None = None

    def workers(self) -> "Workers":
        """The verifying processes, from the first signature on that is not in the cache."""
        if self._workers is None:
            from gitsign_py.audit.workers import Workers  # noqa: PLC0415 - cryptography and the pool cost 200 ms

            self._workers = Workers(self.settings, self.jobs or os.cpu_count() or 1)
        return self._workers

    def renewed(self, error: GitsignError) -> bool:
        """Go on with a newer trust root, if there is one. Facts by it are not kept: the cache is of the older one."""
        newer = self.renew(error) if self.renew is not None else None
        if newer is None or self.settings.trusted_root is None or newer.digest == self.settings.trusted_root.digest:
            return False
        self.close()
        self.settings, self.cache = replace(self.settings, trusted_root=newer), None
        return True

    def close(self) -> None:
        """End the processes."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None


class _Begun(NamedTuple):
    """A batch on its way: what was read, facts known already, jobs that were sent, other formats, the answer.

    Where git cannot be asked about other formats, their facts stand there.

    ``apart`` are commits of heads that may be asked for when the batch is judged.
    """

    items: list[Scanned]
    apart: list[Scanned]
    facts: dict[str, SignatureFacts]
    jobs: list[Job]
    foreign: "ForeignBatch | dict[str, SignatureFacts]"
    smime: list[tuple[Scanned, SmimeSignature]]
    answer: "PendingFacts | None"

    @property
    def size(self) -> int:
        """Bytes that wait for their verdict."""
        return sum(len(job.payload) for job in self.jobs)


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


def _lacking(text: str) -> GitsignError | None:
    """The error of facts that lack an authority of the trust root."""
    if '"unchecked"' not in text:
        return None
    facts = load_facts(text)
    error = UncheckedError(facts.reason, facts.message)
    return error if facts.status == "unchecked" and lacks_authority(error) else None


class _Audit:
    """One run."""

    def __init__(self, repository: GitRepository, plan: AuditPlan, resources: Resources, errors: IO[bytes]) -> None:
        self._repository = repository
        plan, lost = _with_introduction(repository, judged_part(plan))
        self._plan = plan
        self._resources = resources
        self._first_root = resources.settings.trusted_root
        self._errors = errors
        self._git = git_of(repository)  # a walk by it ends where the history is cut off
        self._whole = git_of(repository, whole=True)  # by this it fails there
        self._graph = graph_of(repository)
        self._objects = RecentObjects(repository)
        self._heads = PullHeads(repository, self._objects)
        self._smime = SmimeChecks(self._git.environment, resources.jobs)
        self._verified_apart: dict[str, tuple[CommitFacts, SignatureFacts]] = {}
        self._ahead = HeadsAhead(self._heads, self._objects, [plan.policy])
        self._foreign = ForeignSignatures(
            self._git,
            resources.jobs or os.cpu_count() or 1,
            lambda jobs: resources.workers().submit(jobs),
            lambda: resources.cache,
        )
        self._judge = self._choose_judge(lost)
        self._membership: Membership = membership_of(self._git, plan, errors)

    # -- who judges ---------------------------------------------------------------------------------------------

    def _choose_judge(self, lost: UncheckedError | None) -> Judge:
        policy = self._plan.policy
        approvals = Approvals(self._repository, lambda: self._resources.settings)
        if self._plan.in_history:
            older, vouched = self._judged_before()
            closing = self._closing(self._plan.introduction)
            history = PolicyHistory(
                self._objects,
                self._graph,
                self._plan.introduction,
                older,
                closing=closing.policy,
                pusher=self._plan.pusher,
                vouched=vouched,
                unclosed=closing.missing,
                was_accepted=self._plan.was_accepted,
                heads=HeadJudges(self._heads, self._facts_of),
                approvals=approvals,
            )
            first = history.start()  # there must be one
            self._ahead = HeadsAhead(self._heads, self._objects, [first, closing.policy])
            return PolicyInHistory(history)
        if policy is None:
            return AnySigner(self._plan.signers)
        begin, pusher = self._plan.introduction, self._plan.pusher
        heads = self._heads if any(forge.copies for forge in policy.forges) else None
        return FixedPolicy(
            policy,
            self._objects,
            self._graph,
            self._facts_of,
            begin,
            pusher=pusher,
            lost=lost,
            heads=heads,
            approvals=approvals,
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
        pending: deque[_Begun] = deque()
        depth = 2 * (self._resources.jobs or os.cpu_count() or 1)
        for items in self._walked():
            pending.append(self._begin(items, self._read_apart(items)))
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
        facts = self._gather(self._begin(items))
        pairs = zip(targets, items, strict=True)
        return [self._judged(item, facts, target.ref)._replace(kind="tag") for target, item in pairs]

    # -- verification -------------------------------------------------------------------------------------------

    def _read_apart(self, items: list[Scanned]) -> list[Scanned]:
        oids = [oid for oid in self._ahead.behind(items) if oid not in self._verified_apart]
        found = (self._objects.read(oid) for oid in oids)
        return [read_one(one.oid, one.kind, one.data, two_hashes=self._git.two_hashes) for one in found]

    def _begin(self, items: list[Scanned], apart: Sequence[Scanned] = ()) -> _Begun:
        signed = [item for item in (*items, *apart) if item.form]
        facts: dict[str, SignatureFacts] = {}
        jobs: list[Job] = []
        foreign = self._begin_foreign([item for item in signed if item.form in PROGRAMS])
        smime: list[tuple[Scanned, SmimeSignature]] = []
        for item in signed:
            if item.form != "sigstore" or item.split is None:
                continue
            kept = self._resources.cache.get(item.oid) if self._resources.cache else None
            known = load_kept(kept) if kept is not None else None
            armored = item.split.signature or b""
            if known is not None:
                facts[item.oid] = known
            elif found := read_smime(armored, self._resources.settings.trusted_root):
                smime.append((item, found))
            else:
                jobs.append(Job(item.oid, item.split.payload, armored))
        answer = self._resources.workers().submit(jobs) if jobs else None
        return _Begun(items, list(apart), facts, jobs, foreign, smime, answer)

    def _finish(self, begun: _Begun) -> Iterator[Batch]:
        items = begun.items
        if not begun.apart and not any(item.form or item.malformed[0] for item in items):
            yield from self._unsigned(items)
            return
        facts = self._gather(begun)
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

    def _gather(self, begun: _Begun) -> dict[str, SignatureFacts]:
        facts = begun.facts
        if begun.answer is not None:
            texts = dict(zip((job.oid for job in begun.jobs), begun.answer.wait(), strict=True))
            texts |= self._by_newer_root(begun.jobs, texts)
            texts |= self._with_fetched_entries(begun.jobs, texts)
            fresh = {oid: load_facts(text) for oid, text in texts.items()}
            facts.update(fresh)
            self._keep(texts, fresh)
        facts.update(self._finish_foreign(begun.foreign))
        if begun.smime:
            facts.update(self._smime.verify(begun.smime, self._resources.settings.trusted_root))
        return facts

    def _by_newer_root(self, jobs: Sequence[Job], texts: dict[str, str]) -> dict[str, str]:
        """Verify once more what lacked an authority, by a newer trust root if there is one."""
        if self._resources.renew is None:
            return {}
        lacking = [(job, error) for job in jobs if (error := _lacking(texts[job.oid])) is not None]
        trusted_root = self._resources.settings.trusted_root
        if not lacking or not (self._resources.renewed(lacking[0][1]) or trusted_root is not self._first_root):
            return {}
        return self._verified([job for job, _ in lacking])

    def _with_fetched_entries(self, jobs: Sequence[Job], texts: dict[str, str]) -> dict[str, str]:
        """Verify online-mode objects once more, with the entries that a store or the log has for them."""
        wanted = [
            job for job in jobs if NOT_EMBEDDED in texts[job.oid] and load_facts(texts[job.oid]).reason == NOT_EMBEDDED
        ]
        if not wanted or self._resources.fetch is None:
            return {}
        entries = self._resources.fetch(wanted)
        again = [job._replace(entries=entries[job.oid]) for job in wanted if entries.get(job.oid)]
        found = self._verified(again)
        return found | self._verified(self._from_the_log(again, found))

    def _from_the_log(self, jobs: Sequence[Job], found: dict[str, str]) -> list[Job]:
        """Anybody can write a note: where kept entries do not hold, the log is asked in their place."""
        refused = [job for job in jobs if load_facts(found[job.oid]).status == "unchecked"]
        if not refused or self._resources.fetch is None:
            return []
        entries = self._resources.fetch(refused)
        return [job._replace(entries=entries[job.oid]) for job in refused if entries.get(job.oid)]

    def _verified(self, jobs: Sequence[Job]) -> dict[str, str]:
        if not jobs:
            return {}
        return dict(zip((job.oid for job in jobs), self._resources.workers().submit(jobs).wait(), strict=True))

    def _keep(self, texts: dict[str, str], facts: dict[str, SignatureFacts]) -> None:
        """Keep what no later run could find otherwise: good, or bad for a reason that stays."""
        if self._resources.cache is None:
            return
        lasting = [
            (oid, texts[oid])
            for oid, found in facts.items()
            if found.status in _CACHED and found.reason not in _TIME_DEPENDENT
        ]
        self._resources.cache.put(lasting)

    def _begin_foreign(self, items: Sequence[Scanned]) -> "ForeignBatch | dict[str, SignatureFacts]":
        try:
            return self._foreign.begin(items) if items else {}
        except UncheckedError as error:
            return unchecked(items, error)

    def _finish_foreign(self, begun: "ForeignBatch | dict[str, SignatureFacts]") -> dict[str, SignatureFacts]:
        if isinstance(begun, dict):
            return begun
        try:
            return self._foreign.finish(begun)
        except UncheckedError as error:
            return unchecked(begun.items, error)

    def keep(self) -> None:
        """Keep what is worth it at the end of a run."""
        self._foreign.keep()

    def _facts_of(self, oid: str) -> tuple[CommitFacts, SignatureFacts]:
        """Read and verify one commit apart from the walk, for what rests on it."""
        if found := self._verified_apart.get(oid):
            return found
        stored = self._repository.read(oid)
        item = read_one(oid, stored.kind, stored.data, two_hashes=self._git.two_hashes)
        facts = self._gather(self._begin([item]))
        return commit_facts(item), signature_of(item, facts)

    def _judged(self, item: Scanned, facts: dict[str, SignatureFacts], ref: str) -> Record:
        found = signature_of(item, facts)
        return record_of(item, found, self._judge.judge(item, found, (ref,)), ref)
