"""``gitsign-py policy``: propose, check, explain and test a policy."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from gitsign_py.cli import optiontypes, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.policysource import read_policy_bytes
from gitsign_py.core.printing import escaped
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.cases import CASES_PATH, parse_cases, run_cases
from gitsign_py.policy.model import POLICY_PATH
from gitsign_py.policy.parse import parse_policy, read_policy

_EPILOG = """examples:
  gitsign-py policy init --output .gitsign/policy.toml
                                                    a first policy from the history
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
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="init | check | explain | test")
    about = "propose a policy from the history; no file when that fails"
    init = commands.add_parser("init", help=about)
    init.add_argument("revisions", nargs="*", metavar="REV", help="whose history to look at (HEAD)")
    init.add_argument(
        "--output", type=optiontypes.given, metavar="FILE", help="write it there, whole or not at all; makes its folder"
    )
    init.set_defaults(action=_init)
    check = commands.add_parser("check", help="say whether a policy is valid, and everything that is wrong with it")
    check.add_argument("policy", nargs="?", metavar="FILE|REV:PATH", help=f"({POLICY_PATH})")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(action=_check)
    explain = commands.add_parser("explain", help="say which rule decided about a commit, and why")
    explain.add_argument("revisions", nargs=1, metavar="COMMIT")
    explain.add_argument("--policy", type=optiontypes.given, metavar="FILE|REV:PATH", help="(gitsign.policy)")
    explain.add_argument(
        "--in-history", action="store_true", help="by the policies in the commit's parents (gitsign.policyMode)"
    )
    explain.add_argument("--introduction", type=optiontypes.given, metavar="ID")
    explain.add_argument(
        "--ref", type=optiontypes.full_ref, help="the branch or tag to judge it on (the current branch)"
    )
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(action=_explain)
    test = commands.add_parser("test", help="run the test cases kept beside a policy")
    test.add_argument("policy", nargs="?", metavar="FILE|REV:PATH", help=f"({POLICY_PATH})")
    test.add_argument(
        "--cases", type=optiontypes.given, metavar="FILE|REV:PATH", help=f"({CASES_PATH}, beside the policy)"
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


# --- init and explain ------------------------------------------------------------------------------------------------


def _init(options: argparse.Namespace) -> int:
    from gitsign_py.cli.commands.policyinit import run_init  # noqa: PLC0415 - the audit's modules, where one is made

    return run_init(options)


def _explain(options: argparse.Namespace) -> int:
    from gitsign_py.cli.commands.policyexplain import run_explain  # noqa: PLC0415 - as above

    return run_explain(options)


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
