"""``gitsign-py hook NAME``: what git's hooks call. Any failure on the way refuses the push.

pre-receive, update and reference-transaction judge what a push brings to a server; pre-push the same before it leaves;
post-merge and post-rewrite only tell, since git does not ask them; post-receive states what came in, notes merged heads
and tells a forge.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.audit.closing import HERE
from gitsign_py.audit.plan import AuditPlan, Target, current_ref, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.audit.refaliases import refused_aliases
from gitsign_py.audit.serverrefs import Push
from gitsign_py.audit.updates import (
    RefUpdate,
    moves_before,
    parse_rewrites,
    policy_moves_back,
)
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.helptext import HelpFormatter
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
    pushes_of,
)
from gitsign_py.cli.hooklog import HookLog, Unfinished
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.policysource import is_file
from gitsign_py.cli.refusal import MAX_NAMED, explain_refusals
from gitsign_py.cli.repairbase import RepairBase
from gitsign_py.cli.sourcerefs import leave_marks, refused_moves
from gitsign_py.cli.text import line_of
from gitsign_py.core.frozen import replace
from gitsign_py.core.printing import printable
from gitsign_py.errors import ConfigError, GitsignError, UncheckedError, VerificationError
from gitsign_py.host.budget import Allow, BudgetSpentError
from gitsign_py.host.git.naming import full_name
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.program import with_settings
from gitsign_py.host.timelimit import within_budget
from gitsign_py.policy.model import POLICY_PATH, Policy

if TYPE_CHECKING:
    from gitsign_py.cli.pusher import PushedBy

HOOKS = ("pre-receive", "update", "reference-transaction", "pre-push", "post-merge", "post-rewrite", "post-receive")
_WITH_INPUT = ("pre-receive", "reference-transaction", "pre-push", "post-rewrite", "post-receive")
CHAINED = ".before-gitsign"
_SECONDS = 60.0  # the default of gitsign.hookTimeout, which counts until git has told the settings
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
        return _judge(allow, Call(_settings(options), options.name, options.rest, data), unfinished)
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


def _judge(allow: Allow, call: Call, unfinished: Unfinished) -> int:
    limit = allow(call.settings.config.server.hook_timeout)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(call.settings))
        hook_run = HookRun(stack, call.settings, repository, limit)
        if call.name in ("post-merge", "post-rewrite"):
            return _tell(hook_run, call.name, call.data)
        if call.name == "post-receive":
            from gitsign_py.cli.hookafter import after  # noqa: PLC0415 - signing and HTTP, for this one

            return after(hook_run, call, pushes_of(repository, call.name, call.rest, call.data))
        log = HookLog(call.settings.config.program.log_path, os.environ)
        if call.name != "pre-push":
            unfinished.expect(log, call.told())
        return _judge_pushes(hook_run, call, log, unfinished)


def _judge_pushes(hook_run: HookRun, call: Call, log: HookLog, unfinished: Unfinished) -> int:
    repository, is_server = hook_run.repository, call.name != "pre-push"
    pushes = pushes_of(repository, call.name, call.rest, call.data)
    updates = tuple(update for push in pushes for update in push.updates)
    by = pushed_by(hook_run, call)
    log.signed(by)
    kept = own_updates(pushes) if is_server else ()
    based = [(push, base_plan(hook_run, call, push)) for push in pushes if is_asked_about(call, push)]
    policies = [plan.policy for _, plan in based if plan.policy is not None]
    moves = refused_moves(call.settings.config.server, repository, kept, policies)
    aliases = (
        refused_aliases(repository, pushes, policies, call.settings.config.server.source_refs) if is_server else {}
    )
    refused: dict[RefUpdate, GitsignError] = {
        **_refused_pushes(hook_run, call, based, by),
        **_moves_back(hook_run, call, based),
        **moves,
        **aliases,
    }
    for error in refused.values():
        _refuse(call.name, line_of(error))
    made = (one for push, plan in based if brings(push) for one in plans_of(hook_run, call, push, plan, by))
    status = 1 if refused else _judge_plans(hook_run, list(made), log, updates)
    if status == 0 and (refused := _unknown_pushes(call, based)):
        status = _refuse(call.name, line_of(next(iter(refused.values()))))
    if kept and status == 0:
        leave_marks(call.settings.config.server, repository, kept, by.pusher if by is not None else None)
    if is_server:
        log.pushed(repository, updates, accepted=status == 0, refused=refused)
        unfinished.forget()
    return status


def _refused_pushes(
    hook_run: HookRun, call: Call, based: Iterable[tuple[Push, AuditPlan]], by: "PushedBy | None"
) -> dict[RefUpdate, GitsignError]:
    """The changes that a rule with ``require-signed-push`` does not take, deletions among them.

    The rules are those from before the push: with the policy in the history, the protected branch's (see
    ``_unknown_pushes``).
    """
    found: dict[RefUpdate, GitsignError] = {}
    for push, plan in based if call.name != "pre-push" else ():
        for update in push.updates:
            if plan.policy is None or plan.policy.push_rule(update.ref) is None:
                continue
            from gitsign_py.cli.pusher import push_problem  # noqa: PLC0415 - as above

            by = by or pushed_by(hook_run, call, wanted=True)
            if by is not None and (problem := push_problem(plan.policy, update.ref, by)):
                found[update] = problem
    return found


def _unknown_pushes(call: Call, based: Iterable[tuple[Push, AuditPlan]]) -> dict[RefUpdate, GitsignError]:
    """The changes that must be signed pushes for all that anybody knows: the protected branch is not there to say so.

    What brings commits was refused for the same (``audit/closing.py``); a deletion and a move back bring none.
    """
    found: dict[RefUpdate, GitsignError] = {}
    for push, plan in based if call.name != "pre-push" else ():
        if plan.closing is not None and plan.closing.missing is not None:
            found |= dict.fromkeys(push.updates, plan.closing.missing)
    return found


def _moves_back(
    hook_run: HookRun, call: Call, based: Iterable[tuple[Push, AuditPlan]]
) -> dict[RefUpdate, VerificationError]:
    """The branches that would go back to before the introduction, and the policy's own to an older one."""
    found: dict[RefUpdate, VerificationError] = {}
    for push, plan in based if call.name != "pre-push" else ():
        ref, path = _policy_place(hook_run, plan)
        if plan.policy is not None and ref.startswith(push.namespace):
            place = ref.removeprefix(push.namespace), path
            found |= policy_moves_back(hook_run.repository, plan.policy, place, push.updates)
        found |= moves_before(hook_run.repository, plan.introduction, push.updates)
    return found


def _policy_place(hook_run: HookRun, plan: AuditPlan) -> tuple[str, str]:
    """The ref and the path that the policy comes from, or the one that closes; empty for a file.

    A setting may name the ref by a short name, or a commit before or behind it (``main~1``, gitrevisions(7)).
    """
    if plan.closing is not None:
        return plan.closing.ref, POLICY_PATH
    source = hook_run.settings.config.signers.policy
    revision, _, path = ("", "", "") if is_file(source) else source.partition(":")
    name = re.split(r"[~^]|@\{", revision)[0]
    return full_name(hook_run.repository, "HEAD" if name == "@" else name) if name else "", path


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


def _judge_plans(hook_run: HookRun, made: Sequence[AuditPlan], log: HookLog, updates: Sequence[RefUpdate]) -> int:
    refused: list[Record] = []
    count = 0
    policy: Policy | None = None
    for plan in made:
        oldest = deque[Record](maxlen=_MAX_KEPT)  # where the repair begins
        for record in audited(hook_run, plan, log.judged_by):
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


def _tell(hook_run: HookRun, name: str, data: bytes) -> int:
    plan = _local_plan(hook_run.repository, hook_run.settings, name, data)
    made = frozenset(plan.commits) if name == "post-rewrite" else None  # not what a rebase found under them
    bad = [one for one in audited(hook_run, plan) if not one.accepted and (made is None or one.oid in made)]
    oldest_last = bad[::-1] if plan.in_history else bad
    return _explain(RepairBase(hook_run.repository), oldest_last, len(bad), plan.policy)


def _explain(base: RepairBase, refused: Sequence[Record], count: int, policy: Policy | None) -> int:
    for line in explain_refusals(refused, count, base, policy):
        print(printable(line), file=sys.stderr)
    return 1 if count else 0


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
