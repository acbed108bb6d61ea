"""After a push: post-receive judges again what pre-receive let in, notes merged heads, and tells a forge.

Before the refs have moved nothing can be written beside them, and no forge knows the commits. What was verified then is
remembered, so this costs little.
"""

from collections.abc import Callable, Iterable, Iterator

from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.record import Record
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.serverrefs import Push
from gitsign_py.cli import wiring
from gitsign_py.cli.publishing import Publishing, publishing
from gitsign_py.core.frozen import replace
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.git.objects import GitRepository

_TRIES = 3


def forge_of(settings: wiring.Settings) -> Publishing | None:
    """Where statuses go by the settings, None where they name no forge. Raises what ``publishing`` raises."""
    config = settings.config
    if not config.publish:
        return None
    given = config.publish_project, config.publish_url, config.report_url
    return publishing(config.publish, settings.environment, *given)


def before_the_push(push: Push) -> Push:
    """The same push with the refs as they were: what has just moved does not vouch for itself."""
    old = {update.ref: update.old for update in push.updates}
    existing = (_as_it_was(one, old) for one in push.existing)
    return replace(push, existing=tuple(one for one in existing if one is not None))


def _as_it_was(target: Target, old: dict[str, str]) -> Target | None:
    if target.ref not in old:
        return target
    return Target(target.ref, old[target.ref]) if old[target.ref].strip("0") and not target.tag else None


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
