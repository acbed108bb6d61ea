"""``gitsign-py audit``: judge a whole history, and report it."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TextIO

from gitsign_py.audit.engine import audit_batches
from gitsign_py.audit.plan import AuditPlan, Target, current_ref, read_refs, resolve_targets
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import ReportFormat, figure_lines, warning_lines
from gitsign_py.audit.reports.formats import FORMATS, open_report
from gitsign_py.audit.rollup import Rollup
from gitsign_py.cli import auditheading, auditing, wiring
from gitsign_py.cli.knownsigners import known_signers
from gitsign_py.cli.outputfile import output_file
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.policysource import as_config_error, configured_policy, load_policy
from gitsign_py.cli.text import write_utf8
from gitsign_py.core.frozen import replace
from gitsign_py.core.printing import escaped
from gitsign_py.errors import ConfigError, PolicyError, UsageError
from gitsign_py.host.git.direct import only_git
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.git.naming import object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.progress import counted
from gitsign_py.policy.facts import Pusher
from gitsign_py.policy.model import POLICY_PATH

_NOW_SECONDS = 5.0
_DESCRIPTION = """Judge every commit of a history, and with --tags every annotated tag: verified, unauthorised,
identity-mismatch, bad, unsigned, unchecked, exempt, forge-merge, forge-squash, forge-rebase or malformed, each with the
reason."""
_EPILOG = """examples:
  gitsign-py audit                                      the current branch; every good signature counts
  gitsign-py audit --policy policy.toml origin/main     by a policy from outside
  gitsign-py audit --policy main:.gitsign/policy.toml --all --tags
  gitsign-py audit --in-history --introduction ID       each commit by the policy in its parents
  gitsign-py audit --offline --format html --output audit.html
  gitsign-py audit --write-notes                        keep the log entries of online-mode history in git notes

exit status: 0 all good, 1 something was refused, 2 usage or configuration, 3 something could not be checked"""


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings(isolated=options.isolated)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        plan = make_plan(repository, settings, options)
        audit_options = auditing.AuditOptions(
            options.trusted_root,
            options.offline,
            options.cache,
            options.jobs,
            not options.insecure_ignore_sct,
            options.write_notes,
        )
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        named = options.revisions or (["all refs"] if options.all else ["HEAD"])
        heading = auditheading.heading(repository, plan, prepared, named)
        said = auditing.said_by_repository(settings, options, plan, prepared)
        heading = replace(heading, notices=(*heading.notices, *said))
        out = stack.enter_context(output_file(options.output))
        report = _report(options, out, stack)
        rollup = Rollup()
        heads: dict[str, str] = {}
        try:
            batches = audit_batches(repository, plan, prepared.resources)
            shown = counted(batches, None if out.isatty() else auditing.stderr_terminal(), each=len)
            if out.isatty():
                report.begin(heading)  # somebody waits, and sees a bar
            found = _not_empty(shown)
            if not out.isatty():
                report.begin(heading)
            for records in found:
                rollup.add(records)
                report.records(records)
                heads |= {one.oid: one.evidence for one in records if one.evidence} if options.write_notes else {}
        except PolicyError as error:
            raise as_config_error(error) from error
        if heads:
            MergeNotes(repository).add(heads)
        report.end(rollup)
    if out is not sys.stdout:
        for line in (*warning_lines(rollup), f"{figure_lines(rollup)[0]}; the report is in {options.output}"):
            print(escaped(line), file=sys.stderr)
    return rollup.exit_status


def _not_empty(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, of which one has a record. An audit of nothing looks like a success: UsageError ``range-empty``."""
    first = next(filter(len, batches), None)
    if first is None:
        raise UsageError("range-empty", "there are no commits to judge: the range is empty, or nothing in it is judged")
    return chain((first,), batches)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py audit",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "revisions", nargs="*", metavar="REV", help="branches, commits or ranges, as git knows them (HEAD)"
    )
    parser.add_argument("--all", action="store_true", help="every ref of the repository")
    parser.add_argument("--tags", action="store_true", help="judge the annotated tags too")
    parser.add_argument("--first-parent", action="store_true", help="follow only the first parent of merges")
    parser.add_argument(
        "--since", type=auditing.given, metavar="DATE", help="only commits that say that they are younger"
    )
    parser.add_argument(
        "--ref",
        type=auditing.full_ref,
        metavar="REF",
        help="judge commits as if on this ref (of a change that is to be merged)",
    )
    policy = parser.add_argument_group("policy")
    policy.add_argument(
        "--policy",
        type=auditing.given,
        metavar="FILE|REV:PATH",
        help="the policy that judges everything (gitsign.policy)",
    )
    policy.add_argument(
        "--no-policy", action="store_true", help="let every good signature count, whatever is configured"
    )
    policy.add_argument(
        "--in-history", action="store_true", help="judge each commit by the policy in its parents (gitsign.policyMode)"
    )
    policy.add_argument(
        "--introduction",
        type=auditing.given,
        metavar="ID",
        help="the commit that is accepted by its id, with all before it",
    )
    policy.add_argument(
        "--pushes-judged",
        action="store_true",
        help="trust that a hook checked the pusher of forge merges with author-pushes",
    )
    checks = parser.add_argument_group("verification")
    checks.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(checks)
    checks.add_argument("--offline", action="store_true", help="never touch the network")
    checks.add_argument("--insecure-ignore-sct", action="store_true", help="do not ask for a CT log's promise")
    checks.add_argument("--write-notes", action="store_true", help="keep log entries, and merged heads, in git notes")
    checks.add_argument("--no-cache", dest="cache", action="store_false", help="verify everything anew, keep nothing")
    checks.add_argument("--jobs", type=_jobs, default=0, metavar="N", help="number of processes (default: all cores)")
    report = parser.add_argument_group("report")
    report.add_argument("--format", choices=tuple(FORMATS), help="default: terminal on a terminal, else text")
    report.add_argument(
        "--output", type=auditing.given, metavar="FILE", help="write the report there, whole or not at all"
    )
    report.add_argument("--verbose", action="store_true", help="list accepted commits too (text)")
    return parser


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 256")
    return int(text)


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
            raise UsageError(
                "revision-kind", f"{target.ref} is a tag of no commit", hint="judge the tag itself with --tags"
            )
    return tuple(replace(target, tag="") for target in found if target.commit), exclude


def with_policy(
    repository: GitRepository, settings: wiring.Settings, options: argparse.Namespace, plan: AuditPlan
) -> AuditPlan:
    """Add the policy that options and settings name. Raises UsageError, ConfigError, UncheckedError."""
    introduction = options.introduction or settings.config.introduction
    if options.in_history and (options.policy or options.no_policy):
        raise UsageError("audit-policy", "--in-history does not go together with --policy or --no-policy")
    if options.policy and options.no_policy:
        raise UsageError("audit-policy", "--policy does not go together with --no-policy")
    if is_in_history(settings, options):
        return _in_history(repository, settings, plan, introduction)
    configured = "" if options.no_policy else settings.config.policy
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


def is_in_history(settings: wiring.Settings, options: argparse.Namespace) -> bool:
    """Tell whether the policy in the history is asked for, or configured and nothing else asked for."""
    configured = settings.config.policy_mode == "history" and not (options.policy or options.no_policy)
    return bool(options.in_history) or configured


def _in_history(repository: GitRepository, settings: wiring.Settings, plan: AuditPlan, introduction: str) -> AuditPlan:
    if not introduction:
        raise UsageError(
            "introduction-missing",
            "a policy in the history needs an introduction: nobody else can say where it starts",
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


def _report(options: argparse.Namespace, out: TextIO, stack: ExitStack) -> ReportFormat:
    """The format that was asked for."""
    name = options.format or ("terminal" if out.isatty() else "text")
    if out is sys.stdout and name not in ("terminal", "text"):
        write_utf8()
    report = open_report(name, out, verbose=options.verbose)
    if name == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        report = _with_summary(report, summary, stack)
    stack.callback(report.close)
    return report


def _with_summary(report: ReportFormat, name: str, stack: ExitStack) -> ReportFormat:
    """Annotations, and the page of the step beside them (GitHub's GITHUB_STEP_SUMMARY, a file to append to)."""
    from gitsign_py.audit.reports.forges import SeveralReports  # noqa: PLC0415 - for this format alone

    try:
        page = stack.enter_context(Path(name).open("a", encoding="utf-8"))  # noqa: SIM115 - the stack closes it
    except OSError as error:
        raise ConfigError("output-unwritable", f"GITHUB_STEP_SUMMARY cannot be written: {error.strerror}") from error
    return SeveralReports(report, open_report("markdown", page))
