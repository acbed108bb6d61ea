"""From a command line to the plan of an audit: what to walk, by which policy, since when."""

import argparse

from gitsign_py.audit.plan import AuditPlan, Target, current_ref, read_refs, resolve_targets
from gitsign_py.audit.runs import Run
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.knownsigners import known_signers
from gitsign_py.cli.policysource import as_config_error, configured_policy, load_policy
from gitsign_py.core.frozen import replace
from gitsign_py.errors import PolicyError, UsageError
from gitsign_py.host.config import Signers
from gitsign_py.host.git.direct import only_git
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import commit_of, object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.model import POLICY_PATH

_NOW_SECONDS = 5.0
_JUDGED_BY = (
    "since", "first_parent", "tags", "ref", "introduction", "pushes_judged", "isolated", "offline", "trusted_root",
    "log_from", "insecure_ignore_sct",
)  # fmt: skip


def make_plan(repository: GitRepository, settings: wiring.Settings, options: argparse.Namespace) -> AuditPlan:
    """Put together what to walk and by which policy. Raises UsageError, ConfigError."""
    targets, exclude = _targets(repository, options)
    if options.ref:
        targets = tuple(target if target.tag else replace(target, ref=options.ref) for target in targets)
    walk = [*(["--first-parent"] if options.first_parent else [])]
    if options.since:
        walk.append(_since(repository, options.since))
    plan = AuditPlan(targets, exclude, tuple(walk), pusher=Pusher(judged=True) if options.pushes_judged else None)
    return with_policy(repository, settings, options, plan)


def since_last(repository: GitRepository, plan: AuditPlan, before: Run | None) -> AuditPlan:
    """Leave out what the run before had seen, by the commits that its refs named. Nothing before: all of it is new."""
    seen = sorted(set(before.refs.values())) if before else []
    here = [commit for oid in seen if (commit := commit_of(repository, oid))]
    return replace(plan, exclude=(*plan.exclude, *here))


def judged_by(options: argparse.Namespace) -> list[str]:
    """The options that change verdicts, or what is seen behind a commit; the policy has a digest of its own."""
    given = [f"{name}={value}" for name in _JUDGED_BY if (value := getattr(options, name))]
    return [*given, *(one for one in options.revisions if ".." in one or one.startswith("^"))]


def walked(options: argparse.Namespace) -> list[str]:
    """The commits that were asked for, by the person's words; of what is new since, each run has its own."""
    return [*options.revisions, *(["--all"] if options.all else []), *(["--since-last"] if options.since_last else [])]


def has_nothing_new(repository: GitRepository, plan: AuditPlan) -> bool:
    """Tell whether everything that the plan walks was left out of it."""
    graph = graph_of(repository)
    return all(any(graph.is_ancestor(oid, seen) for seen in plan.exclude) for oid in plan.commits)


def _since(repository: GitRepository, text: str) -> str:
    """The limit as git understands it. Git takes what it does not understand for now, and then nothing is judged."""
    if repository.direct is not None:
        raise only_git(f"the date {text!r} is git's to read")
    limit = repository.run(["rev-parse", f"--since={text}"]).decode("ascii").strip()
    age = limit.removeprefix("--max-age=")
    if not age.isdigit() or abs(int(age) - wiring.now().timestamp()) < _NOW_SECONDS:
        raise UsageError(
            "since-invalid", f"git reads no date in {text!r}", hint="write it as 2024-05-31, or '3 months ago'"
        )
    return limit


def _targets(repository: GitRepository, options: argparse.Namespace) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    if options.all:
        if options.revisions:
            raise UsageError("audit-all", "--all does not go together with revisions")
        here = current_ref(repository)  # commits that several refs have are counted for the first of them
        found = tuple(sorted(read_refs(repository), key=lambda target: target.ref != here))
        exclude: tuple[str, ...] = ()
    else:
        found, exclude = resolve_targets(repository, tuple(options.revisions))
        if options.tags:
            known = {(target.tag, target.ref) for target in found}  # one tag may stand below two names
            there = read_refs(repository, ("refs/tags/",))
            found += tuple(tag for tag in there if tag.tag and (tag.tag, tag.ref) not in known)
    if options.tags:
        return found, exclude
    for target in found:
        if not target.commit and not options.all:  # an audit of nothing looks like a success
            named = target.ref if target.ref.startswith("refs/tags/") else target.tag  # named by its id
            raise UsageError("revision-kind", f"{named} is a tag of no commit", hint="judge the tag itself with --tags")
    return tuple(replace(target, tag="") for target in found if target.commit), exclude


def with_policy(
    repository: GitRepository, settings: wiring.Settings, options: argparse.Namespace, plan: AuditPlan
) -> AuditPlan:
    """Add the policy that options and settings name. Raises UsageError, ConfigError, UncheckedError."""
    introduction = options.introduction or settings.config.signers.introduction
    if options.in_history and (options.policy or options.no_policy):
        raise UsageError("audit-policy", "--in-history does not go together with --policy or --no-policy")
    if options.policy and options.no_policy:
        raise UsageError("audit-policy", "--policy does not go together with --no-policy")
    if is_in_history(settings.config.signers, options):
        return _in_history(repository, settings, plan, introduction)
    configured = "" if options.no_policy else settings.config.signers.policy
    if not (options.policy or configured):
        _hint(repository)
        plan = replace(plan, signers=known_signers(repository, settings, warn=auditing.warn_on_stderr))
        return replace(plan, introduction=_full(repository, introduction) if options.introduction else "")
    try:
        if options.policy:
            policy = load_policy(repository, options.policy)
        else:
            policy = configured_policy(repository, configured)
    except PolicyError as error:
        raise as_config_error(error) from error
    return replace(plan, policy=policy, introduction=_full(repository, options.introduction or policy.introduction))


def is_in_history(signers: Signers, options: argparse.Namespace) -> bool:
    """Tell whether the policy in the history is asked for, or configured and nothing else asked for."""
    configured = signers.in_history and not (options.policy or options.no_policy)
    return bool(options.in_history) or configured


def _in_history(repository: GitRepository, settings: wiring.Settings, plan: AuditPlan, introduction: str) -> AuditPlan:
    if not introduction:
        raise UsageError(
            "introduction-missing",
            "a policy in the history needs an introduction, which says where the policy starts",
            hint="give --introduction ID, or git config gitsign.introduction ID; see gitsign-py policy init",
        )
    if any(option.startswith(("--since", "--first-parent")) for option in plan.options):
        raise UsageError(
            "audit-policy", "a policy in the history needs all commits: leave out --since and --first-parent"
        )
    plan = replace(plan, introduction=_full(repository, introduction), in_history=True)
    try:
        return auditing.closed(settings, repository, plan)
    except PolicyError as error:
        raise as_config_error(error) from error


def _full(repository: GitRepository, introduction: str) -> str:
    """The introduction is pinned by its whole id: a name or a short id could come to mean something else."""
    if introduction and (len(introduction) not in (40, 64) or not set(introduction) <= set("0123456789abcdef")):
        raise UsageError("introduction-invalid", f"the introduction {introduction} is not a full commit id")
    if introduction and (len(introduction) == 64) != (repository.algorithm == "sha256"):
        raise UsageError(
            "introduction-invalid", f"the introduction {introduction} is not an id of this repository's kind"
        )
    return introduction


def _hint(repository: GitRepository) -> None:
    """A policy that lies there and is not used would be the wrong kind of silence."""
    if object_at(repository, f"HEAD:{POLICY_PATH}"):
        auditing.warn_on_stderr(
            f"this audit ignores the policy in {POLICY_PATH}: "
            f"to apply it, add --in-history, or --policy HEAD:{POLICY_PATH}"
        )
