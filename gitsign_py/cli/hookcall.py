"""One call of a hook: what git told it, who pushes, and the plans that judge what a push brings."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from gitsign_py.audit.closing import Place
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, Target
from gitsign_py.audit.record import Record
from gitsign_py.audit.remoterefs import remote_branches
from gitsign_py.audit.serverrefs import Push, in_push, in_transaction
from gitsign_py.audit.updates import (
    RefUpdate,
    check_known,
    from_pre_commit,
    judged_only,
    moves_before,
    parse_push,
    parse_update,
    parse_updates,
    plans,
    targets_of,
)
from gitsign_py.cli import auditing, wiring
from gitsign_py.core.frozen import replace
from gitsign_py.host.budget import Budget, BudgetSpentError
from gitsign_py.host.git.objects import GitRepository

if TYPE_CHECKING:
    from gitsign_py.cli.pusher import PushedBy
    from gitsign_py.core.trust.root import TrustedRoot

FAILED = {"post-receive": "not attested"}
"""The words for a failure of a hook that cannot refuse."""
_PROGRESS_SECONDS = 2.0


class Call(NamedTuple):
    """The hook as git calls it: its arguments, and what it reads from git."""

    settings: wiring.Settings
    name: str
    rest: list[str]
    data: bytes = b""

    def told(self) -> tuple[RefUpdate, ...]:
        """The changes of refs by their names as git tells them."""
        return (parse_update(self.rest),) if self.name == "update" else parse_updates(self.data)


class HookRun(NamedTuple):
    """The things that judging needs, for as long as the hook runs."""

    stack: ExitStack
    settings: wiring.Settings
    repository: GitRepository
    budget: Budget


def plans_of(
    hook_run: HookRun, call: Call, push: Push, plan: AuditPlan, by: "PushedBy | None"
) -> tuple[AuditPlan, ...]:
    """The base ``plan``, with what a push brings as ``by`` pushes it. Raises PolicyError for refs that move back."""
    if call.name != "pre-push":
        for error in moves_before(hook_run.repository, plan.introduction, push.updates).values():
            raise error
    plan = replace(plan, targets=targets_of(hook_run.repository, judged_only(plan, push.updates)))
    plan = replace(plan, pusher=by.pusher if by is not None else None)
    return plans(hook_run.repository, plan, push.existing)


def base_plan(hook_run: HookRun, call: Call, push: Push) -> AuditPlan:
    """By which policy, without what is judged."""
    is_server = call.name != "pre-push"
    place = Place("", is_server, "" if is_server else _pushed_remote(hook_run.repository, call.rest), push.namespace)
    return auditing.policy_plan(hook_run.settings, hook_run.repository, place)


def _pushed_remote(repository: GitRepository, rest: list[str]) -> str:
    """The remote by its name; nothing where it was given by its address."""
    name = rest[0] if rest else os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
    return name if name in repository.run(["remote"]).decode("utf-8", "surrogateescape").split("\n") else ""


def pushes_of(repository: GitRepository, name: str, rest: list[str], data: bytes) -> tuple[Push, ...]:
    """The updates, and the refs whose history counts as judged."""
    if name == "pre-push":
        remote = rest[0] if rest else os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
        existing = remote_branches(repository, remote)
        updates = parse_push(data) if data.strip() else from_pre_commit(repository, os.environ, existing)
        existing += tuple(
            Target(one.ref, one.old) for one in updates if one.old.strip("0") and check_known(repository, one.old)
        )
        return (Push(updates, existing),)
    namespace = os.environ.get("GIT_NAMESPACE", "")
    if name == "update":
        return in_push(repository, (parse_update(rest),), namespace)
    updates = tuple(update for update in parse_updates(data) if update.ref.startswith("refs/"))
    if name == "reference-transaction":
        return in_transaction(repository, updates)
    return in_push(repository, updates, namespace)


def own_updates(pushes: Sequence[Push]) -> tuple[RefUpdate, ...]:
    """The updates outside of namespaces: what lies in one is another repository to consumers."""
    return tuple(update for push in pushes if not push.namespace for update in push.updates)


def pushed_by(hook_run: HookRun, call: Call, *, wanted: bool = False) -> "PushedBy | None":
    """Who pushes, on a server: a push certificate is checked where git hands it over, or where one is ``wanted``."""
    settings = hook_run.settings
    wanted = wanted or bool(settings.config.server.pusher or settings.environment.get("GIT_PUSH_CERT"))
    if call.name == "pre-push" or not wanted:
        return None
    from gitsign_py.cli.pusher import find_pusher  # noqa: PLC0415 - a verification's modules, for those who say so

    return find_pusher(settings, hook_run.repository, call.told())


def brings(push: Push) -> bool:
    """Whether a push brings anything to judge."""
    return not all(update.brings_nothing for update in push.updates)


def is_asked_about(call: Call, push: Push) -> bool:
    """Whether a policy has something to say: what deletes brings nothing, and may have to be a signed push."""
    return brings(push) or (call.name != "pre-push" and call.settings.config.signers.has_policy)


def audited(
    hook_run: HookRun, plan: AuditPlan, judged_by: "Callable[[TrustedRoot | None], None]" = lambda _root: None
) -> Iterator[Record]:
    """The records of a plan, counted for the pusher now and then. Raises BudgetSpentError.

    ``judged_by`` is told of the trust root before each record and at the end: a run may go on with a newer one.
    """
    prepared = auditing.prepare(
        hook_run.stack, hook_run.settings, hook_run.repository, auditing.AuditOptions(), warn=auditing.warn_on_stderr
    )
    shown = time.monotonic()
    with closing(audit_history(hook_run.repository, plan, prepared.resources)) as records:
        for count, record in enumerate(records, 1):
            if hook_run.budget.is_spent:
                raise BudgetSpentError
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                print(f"gitsign-py: {count} commits judged", file=sys.stderr, flush=True)
            judged_by(prepared.resources.settings.trusted_root)
            yield record
    judged_by(prepared.resources.settings.trusted_root)
