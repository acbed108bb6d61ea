"""One update of a ref, as a server states it: the changes that it brought, judged by the hooks' plans, and what held.

A branch vouches for what its last statement was about, and for nothing else: other branches, however judged, do not.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from gitsign_py.audit.plan import AuditPlan, Target, read_refs
from gitsign_py.audit.record import Record
from gitsign_py.audit.updates import RefUpdate, commits_with_policy, plans, targets_of
from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.errors import GitsignError, PolicyError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import commit_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.history import policy_at
from gitsign_py.policy.model import POLICY_PATH, Policy
from gitsign_py.source.continuity import Link
from gitsign_py.source.controls import JudgedChange, Move, Since, carried_on, held_controls
from gitsign_py.source.provenance import Previous, Provenance

Audit = Callable[[AuditPlan], Iterable[Record]]


@frozen
class SeenUpdate:
    """An update at a ``time``. ``old`` is empty where nobody saw it; ``was_judged``: the hook left its mark."""

    ref: str
    old: str
    new: str
    time: datetime
    was_judged: bool = False
    pusher: Mapping[str, str] = field(default_factory=dict)


def stated(
    repository: GitRepository,
    seen: SeenUpdate,
    *,
    uri: str,
    plan: AuditPlan,
    policy_name: str,
    previous: Link | None,
    audit: Audit,
) -> Provenance:
    """Work out the provenance of an update.

    ``plan`` says by which policy, ``policy_name`` what it is called where it is not in the history; ``previous`` is the
    newest statement about the ref. Raises PolicyError ``policy-missing``, and what ``targets_of`` raises.
    """
    [target] = targets_of(repository, (RefUpdate(seen.ref, seen.old, seen.new),))
    base = _base(repository, seen, previous)
    policy = _policy_now(repository, plan, target)
    changes = _judged(repository, plan, target, base, audit)
    policies = _policies(repository, plan, target, base)
    move = Move(seen.ref, seen.was_judged, _is_forward(repository, seen, target, previous))
    held = held_controls(move, changes, policies)
    gapless = previous is not None and bool(seen.old) and previous.provenance.new == seen.old
    before = previous.provenance.controls if previous is not None and gapless else None
    return Provenance(
        repository=uri,
        ref=seen.ref,
        old=seen.old,
        revision=target.commit,
        time=seen.time,
        policy_uri=f"{uri}@{target.commit}#{POLICY_PATH}" if plan.in_history else policy_name,
        policy_digest=policy.digest,
        controls=carried_on(held, Since(target.commit, seen.time), before),
        previous=None if previous is None else Previous(previous.provenance.revision, previous.digest),
        pusher=seen.pusher,
        changes=Counter(change.verdict for change in changes or ()),
        tag=target.tag,
    )


def _base(repository: GitRepository, seen: SeenUpdate, previous: Link | None) -> str:
    """The commit whose history is stated already; without a statement, what the ref had when statements began."""
    if previous is not None:
        return previous.provenance.revision
    return commit_of(repository, seen.old) if seen.old.strip("0") else ""


def _is_forward(repository: GitRepository, seen: SeenUpdate, target: Target, previous: Link | None) -> bool:
    """A tag stays where it was made. A branch that was taken away and made anew goes on from where it was."""
    if not seen.ref.startswith("refs/heads/"):
        return bool(seen.old) and not seen.old.strip("0") and previous is None
    olds = [seen.old] if seen.old.strip("0") else []
    if previous is not None:
        olds.append(previous.provenance.revision)
    try:
        return bool(seen.old) and all(graph_of(repository).is_ancestor(old, target.commit) for old in olds)
    except GitsignError:  # what the ref had is gone
        return False


def _judged(
    repository: GitRepository, plan: AuditPlan, target: Target, base: str, audit: Audit
) -> Sequence[JudgedChange] | None:
    """The commits and tags that the update brought, as the hooks judge them; None where they were not, or not all.

    The object that the ref names now must be among them: where nothing was judged, nothing was accepted.
    """
    is_tag = target.ref.startswith("refs/tags/")
    if (is_tag and not target.tag) or (plan.policy is not None and not plan.policy.judges(target.ref)):
        return None
    # What branches have was judged there; a tag has no commits of its own.
    existing = read_refs(repository, ("refs/heads/",)) if is_tag else (Target(target.ref, base),) if base else ()
    try:
        made = plans(repository, replace(plan, targets=(target,)), existing)
        records = [record for each in made for record in audit(each)]
    except GitsignError:
        return None
    if (target.tag or target.commit) not in {record.oid for record in records}:
        return None
    return [JudgedChange(one.verdict, one.reason, one.principal, one.kind == "tag") for one in records]


def _policy_now(repository: GitRepository, plan: AuditPlan, target: Target) -> Policy:
    policy = policy_at(repository, target.commit) if plan.in_history else plan.policy
    if policy is None:
        raise PolicyError("policy-missing", f"no policy is in force at {target.commit}, so nothing can be stated of it")
    return policy


def _policies(repository: GitRepository, plan: AuditPlan, target: Target, base: str) -> Sequence[Policy]:
    """All policies that may have judged a commit of the update: those of its parents, where they lie in the history."""
    if not plan.in_history:
        return () if plan.policy is None else (plan.policy,)
    left_out = [base or plan.introduction]
    walked = repository.run(["rev-list", "--boundary", target.commit, *(f"^{oid}" for oid in left_out)])
    edge = [line[1:] for line in walked.decode("ascii").split() if line.startswith("-")]
    found = (
        policy_at(repository, oid) for oid in (*edge, *commits_with_policy(repository, (target.commit,), left_out))
    )
    return tuple({policy.digest: policy for policy in found if policy is not None}.values())
