"""``gitsign-py policy``: propose, check, explain and test a policy."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, resolve_targets
from gitsign_py.audit.record import Record, as_object
from gitsign_py.audit.reports.base import sentence
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.auditplan import is_in_history, with_policy
from gitsign_py.cli.commands.policyinit import run_init
from gitsign_py.cli.ownconfig import add_isolated, tell
from gitsign_py.cli.policysource import read_policy_bytes
from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.namekind import described
from gitsign_py.core.printing import escaped
from gitsign_py.errors import UsageError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.progress import counted
from gitsign_py.policy.cases import CASES_PATH, parse_cases, run_cases
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.parse import parse_policy, read_policy

_EPILOG = """examples:
  gitsign-py policy init --output .gitsign/policy.toml
                                                    a first policy from the history; no file when that fails
  gitsign-py policy check                           is .gitsign/policy.toml valid? names line and key if not
  gitsign-py policy explain HEAD~3                  which rule decided, and why
  gitsign-py policy test                            run the cases in .gitsign/policy-tests.toml

exit status: 0 done, 1 not valid, a case failed or the commit is refused, 2 usage, 3 could not be checked"""


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    return action(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py policy",
        description="Work with a policy, which says who may sign, where and when (docs/policy.md).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="init | check | explain | test")
    init = commands.add_parser("init", help="propose a policy from the history")
    init.add_argument("revisions", nargs="*", metavar="REV", help="whose history to look at (HEAD)")
    init.add_argument(
        "--output", type=auditing.given, metavar="FILE", help="write it there, whole or not at all; makes its folder"
    )
    init.set_defaults(action=run_init)
    check = commands.add_parser("check", help="say whether a policy is valid, and everything that is wrong with it")
    check.add_argument("policy", nargs="?", metavar="FILE|REV:PATH", help=f"({POLICY_PATH})")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(action=_check)
    explain = commands.add_parser("explain", help="say which rule decided about a commit, and why")
    explain.add_argument("revisions", nargs=1, metavar="COMMIT")
    explain.add_argument("--policy", type=auditing.given, metavar="FILE|REV:PATH", help="(gitsign.policy)")
    explain.add_argument(
        "--in-history", action="store_true", help="by the policies in the commit's parents (gitsign.policyMode)"
    )
    explain.add_argument("--introduction", type=auditing.given, metavar="ID")
    explain.add_argument("--ref", type=auditing.full_ref, help="the branch or tag to judge it on (the current branch)")
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(action=_explain)
    test = commands.add_parser("test", help="run the test cases kept beside a policy")
    test.add_argument("policy", nargs="?", metavar="FILE|REV:PATH", help=f"({POLICY_PATH})")
    test.add_argument(
        "--cases", type=auditing.given, metavar="FILE|REV:PATH", help=f"({CASES_PATH}, beside the policy)"
    )
    test.set_defaults(action=_test)
    for command in (init, check, explain, test):
        add_isolated(command)
    for command in (init, explain):
        command.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
        command.add_argument("--offline", action="store_true", help="never touch the network")
    return parser


# --- check -----------------------------------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    with wiring.repository(wiring.load_settings(isolated=options.isolated)) as repository:
        name, base = _named(repository, options)
        policy, problems = read_policy(_bytes(repository, name, base), name)
    if options.json:
        found = [{"line": one.line, "key": one.key, "message": one.message} for one in problems]
        print(json.dumps({"policy": name, "valid": policy is not None, "problems": found}, indent=2))
    for one in () if options.json else problems:
        print(escaped(f"{name}:{one.line}: {one.key + ': ' if one.key else ''}{one.message}"))
    if policy is not None and not options.json:
        counts = f"{len(policy.principals)} signers, {len(policy.rules)} rules"
        print(f"{escaped(name)}: valid: {counts}, digest {policy.digest[:16]}")
    return 0 if policy is not None else 1


def _named(repository: GitRepository, options: argparse.Namespace) -> tuple[str, Path | None]:
    """The policy that was named and where its name starts; the repository's own when none was."""
    return (POLICY_PATH, repository.top) if options.policy is None else (options.policy, None)


def _bytes(repository: GitRepository, name: str, base: Path | None) -> bytes:
    """A file of the working tree may be a link to a pipe; a person may name a pipe on purpose."""
    return read_policy_bytes(repository, name, base=base, plain=base is not None)


# --- explain ---------------------------------------------------------------------------------------------------------


def _explain(options: argparse.Namespace) -> int:
    settings = wiring.load_settings(isolated=options.isolated)
    options.no_policy = False
    in_history = is_in_history(settings, options)
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
    print(json.dumps(as_object(found), indent=2) if options.json else _told(found, target.ref))
    return 0 if found.accepted else 3 if found.verdict == "unchecked" else 1


def _audited(
    stack: ExitStack, settings: wiring.Settings, repository: GitRepository, plan: AuditPlan, options: argparse.Namespace
) -> Iterator[Record]:
    audit_options = auditing.AuditOptions(options.trusted_root, options.offline)
    prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
    tell(auditing.said_by_repository(settings, options, plan, prepared))
    return counted(audit_history(repository, plan, prepared.resources), auditing.stderr_terminal())


def _told(record: Record, ref: str) -> str:
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
    return "\n".join(lines)


# --- test ------------------------------------------------------------------------------------------------------------


def _test(options: argparse.Namespace) -> int:
    with wiring.repository(wiring.load_settings(isolated=options.isolated)) as repository:
        name, base = _named(repository, options)
        policy = parse_policy(_bytes(repository, name, base), name)
        beside = str(Path(name).parent / Path(CASES_PATH).name)
        data = _bytes(repository, options.cases or beside, None if options.cases else base)
        cases = parse_cases(data, options.cases or beside)
    failed = 0
    for case, decision, as_expected in run_cases(policy, cases):
        failed += not as_expected
        words = f"{decision.verdict} [{decision.reason}] {decision.message}; rule {decision.rule or 'none'}"
        expected = "" if as_expected else f"; expected {case.expect} {case.reason} {case.rule}".rstrip()
        print(escaped(f"{'ok' if as_expected else 'FAILED'}  {case.name}: {words}{expected}"))
    print(f"{len(cases) - failed} of {len(cases)} cases as expected")
    return 1 if failed else 0
