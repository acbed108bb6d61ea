"""The changes that a push would make: ref updates as git tells them to its hooks, and the plans that judge what they
bring.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from gitsign_py.audit.plan import AuditPlan, Target, ref_classes
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import FormatError, GitsignError, PolicyError, UncheckedError, UsageError, VerificationError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import commit_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.history import policy_at
from gitsign_py.policy.model import POLICY_FOLDER, Policy
from gitsign_py.policy.surroundings import MergeGraph, commit_tree
from gitsign_py.policy.trees import find_path

VOUCHING = ("refs/heads/", "refs/tags/")
"""Refs whose commits may count as judged: what is pushed there comes past the hooks. A forge writes others itself
(refs/pull/, refs/merge-requests/, refs/changes/), or nobody judges them (refs/notes/, refs/remotes/)."""
SYMBOLIC = "ref:"
"""Stands before the name of a ref in the place of an id, in a transaction that makes a symbolic ref (git 2.46)."""
_ID = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


@frozen
class RefUpdate:
    """One ref from ``old`` to ``new``, ids in hex; all zeros stand for no object."""

    ref: str
    old: str
    new: str

    @property
    def brings_nothing(self) -> bool:
        """Tell whether the ref goes away, or becomes another name of a ref that is not there."""
        return not self.new.strip("0") or self.new.startswith(SYMBOLIC)


def vouches(ref: str) -> bool:
    """Tell whether what a ref has was judged when it came in."""
    return ref.startswith(VOUCHING)


def parse_updates(data: bytes) -> tuple[RefUpdate, ...]:
    """Read the lines ``OLD SP NEW SP REF`` of pre-receive and reference-transaction (githooks(5))."""
    updates = []
    for line in data.split(b"\n"):
        if not line:
            continue
        words = line.decode("utf-8", "surrogateescape").split(" ", 2)
        if len(words) != 3:
            raise FormatError("hook-input", "git gave a line to the hook that is no ref update")
        updates.append(RefUpdate(words[2], words[0], words[1]))
    return tuple(updates)


def parse_update(arguments: Sequence[str]) -> RefUpdate:
    """Read the arguments of update: ``REF OLD NEW`` (githooks(5)), or those of Gerrit's ref-update and commit-received.

    Gerrit (plugin hooks) gives pairs, more of them than count here: ``--refname REF --oldrev OLD --newrev NEW``.
    """
    if len(arguments) == 3:
        return RefUpdate(*arguments)
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        return RefUpdate(pairs["--refname"], pairs["--oldrev"], pairs["--newrev"])
    except KeyError:
        raise UsageError("hook-usage", "the update hook takes REF OLD NEW, or Gerrit's arguments") from None


def from_pre_commit(
    repository: GitRepository, environment: Mapping[str, str], tracked: Sequence[Target]
) -> tuple[RefUpdate, ...]:
    """The updates of a push, told by the pre-commit framework: it keeps pre-push's input and sets variables instead.

    Of a push that brings the first root it says no id (hook_impl.py, ``all_files``), only the name of what is pushed.
    Of a new branch it says the parent of the first new commit for the old value, which any other branch may have
    brought: ``tracked`` are the remote's branches as far as they are known here, and a new one is not among them.

    Raises FormatError ``hook-input`` when the name of what is pushed means nothing.
    """
    new, local = environment.get("PRE_COMMIT_TO_REF", ""), environment.get("PRE_COMMIT_LOCAL_BRANCH", "")
    if not new and local:
        out = repository.run(["rev-parse", "-q", "--verify", "--end-of-options", local], accept=(0, 1, 128))
        new = out.decode("ascii", "replace").strip()
        if not new:
            raise FormatError("hook-input", "the pre-commit framework does not say what is pushed")
    ref, old = (environment.get(f"PRE_COMMIT_{name}", "") for name in ("REMOTE_BRANCH", "FROM_REF"))
    is_new = bool(tracked) and all(target.ref != ref for target in tracked)
    return (RefUpdate(ref, "" if is_new else old, new),) if new else ()


def parse_push(data: bytes) -> tuple[RefUpdate, ...]:
    """Read the lines ``LOCAL-REF SP LOCAL-OID SP REMOTE-REF SP REMOTE-OID`` of pre-push (githooks(5))."""
    updates = []
    for line in data.split(b"\n"):
        # The pushed object may be named by a date or by words of a message: HEAD@{2 days ago}, :/fix it.
        words = line.decode("utf-8", "surrogateescape").rsplit(" ", 3)
        if len(words) == 4:
            updates.append(RefUpdate(words[2], words[3], words[1]))
        elif line:
            raise FormatError("hook-input", "git gave a line to the hook that is no ref to push")
    return tuple(updates)


def parse_rewrites(data: bytes) -> tuple[tuple[str, str], ...]:
    """Read the lines ``OLD SP NEW [SP EXTRA]`` of post-rewrite (githooks(5)): ids of commits before and after."""
    lines = [line.split(b" ", 2)[:2] for line in data.split(b"\n") if line]
    if not all(len(ids) == 2 and all(map(_ID.match, ids)) for ids in lines):
        raise FormatError("hook-input", "git gave a line to the hook that is no rewritten commit")
    return tuple((old.decode("ascii"), new.decode("ascii")) for old, new in lines)


def targets_of(repository: GitRepository, updates: Iterable[RefUpdate]) -> tuple[Target, ...]:
    """The new values: a commit, or tags with the commit behind them. Raises UncheckedError, PolicyError."""
    return tuple(_target(repository, update) for update in updates if not update.brings_nothing)


def _target(repository: GitRepository, update: RefUpdate) -> Target:
    found = repository.read(update.new)
    if found.kind == "commit":
        return Target(update.ref, update.new)
    if found.kind != "tag":
        raise PolicyError("ref-kind", f"{update.ref} would name a {found.kind}, which nobody can have signed")
    return Target(update.ref, commit_of(repository, update.new), update.new)


def plans(repository: GitRepository, plan: AuditPlan, existing: Sequence[Target]) -> tuple[AuditPlan, ...]:
    """Plans for the updated refs: one for each group with the same rules, or one for a policy in the history.

    A commit is new to a group when no existing ref of that very group reaches it: what lies on a branch with lenient
    rules already is judged once more when a strict branch takes it in. Behind a signed tag only those commits are new
    that no branch has, existing or pushed along. A commit on no branch and no tag, or on one that the policy leaves
    alone, was never judged, so it is new to every other ref.
    """
    existing = tuple(one for one in existing if _was_judged(plan, one.ref) and _was_judged(plan, one.end or one.ref))
    branches = _commits(target for target in (*existing, *plan.targets) if target.ref.startswith("refs/heads/"))
    if plan.in_history:
        names = {target.ref for target in existing}
        if not all(target.tag or target.ref in names for target in plan.targets):  # what has moved needs no more
            policies = policies_since(repository, plan.introduction, _commits(existing), _commits(plan.targets))
            plan = replace(plan, policies=policies)
        return (_plan_in_history(plan, existing, branches, graph_of(repository)),)
    groups = ref_classes(plan, existing)
    made = []
    for rules, targets in ref_classes(plan, plan.targets).items():
        known = groups.get(rules, ())
        signed_tags = tuple(target for target in targets if target.tag)
        others = tuple(target for target in targets if not target.tag)
        # The commits behind a signed tag were never judged by its rules, so they are not known to their other refs.
        plain = _commits(target for target in known if not target.tag)
        for members, exclude in ((others, plain), (signed_tags, (*_commits(known), *branches))):
            if members:
                made.append(replace(plan, targets=members, exclude=exclude))
    return tuple(made)


def _was_judged(plan: AuditPlan, ref: str) -> bool:
    return vouches(ref) and (plan.policy is None or plan.policy.judges(ref))


def _plan_in_history(
    plan: AuditPlan, existing: Sequence[Target], branches: tuple[str, ...], graph: MergeGraph
) -> AuditPlan:
    """Each ref by what refs with its rules had before; what all of them had is not even walked."""
    there = tuple(target for target in existing if target.commit)
    before = ref_classes(plan, [target for target in there if not target.tag])  # tags do not vouch for other refs
    updated = list(ref_classes(plan, [target for target in plan.targets if not target.tag]))
    shared: tuple[str, ...] = () if updated else branches
    if len(updated) == 1 and not any(target.tag for target in plan.targets):  # the usual push: nobody else is asked
        return replace(plan, exclude=_commits(before.get(updated[0], ())))
    if updated and all(rules in before for rules in updated):
        commits = _commits(target for rules in updated for target in before[rules])
        shared = commits if len(updated) == 1 else graph.merge_bases(commits)
    return replace(plan, known=there, exclude=shared)


def policies_since(
    repository: GitRepository, introduction: str, accepted: Sequence[str], brought: Sequence[str]
) -> tuple[Policy, ...]:
    """Every policy that can be in force after the introduction; none where a commit that is ``brought`` changes it.

    A policy of a commit that nobody has accepted yet is not even read. The refs with the same rules are unknown then.
    """
    if commits_with_policy(repository, brought, (*accepted, introduction)):
        return ()
    listed = commits_with_policy(repository, accepted, (introduction,))
    found = (policy_at(repository, oid) for oid in (introduction, *listed))
    return tuple({policy.digest: policy for policy in found if policy is not None}.values())


def commits_with_policy(repository: GitRepository, tips: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """The commits that bring a policy: a value that no parent has comes from a listed one.

    git-rev-list(1), History Simplification: with ``--full-history`` each commit that differs from a parent is listed.
    """
    words = "".join(f"{word}\n" for word in (*dict.fromkeys(tips), *(f"^{oid}" for oid in dict.fromkeys(left_out))))
    asked = ["rev-list", "--full-history", "--stdin", "--", POLICY_FOLDER]
    return repository.run(asked, stdin=words.encode("ascii")).decode("ascii").split()


def _commits(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target.commit for target in targets if target.commit))


def judged_only(plan: AuditPlan, updates: Iterable[RefUpdate]) -> tuple[RefUpdate, ...]:
    """The updates that the policy has anything to say about."""
    policy = plan.policy
    return tuple(update for update in updates if policy is None or policy.judges(update.ref))


def check_known(repository: GitRepository, oid: str) -> bool:
    """Tell whether an object is here (the other side's tip of a push may not be)."""
    try:
        repository.read(oid)
    except UncheckedError:
        return False
    return True


def moves_before(
    repository: GitRepository, introduction: str, updates: Iterable[RefUpdate]
) -> Mapping[RefUpdate, VerificationError]:
    """The moves of branches that have the introduction to before it: what is older is exempt, and has no policy.

    Their reason is ``ref-before-introduction``.
    """
    if not introduction:
        return {}
    graph = graph_of(repository)
    found = {}
    for update in updates:
        is_move = update.old.strip("0") and not update.brings_nothing and update.ref.startswith("refs/heads/")
        if is_move and graph.is_ancestor(introduction, update.old) and not graph.is_ancestor(introduction, update.new):
            found[update] = VerificationError(
                "ref-before-introduction",
                f"{update.ref} would go back from {update.old[:12]} to {update.new[:12]}, which does not have the "
                f"introduction {introduction[:12]}: no policy judges what is older",
                hint="push a branch that has the introduction in its history, or ask the server's owner",
            )
    return found


def policy_moves_back(
    repository: GitRepository, policy: Policy, place: tuple[str, str], updates: Iterable[RefUpdate]
) -> Mapping[RefUpdate, VerificationError]:
    """The moves of the ref that ``policy`` was read from (``place``: its full name, and the path) to what does not have
    its history and has another policy: an older one, by which somebody has not left and may still do what they could.

    Their reason is ``policy-moved-back``, and ``policy-ref-deleted`` where the ref goes away: who makes it anew would
    choose where it begins.
    """
    ref, path = place
    graph = graph_of(repository)
    found = {}
    for update in updates:
        if update.ref != ref or not update.old.strip("0"):
            continue
        if update.brings_nothing:
            found[update] = VerificationError(
                "policy-ref-deleted",
                f"{ref} would be deleted, and the policy that says who may push is read from it",
                hint="ask the server's owner",
            )
            continue
        if graph.is_ancestor(update.old, update.new) or _digest_at(repository, update.new, path) == policy.digest:
            continue
        found[update] = VerificationError(
            "policy-moved-back",
            f"{ref} would go from {update.old[:12]} to {update.new[:12]}, which has another policy and not its history",
            hint="push a commit on top of the ref as it is, or ask the server's owner",
        )
    return found


def _digest_at(repository: GitRepository, commit: str, path: str) -> str:
    try:
        entry = find_path(repository, commit_tree(repository, commit), path)
        return hashlib.sha256(repository.read(entry.oid).data).hexdigest() if entry is not None else ""
    except GitsignError:
        return ""
