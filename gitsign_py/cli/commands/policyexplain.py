"""``gitsign-py policy explain``: the rule that decided about one commit or tag, and the facts it rests on."""

import argparse
import json
from collections.abc import Iterator
from contextlib import ExitStack

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, resolve_targets
from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.reports.base import sentence
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.auditplan import is_in_history, with_policy
from gitsign_py.cli.ownconfig import tell
from gitsign_py.cli.refusal import who_may
from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.namekind import described
from gitsign_py.core.printing import escaped
from gitsign_py.errors import UsageError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.progress import counted
from gitsign_py.policy.model import Policy


def run_explain(options: argparse.Namespace) -> int:
    """Say which rule decided about a commit or tag, and why; gives the exit status."""
    settings = wiring.load_settings(isolated=options.isolated)
    options.no_policy = False
    in_history = is_in_history(settings.config.signers, options)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        targets, exclude = resolve_targets(repository, tuple(options.revisions))
        if len(targets) != 1 or exclude:
            raise UsageError("revision-one", "explain takes one commit or tag")
        target = replace(targets[0], ref=options.ref or targets[0].ref)
        plan = AuditPlan((target,), exclude, () if in_history else ("--max-count=1",))
        plan = with_policy(repository, settings, options, plan)
        plan = replace(plan, tags_only=bool(target.tag) and not in_history)
        if plan.policy is None and not plan.in_history:
            raise UsageError(
                "policy-missing", "there is no policy to explain", hint="give --policy, or set gitsign.policy"
            )
        wanted = target.tag or target.commit
        found = next((one for one in _audited(stack, settings, repository, plan, options) if one.oid == wanted), None)
        if found is None and plan.introduction:  # it may be older, and then all before the introduction are listed
            whole = replace(plan, options=())
            again = _audited(stack, settings, repository, whole, options)
            found = next((one for one in again if one.oid == wanted), None)
    if found is None:
        raise UsageError("revision-unjudged", "the policy says nothing about this ref (unjudged)")
    print(
        json.dumps(as_object(found), indent=2)
        if options.json
        else _told(found, target.ref, None if in_history else plan.policy)
    )
    return 0 if found.accepted else 3 if found.verdict == "unchecked" else 1


def _audited(
    stack: ExitStack, settings: wiring.Settings, repository: GitRepository, plan: AuditPlan, options: argparse.Namespace
) -> Iterator[Record]:
    audit_options = auditing.AuditOptions(options.trusted_root, options.offline)
    prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
    tell(auditing.said_by_repository(settings, options, plan, prepared))
    return counted(audit_history(repository, plan, prepared.resources), auditing.stderr_terminal())


def _told(record: Record, ref: str, policy: Policy | None) -> str:
    """The lines; ``policy`` is the one that judged, where one stands for all commits."""
    signer = described(record.identity, record.san_type) or "nobody"
    lines = [
        f"{record.kind} {record.oid} on {escaped(ref)}: {record.verdict}",
        f"  why        {sentence(record)} [{record.reason}]",
        f"  rule       {record.rule or 'no rule was reached'}",
        f"  signer     {escaped(signer)} {escaped(record.issuer)}".rstrip(),
        f"  known as   {record.principal or 'nobody in the policy'}",
        f"  committer  {escaped(record.committer)}; author {escaped(record.author)}",
        f"  time       {record.time or 'none proven'} {record.time_source}".rstrip(),
        f"  steps      {' '.join(record.steps) or 'none passed'}",
    ]
    if policy is not None and record.verdict == "unauthorised":
        lines.append(f"  to repair  {escaped(who_may(record, policy))}")
    return "\n".join(lines)
