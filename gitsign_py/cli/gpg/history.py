"""The answer to git's own commands by the policy in the history (gitsign.policyMode = history).

A commit follows the policies in its parents, so its verdict rests on all commits since the introduction. The
accepted ones are remembered, as the audit remembers signatures (``audit/cache.py``), under everything that the answer
depends on: then one commit is judged and no more. Otherwise the audit's own engine walks what is not known yet.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

from gitsign_py.agent.conversation import DeclinedError
from gitsign_py.audit.acceptances import Acceptances
from gitsign_py.audit.approvals import REF as APPROVALS
from gitsign_py.audit.approvals import Approvals
from gitsign_py.audit.cache import Basis
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.judges import BEFORE_INTRODUCTION, PolicyInHistory
from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.scan import Scanned
from gitsign_py.audit.smime import UNSEEN
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.gpg.approvals import approvals_in
from gitsign_py.core.frozen import replace
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.graph import GitGraph
from gitsign_py.host.git.naming import commit_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.walk import Git
from gitsign_py.host.progress import counted
from gitsign_py.host.terminal import open_terminal
from gitsign_py.policy.facts import Decision, SignatureFacts
from gitsign_py.policy.history import JudgedBefore, PolicyHistory
from gitsign_py.policy.surroundings import Submission

_UNREAD = "policy-unread"
_Found = tuple[Decision | None, list[str]]
"""The decision and the commits that were accepted; no decision where it rests on one of which nothing was kept."""
_NO_KEYS: Mapping[str, bytes] = {}
_MAX_GAP = 256
"""So many commits are looked at for accepted ones behind them; when that is not enough, everything is judged."""


def judge_in_history(
    settings: wiring.Settings,
    repository: GitRepository,
    item: Scanned,
    facts: SignatureFacts,
    *,
    ref: str,
    trust_digest: str,
    in_agent: bool = False,
) -> Decision:
    """Judge a commit or tag whose signature left ``facts``, for ``ref``.

    Raises DeclinedError for a history of which nothing is known ``in_agent``, who has neither a terminal for the count
    nor processes to verify in; ConfigError ``introduction-missing``, UncheckedError ``protected-ref-missing``,
    PolicyError, and what an audit raises.
    """
    plan = auditing.history_plan(settings, repository)
    if plan.closing is not None and plan.closing.missing is not None:
        raise plan.closing.missing
    graph = GitGraph(repository, repository.environment, repository.directory)
    approvals = approvals_in(settings, repository)
    commits = (item.oid,) if item.kind == "commit" else item.parents
    is_older = all(graph.is_ancestor(oid, plan.introduction) for oid in commits)
    if is_older and item.kind == "commit":
        return BEFORE_INTRODUCTION
    with ExitStack() as stack:
        basis = _basis(settings, plan, ref, trust_digest)
        basis = replace(basis, history=(*basis.history, commit_at(repository, APPROVALS)))
        git = Git(repository.environment, repository.directory, repository.grafts)
        verdicts = Acceptances(auditing.facts_cache(stack, basis, auditing.warn_on_stderr), git)
        accepted = _look_back(repository, plan, item.parents, verdicts)
        plan = replace(plan, targets=(_target(item, ref),))
        kept = replace(plan, exclude=tuple(accepted), was_accepted=verdicts.holds if accepted else None)
        if is_older or accepted == set(item.parents):
            decision, fresh = _judge_one(repository, kept, graph, item, facts, approvals=approvals)
            met = UNSEEN if facts.form == "x509" else _NO_KEYS
        else:
            if in_agent and not accepted:
                raise DeclinedError
            decision, fresh, met = _walk(settings, repository, kept, item.oid, jobs=1 if in_agent else 0)
        if decision is None and accepted:
            if in_agent:
                raise DeclinedError
            decision, fresh, met = _walk(settings, repository, plan, item.oid, jobs=0)
        if decision is None:
            raise UncheckedError("object-missing", f"{item.oid} is not in the history that was walked")
        verdicts.keep(fresh, met)
    return decision


def _target(item: Scanned, ref: str) -> Target:
    if item.kind == "tag":
        return Target(ref, item.parents[0] if item.parents else "", item.oid)
    return Target(ref, item.oid)


def _judge_one(
    repository: GitRepository,
    plan: AuditPlan,
    graph: GitGraph,
    item: Scanned,
    facts: SignatureFacts,
    *,
    approvals: Approvals,
) -> _Found:
    """Judge a commit whose parents were accepted, or a tag."""
    history = PolicyHistory(
        repository,
        graph,
        plan.introduction,
        JudgedBefore(vouched=frozenset(plan.exclude), was_accepted=plan.was_accepted),
        closing=plan.policy,
        submission=Submission(approvals=approvals),
    )
    decision = PolicyInHistory(history).judge(item, facts, (plan.targets[0].ref,))
    if decision.reason == _UNREAD and plan.was_accepted is not None:
        return None, []
    return decision, [item.oid] if decision.accepted and item.kind == "commit" else []


def _basis(settings: wiring.Settings, plan: AuditPlan, ref: str, trust_digest: str) -> Basis:
    """Everything that an acceptance depends on, besides the commit and with it all that is before it."""
    closing = plan.policy.digest if plan.policy else ""
    history = (plan.introduction, closing, ref)
    witnesses = wiring.witness_policy(settings)
    return Basis(
        "acceptances",
        trust_digest,
        require_timestamp=wiring.require_timestamp(settings),
        witnesses=witnesses.digest if witnesses else "",
        history=history,
    )


def _look_back(repository: GitRepository, plan: AuditPlan, commits: Sequence[str], verdicts: Acceptances) -> set[str]:
    """The accepted commits nearest before ``commits``, these included; none when they are too far away."""
    accepted: set[str] = set()
    seen = set(commits)
    todo = list(commits)
    while todo:
        oid = todo.pop()
        if oid == plan.introduction or verdicts.holds(oid):
            accepted.add(oid)
            continue
        if len(seen) > _MAX_GAP or not verdicts.are_kept:
            return set()
        new = set(split_commit(repository.read(oid).data, two_hashes=True).parents) - seen
        seen |= new
        todo += new
    return accepted


def _walk(
    settings: wiring.Settings, repository: GitRepository, plan: AuditPlan, wanted: str, *, jobs: int
) -> tuple[Decision | None, list[str], Mapping[str, bytes]]:
    """Judge by the engine. Gives beside the answer what the verdicts on foreign signatures rest on."""
    decision: Decision | None = None
    accepted: list[str] = []
    with ExitStack() as stack:  # the cache of signatures is closed before verdicts are written to the same file
        audit_options = auditing.AuditOptions(jobs=jobs)
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        terminal = stack.enter_context(open_terminal(settings.environment, log_path=None, now=wiring.now))
        records = stack.enter_context(closing(audit_history(repository, plan, prepared.resources)))
        for record in counted(records, terminal.canvas, "commits of the history judged"):
            if record.reason == _UNREAD and plan.was_accepted is not None:
                return None, [], _NO_KEYS
            if record.oid == wanted:
                decision = Decision(record.verdict, record.reason, record.message, record.rule, record.principal)
            if record.accepted and record.kind == "commit":
                accepted.append(record.oid)
        return decision, accepted, prepared.resources.keys
