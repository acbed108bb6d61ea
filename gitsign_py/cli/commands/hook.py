"""``gitsign-py hook NAME``: what git's hooks call. Any failure on the way refuses the push.

pre-receive, update and reference-transaction judge what a push brings to a server; pre-push the same before it leaves;
post-merge and post-rewrite only tell, since git does not ask them; post-receive states what came in, notes merged heads
and tells a forge.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitsign_py.audit.closing import HERE, Place
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, Target, current_ref, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.audit.remoterefs import remote_branches
from gitsign_py.audit.serverrefs import Push, in_push, in_transaction
from gitsign_py.audit.updates import (
    RefUpdate,
    check_known,
    check_moves,
    from_pre_commit,
    judged_only,
    parse_push,
    parse_rewrites,
    parse_update,
    parse_updates,
    plans,
    targets_of,
)
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.hooklog import HookLog, Unfinished
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.refusal import MAX_NAMED, explain_refusals
from gitsign_py.cli.repairbase import RepairBase
from gitsign_py.cli.sourcerefs import check_source_moves, is_source_ref, leave_marks
from gitsign_py.cli.text import line_of
from gitsign_py.core.frozen import replace
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, PolicyError, UncheckedError
from gitsign_py.host.budget import Allow, Budget, BudgetSpentError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.program import with_settings
from gitsign_py.host.timelimit import within_budget
from gitsign_py.policy.model import Policy

if TYPE_CHECKING:
    from gitsign_py.cli.pusher import PushedBy

HOOKS = ("pre-receive", "update", "reference-transaction", "pre-push", "post-merge", "post-rewrite", "post-receive")
_WITH_INPUT = ("pre-receive", "reference-transaction", "pre-push", "post-rewrite", "post-receive")
CHAINED = ".before-gitsign"
FAILED = {"post-receive": "not attested"}
"""The words for a failure of a hook that cannot refuse."""
_SECONDS = 60.0  # the default of gitsign.hookTimeout, which counts until git has told the settings
_PROGRESS_SECONDS = 2.0
_MAX_KEPT = 4 * MAX_NAMED
_EPILOG = """git calls this through the hooks that gitsign-py hooks install writes. Settings (git config):
  gitsign.policy        the policy: FILE, or REV:PATH (read before the push)
  gitsign.policyMode    fixed (default), or history: each commit by the policy in its parents
  gitsign.introduction  for the history mode: the full id of the commit where it starts
  gitsign.protectedRef  for the history mode: the branch whose policy lists people who left (default: HEAD's)
  gitsign.hookTimeout   seconds that judging may take (60); then the push is refused
  gitsign.logPath       a file that gets a line of JSON for each push, and for each commit that is refused
  gitsign.sourceRef     a ref (or a glob) that never goes back, and whose provenance post-receive signs; several times
  gitsign.sourceURI, gitsign.sourceAttester   for post-receive: see gitsign-py source

exit status: 0 accepted, 1 refused"""


def run(arguments: list[str]) -> int:
    """Run the hook; gives 0 to let git go on and 1 to stop it."""
    options = _parser().parse_args(arguments)
    name, rest = options.name, options.rest
    data = sys.stdin.buffer.read() if name in _WITH_INPUT else b""
    if (status := _run_chained(name, rest, data)) != 0:
        return status
    if name == "reference-transaction" and rest[:1] != ["prepared"]:
        return 0  # committed and aborted come when nothing can be said any more
    unfinished = Unfinished()

    def last_words(seconds: float) -> str:
        unfinished.write("hook-timeout")
        return _refusal(name, line_of(_out_of_time(seconds)))

    status = within_budget(_SECONDS, lambda allow: _answer(allow, options, data, unfinished), last_words, status=1)
    if status < 0:
        unfinished.write("hook-resources")
        return _refuse(name, line_of(_out_of_resources(f"the judging process was killed by signal {-status}")))
    return status


def _answer(allow: Allow, options: argparse.Namespace, data: bytes, unfinished: Unfinished) -> int:
    try:
        return _judge(allow, _Call(_settings(options), options.name, options.rest, data), unfinished)
    except BudgetSpentError:
        raise  # whoever set the budget says so
    except GitsignError as error:
        reason, line = error.reason, line_of(error)
    except (OSError, MemoryError) as error:
        reason, line = "hook-resources", line_of(_out_of_resources(error))
    except Exception as error:  # noqa: BLE001 - fail closed: a crash is a refusal, in one line
        reason = "internal-error"
        line = printable(f"internal error: {type(error).__name__}: {error}; tell the server's owner [internal-error]")
    unfinished.write(reason)
    return _refuse(options.name, line)


def _after(hook_run: "_HookRun", call: "_Call", pushes: Sequence[Push]) -> int:
    """The push is in: each of these is done whatever becomes of the other, and stops nothing."""
    status = 0
    try:
        _attest(hook_run, pushes)
    except GitsignError as error:
        status = _refuse(call.name, line_of(error))
    try:
        return status if _note_and_publish(hook_run, call, pushes) else 1
    except GitsignError as error:
        print(f"gitsign-py: after the push: {line_of(error)}", file=sys.stderr)
        return 1


def _note_and_publish(hook_run: "_HookRun", call: "_Call", pushes: Sequence[Push]) -> bool:
    settings = hook_run.settings
    from gitsign_py.cli.hookpublish import after_push, before_the_push, forge_of, has_work  # noqa: PLC0415 - HTTP

    forge = forge_of(settings)
    asked = [push for push in map(before_the_push, pushes) if _brings(push) and _is_asked_about(call, push)]
    based = [(push, _base_plan(hook_run, call, push)) for push in asked]
    based = [(push, plan) for push, plan in based if has_work(forge, plan)]
    by = _pushed_by(hook_run, call)
    made = [one for push, plan in based for one in _plans(hook_run, call, push, plan, by)]
    return after_push(forge, settings, hook_run.repository, made, lambda plan: _audited(hook_run, plan))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py hook",
        description="Judge the commits and tags of a push, as one of git's hooks.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_isolated(parser)
    add_given(parser)
    parser.add_argument("name", choices=HOOKS, metavar="NAME", help=", ".join(HOOKS))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def add_given(parser: argparse.ArgumentParser) -> None:
    """Add ``-c``, for settings that stand in the hook itself."""
    parser.add_argument(
        "-c",
        dest="given",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="a setting for the hook, as git -c gives it",
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE, such as gitsign.policy=/etc/gitsign/policy.toml")
    return key, value


def _settings(options: argparse.Namespace) -> wiring.Settings:
    """The settings; those of the command line come last, as git's own (git(1), GIT_CONFIG_COUNT)."""
    return wiring.load_settings(with_settings(os.environ, options.given), isolated=options.isolated)


def _refuse(name: str, line: str) -> int:
    print(_refusal(name, line), file=sys.stderr)
    return 1


def _refusal(name: str, line: str) -> str:
    """After post-receive everything is in already."""
    return f"gitsign-py: {FAILED.get(name, 'refused')}: {line}"


class _Call(NamedTuple):
    """The hook as git calls it: its arguments, and what it reads from git."""

    settings: wiring.Settings
    name: str
    rest: list[str]
    data: bytes = b""

    def told(self) -> tuple[RefUpdate, ...]:
        """The changes of refs by their names as git tells them."""
        return (parse_update(self.rest),) if self.name == "update" else parse_updates(self.data)


class _HookRun(NamedTuple):
    """The things that judging needs, for as long as the hook runs."""

    stack: ExitStack
    settings: wiring.Settings
    repository: GitRepository
    budget: Budget


def _judge(allow: Allow, call: "_Call", unfinished: Unfinished) -> int:
    limit = allow(call.settings.config.hook_timeout)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(call.settings))
        hook_run = _HookRun(stack, call.settings, repository, limit)
        if call.name in ("post-merge", "post-rewrite"):
            return _tell(hook_run, call.name, call.data)
        if call.name == "post-receive":
            return _after(hook_run, call, _pushes(repository, call.name, call.rest, call.data))
        log = HookLog(call.settings.config.log_path, os.environ)
        if call.name != "pre-push":
            unfinished.expect(log, call.told())
        return _judge_pushes(hook_run, call, log, unfinished)


def _judge_pushes(hook_run: _HookRun, call: "_Call", log: HookLog, unfinished: Unfinished) -> int:
    repository, is_server = hook_run.repository, call.name != "pre-push"
    pushes = _pushes(repository, call.name, call.rest, call.data)
    updates = tuple(update for push in pushes for update in push.updates)
    by = _pushed_by(hook_run, call)
    log.signed(by)
    kept = _own_updates(pushes) if call.settings.config.source_refs and is_server else ()
    if kept:
        check_source_moves(call.settings, repository, kept)
    based = [(push, _base_plan(hook_run, call, push)) for push in pushes if _is_asked_about(call, push)]
    refused = _refused_pushes(hook_run, call, based, by)
    for error in refused.values():
        _refuse(call.name, line_of(error))
    made = (one for push, plan in based if _brings(push) for one in _plans(hook_run, call, push, plan, by))
    status = 1 if refused else _judge_plans(hook_run, list(made), log, updates)
    if kept and status == 0:
        leave_marks(call.settings, repository, kept, by.pusher if by is not None else None)
    if is_server:
        log.pushed(repository, updates, accepted=status == 0, refused=refused)
        unfinished.forget()
    return status


def _own_updates(pushes: Sequence[Push]) -> tuple[RefUpdate, ...]:
    """The updates outside of namespaces: what lies in one is another repository to consumers."""
    return tuple(update for push in pushes if not push.namespace for update in push.updates)


def _attest(hook_run: _HookRun, pushes: Sequence[Push]) -> None:
    """State how each source ref came to where it is."""
    from gitsign_py.cli import sourceserver  # noqa: PLC0415 - a signature's modules, for servers that sign

    settings, repository = hook_run.settings, hook_run.repository
    updates = [one for one in _own_updates(pushes) if not one.brings_nothing and is_source_ref(settings, one.ref)]
    if updates:
        sourceserver.check_unattended(settings)
    for update in updates:
        for made in sourceserver.attest_ref(
            sourceserver.server_of(settings, repository), update.ref, update.new, update.old
        ):
            print(printable(f"gitsign-py: {sourceserver.told(made)}"), file=sys.stderr, flush=True)


def _pushed_by(hook_run: _HookRun, call: "_Call", *, wanted: bool = False) -> "PushedBy | None":
    """Who pushes, on a server: a push certificate is checked where git hands it over, or where one is ``wanted``."""
    environment = hook_run.settings.environment
    if call.name == "pre-push" or not (wanted or hook_run.settings.config.pusher or environment.get("GIT_PUSH_CERT")):
        return None
    from gitsign_py.cli.pusher import find_pusher  # noqa: PLC0415 - a verification's modules, for those who say so

    return find_pusher(hook_run.settings, hook_run.repository, call.told())


def _brings(push: Push) -> bool:
    return not all(update.brings_nothing for update in push.updates)


def _is_asked_about(call: "_Call", push: Push) -> bool:
    """Whether a policy has something to say: what deletes brings nothing, and may have to be a signed push."""
    config = call.settings.config
    return _brings(push) or (call.name != "pre-push" and bool(config.policy or config.policy_mode == "history"))


def _refused_pushes(
    hook_run: _HookRun, call: "_Call", based: Iterable[tuple[Push, AuditPlan]], by: "PushedBy | None"
) -> dict[RefUpdate, PolicyError]:
    """The changes that a rule with ``require-signed-push`` does not take, deletions among them."""
    found: dict[RefUpdate, PolicyError] = {}
    for push, plan in based if call.name != "pre-push" else ():
        policy = _closing_policy(plan)
        for update in push.updates:
            if policy.push_rule(update.ref) is None:
                continue
            from gitsign_py.cli.pusher import push_problem  # noqa: PLC0415 - as above

            by = by or _pushed_by(hook_run, call, wanted=True)
            if by is not None and (problem := push_problem(policy, update.ref, by)):
                found[update] = problem
    return found


def _closing_policy(plan: AuditPlan) -> Policy:
    """The policy from before the push: with the policy in the history, that of the protected branch.

    Raises UncheckedError ``protected-ref-missing`` and the like.
    """
    if plan.policy is not None:
        return plan.policy
    missing = plan.closing.missing if plan.closing is not None else None
    raise missing or ConfigError("policy-missing", "no policy says whether this push must be signed")


def _out_of_resources(error: object) -> ConfigError:
    return ConfigError(
        "hook-resources", f"out of disk or memory: {error}", hint="free some (also in TMPDIR), push again"
    )


def _out_of_time(seconds: float) -> UncheckedError:
    return UncheckedError(
        "hook-timeout",
        f"judging took longer than the {seconds:g} s that gitsign.hookTimeout allows",
        hint="push fewer commits at once",
    )


# --- what is judged --------------------------------------------------------------------------------------------------


def _plans(
    hook_run: _HookRun, call: _Call, push: Push, plan: AuditPlan, by: "PushedBy | None"
) -> tuple[AuditPlan, ...]:
    if call.name != "pre-push":
        check_moves(hook_run.repository, plan.introduction, push.updates)
    plan = replace(plan, targets=targets_of(hook_run.repository, judged_only(plan, push.updates)))
    plan = replace(plan, pusher=by.pusher if by is not None else None)
    return plans(hook_run.repository, plan, push.existing)


def _base_plan(hook_run: _HookRun, call: _Call, push: Push) -> AuditPlan:
    """By which policy, without what is judged."""
    is_server = call.name != "pre-push"
    place = Place("", is_server, "" if is_server else _pushed_remote(hook_run.repository, call.rest), push.namespace)
    return auditing.policy_plan(hook_run.settings, hook_run.repository, place)


def _pushed_remote(repository: GitRepository, rest: list[str]) -> str:
    """The remote by its name; nothing where it was given by its address."""
    name = rest[0] if rest else os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
    return name if name in repository.run(["remote"]).decode("utf-8", "surrogateescape").split("\n") else ""


def _pushes(repository: GitRepository, name: str, rest: list[str], data: bytes) -> tuple[Push, ...]:
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


def _local_plan(repository: GitRepository, settings: wiring.Settings, name: str, data: bytes) -> AuditPlan:
    """The plan for commits that a merge brought or a rewrite made, by the policy that is configured, if there is
    one.
    """
    plan = auditing.policy_plan(settings, repository, HERE)
    if name == "post-rewrite":
        pairs = parse_rewrites(data)
        ref = current_ref(repository)
        targets = tuple(Target(ref, oid) for oid in dict.fromkeys(new for _, new in pairs))
        return replace(plan, targets=targets, exclude=tuple(dict.fromkeys(old for old, _ in pairs)))
    targets, exclude = resolve_targets(repository, ("ORIG_HEAD..HEAD",))
    return replace(plan, targets=targets, exclude=exclude)


# --- judging ---------------------------------------------------------------------------------------------------------


def _judge_plans(hook_run: _HookRun, made: Sequence[AuditPlan], log: HookLog, updates: Sequence[RefUpdate]) -> int:
    refused: list[Record] = []
    count = 0
    policy: Policy | None = None
    for plan in made:
        oldest = deque[Record](maxlen=_MAX_KEPT)  # where the repair begins
        for record in _audited(hook_run, plan):
            if record.accepted:
                continue
            count += 1
            log.refused(record)
            policy = policy or plan.policy
            if not plan.in_history:
                oldest.append(record)
            elif len(oldest) < _MAX_KEPT:  # parents come first there
                oldest.appendleft(record)
        refused += oldest
    return _explain(RepairBase(hook_run.repository, updates), refused, count, policy)


def _tell(hook_run: _HookRun, name: str, data: bytes) -> int:
    plan = _local_plan(hook_run.repository, hook_run.settings, name, data)
    made = frozenset(plan.commits) if name == "post-rewrite" else None  # not what a rebase found under them
    bad = [one for one in _audited(hook_run, plan) if not one.accepted and (made is None or one.oid in made)]
    oldest_last = bad[::-1] if plan.in_history else bad
    return _explain(RepairBase(hook_run.repository), oldest_last, len(bad), plan.policy)


def _explain(base: RepairBase, refused: Sequence[Record], count: int, policy: Policy | None) -> int:
    for line in explain_refusals(refused, count, base, policy):
        print(printable(line), file=sys.stderr)
    return 1 if count else 0


def _audited(hook_run: _HookRun, plan: AuditPlan) -> Iterator[Record]:
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
            yield record


def _run_chained(name: str, rest: list[str], data: bytes) -> int:
    """Run the hook from before ours (``hooks install --chain``), with the same input; if it refuses, we do."""
    folder = os.environ.get("GITSIGN_HOOK_FOLDER", "")
    path = Path(folder) / f"{name}{CHAINED}" if folder else None
    if path is None or not path.exists():
        return 0
    try:
        return subprocess.run([*_by_shell(), str(path), *rest], input=data, check=False).returncode
    except OSError as error:
        broken = ConfigError("hook-chain", f"the hook that was here before, {path}, cannot be run: {error.strerror}")
        return _refuse(name, line_of(broken))


def _by_shell() -> tuple[str, ...]:
    """Windows cannot run a script; the shell that comes with git, and is on PATH in a hook, can."""
    return ("sh", "-c", '"$0" "$@"') if sys.platform == "win32" else ()
