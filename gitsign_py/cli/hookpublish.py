"""The statuses of a push on a forge: post-receive judges again what pre-receive let in, and tells the forge.

Before the refs have moved no forge knows the commits. What was verified then is remembered, so this costs little.
"""

from collections.abc import Callable, Iterable, Iterator

from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.record import Record
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.serverrefs import Push
from gitsign_py.cli import wiring
from gitsign_py.cli.publishing import Publishing, publishing
from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError


def forge_of(settings: wiring.Settings) -> Publishing:
    """Where statuses go by the settings. Raises ConfigError ``publish-where`` and what ``publishing`` raises."""
    config = settings.config
    if not config.publish:
        raise ConfigError(
            "publish-where",
            "gitsign.publish does not say on which forge",
            hint="git config gitsign.publish github, gitlab or gitea; or uninstall this hook",
        )
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


def publish_push(
    what: Publishing,
    settings: wiring.Settings,
    plans: Iterable[AuditPlan],
    audited: Callable[[AuditPlan], Iterator[Record]],
) -> bool:
    """Set a status for the head of each branch that has something new; gives whether all of them stand."""
    stand = True
    for plan in plans:
        heads = [target.commit for target in plan.targets if target.ref.startswith("refs/heads/")]
        rollup = Rollup()
        for record in audited(plan):
            rollup.add([record])
        if heads and rollup.total:
            stand = what.publish(settings, dict.fromkeys(heads), rollup, None) and stand
    return stand
