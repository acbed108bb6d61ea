"""After a push: post-receive judges again what pre-receive let in, states it, notes merged heads, and tells a forge.

Before the refs have moved nothing can be written beside them, and no forge knows the commits. What was verified then is
remembered, so this costs little.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.record import Record
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.serverrefs import Push
from gitsign_py.audit.updates import RefUpdate
from gitsign_py.cli import wiring
from gitsign_py.cli.hookcall import (
    FAILED,
    Call,
    HookRun,
    audited,
    base_plan,
    brings,
    is_asked_about,
    own_updates,
    plans_of,
    pushed_by,
)
from gitsign_py.cli.publishing import Publishing, publishing
from gitsign_py.cli.sourcerefs import is_source_ref, wants_statements
from gitsign_py.cli.text import line_of
from gitsign_py.core.frozen import replace
from gitsign_py.core.printing import printable
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.git.objects import GitRepository

_TRIES = 3


def after(hook_run: HookRun, call: Call, pushes: Sequence[Push]) -> int:
    """The push is in: each of these is done whatever becomes of the other, and stops nothing."""
    attested = _attest(hook_run, pushes)
    try:
        return 0 if _note_and_publish(hook_run, call, pushes) and attested else 1
    except GitsignError as error:
        print(f"gitsign-py: after the push: {line_of(error)}", file=sys.stderr)
        return 1


def _note_and_publish(hook_run: HookRun, call: Call, pushes: Sequence[Push]) -> bool:
    settings = hook_run.settings
    forge = forge_of(settings)
    asked = [push for push in map(before_the_push, pushes) if brings(push) and is_asked_about(call, push)]
    based = [(push, base_plan(hook_run, call, push)) for push in asked]
    based = [(push, plan) for push, plan in based if has_work(forge, plan)]
    by = pushed_by(hook_run, call)
    made = [one for push, plan in based for one in plans_of(hook_run, call, push, plan, by)]
    return after_push(forge, settings, hook_run.repository, made, lambda plan: audited(hook_run, plan))


def _attest(hook_run: HookRun, pushes: Sequence[Push]) -> bool:
    """State how each source ref came to where it is, each whatever becomes of the others; gives whether all are."""
    server = hook_run.settings.config.server
    updates = [one for one in own_updates(pushes) if not one.brings_nothing and is_source_ref(server, one.ref)]
    stated = [_attest_one(hook_run, update) for update in updates if wants_statements(server)]
    return all(stated)


def _attest_one(hook_run: HookRun, update: RefUpdate) -> bool:
    from gitsign_py.cli import sourceserver  # noqa: PLC0415 - a signature's modules, for servers that sign

    settings, repository = hook_run.settings, hook_run.repository
    try:
        sourceserver.check_unattended(settings)
        server = sourceserver.server_of(settings, repository)
        for made in sourceserver.attest_ref(server, update.ref, update.new, update.old):
            print(printable(f"gitsign-py: {sourceserver.told(made)}"), file=sys.stderr, flush=True)
    except GitsignError as error:
        words = line_of(error)
    except OSError as error:
        words = f"{error.strerror or error}: {error.filename or 'marks of updates'} [hook-resources]"
    else:
        return True
    print(printable(f"gitsign-py: {FAILED['post-receive']}: {words} ({update.ref})"), file=sys.stderr)
    return False


def forge_of(settings: wiring.Settings) -> Publishing | None:
    """Where statuses go by the settings, None where they name no forge. Raises what ``publishing`` raises."""
    server = settings.config.server
    if not server.publish:
        return None
    given = server.publish_project, server.publish_url, server.report_url
    return publishing(server.publish, settings.environment, *given)


def before_the_push(push: Push) -> Push:
    """The same push with the refs as they were: what has just moved does not vouch for itself."""
    old = {update.ref: update.old for update in push.updates}
    existing = (_as_it_was(one, old) for one in push.existing)
    return replace(push, existing=tuple(one for one in existing if one is not None))


def _as_it_was(target: Target, old: dict[str, str]) -> Target | None:
    if target.ref not in old:
        return target
    return replace(target, commit=old[target.ref]) if old[target.ref].strip("0") and not target.tag else None


def has_work(what: Publishing | None, plan: AuditPlan) -> bool:
    """Tell whether anything is done with what a plan finds: a status, or notes where a forge copies commits."""
    return what is not None or (plan.policy is not None and any(forge.copies for forge in plan.policy.forges))


def after_push(
    what: Publishing | None,
    settings: wiring.Settings,
    repository: GitRepository,
    plans: Iterable[AuditPlan],
    audited: Callable[[AuditPlan], Iterator[Record]],
) -> bool:
    """Note the heads of accepted squashes and rebases, and set a status for the head of each branch that has something
    new; gives whether all of it stands.
    """
    stand, heads = True, dict[str, str]()
    for plan in plans:
        tips = [target.commit for target in plan.targets if target.ref.startswith("refs/heads/")]
        rollup = Rollup()
        for record in audited(plan):
            rollup.add([record])
            if record.accepted and record.evidence:
                heads[record.oid] = record.evidence
        if what is not None and tips and rollup.total:
            stand = what.publish(settings, dict.fromkeys(tips), rollup, None) and stand
    _note(repository, heads)
    return stand


def _note(repository: GitRepository, heads: dict[str, str]) -> None:
    """Another push may write notes at the same time: then these are written on top of its."""
    for left in reversed(range(_TRIES if heads else 0)):
        try:
            MergeNotes(repository).add(heads)
        except GitsignError:
            if not left:
                raise
        else:
            return
