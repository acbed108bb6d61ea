"""``gitsign-py audit``: judge a whole history, and report it."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gitsign_py.audit.causes import EXPLAIN, Causes
from gitsign_py.audit.engine import audit_batches
from gitsign_py.audit.plan import AuditPlan
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.reports.base import Heading, ReportFormat, figure_lines, warning_lines
from gitsign_py.audit.reports.formats import FORMATS, open_report
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.runs import Run, keep, last_runs, rules_of, run_of
from gitsign_py.cli import auditheading, auditing, optiontypes, wiring
from gitsign_py.cli.auditplan import has_nothing_new, judged_by, make_plan, since_last, walked
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.outputfile import output_file
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.policysource import as_config_error
from gitsign_py.cli.text import write_utf8
from gitsign_py.core.frozen import replace
from gitsign_py.core.printing import escaped, printable
from gitsign_py.errors import ConfigError, PolicyError, UsageError
from gitsign_py.host.git.mergenotes import MergeNotes
from gitsign_py.host.paths import data_directory
from gitsign_py.host.progress import counted
from gitsign_py.host.settings import PUBLISH

if TYPE_CHECKING:
    from gitsign_py.cli.publishing import Publishing
    from gitsign_py.host.git.objects import GitRepository

_DESCRIPTION = """Judge every commit of a history, and with --tags every annotated tag: verified, good (without a
policy), unauthorised, identity-mismatch, bad, unsigned, unchecked, exempt, forge-merge, forge-squash, forge-rebase or
malformed, each with the reason."""
_LOOKED_AT = 50  # past runs: by other policies, or of many repositories, between two of one kind
_EPILOG = """examples:
  gitsign-py audit                                      the current branch; without a policy good is not verified
  gitsign-py audit --policy policy.toml origin/main     by a policy from outside
  gitsign-py audit --policy main:.gitsign/policy.toml --all --tags
  gitsign-py audit --in-history --introduction ID       each commit by the policy in its parents
  gitsign-py audit --offline --format html --output audit.html
  gitsign-py audit --repos repositories.txt --all       many repositories, a row each, with their trend
  gitsign-py audit --all --since-last                   what is new since the run that was kept
  gitsign-py audit --write-notes                        keep the log entries of online-mode history in git notes
  gitsign-py audit --publish github origin/main..HEAD   a commit status for HEAD, by GITHUB_TOKEN

exit status: 0 all good, 1 something was refused, 2 usage or configuration, 3 something could not be checked"""


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    if options.repos:
        if options.publish:
            raise UsageError("publish-where", "--publish does not go together with --repos: audit them one by one")
        from gitsign_py.cli.commands.auditrepos import run_repos  # noqa: PLC0415 - for many repositories alone

        return run_repos(options)
    settings = wiring.load_settings(isolated=options.isolated)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        plan = make_plan(repository, settings, options)
        published = _publishing(options, settings, plan)
        if options.since_last:
            before = _last_like_this(repository, plan, options)
            plan = since_last(repository, plan, before)
            if before and has_nothing_new(repository, plan):
                print(f"gitsign-py: nothing is new since the run of {before.at}", file=sys.stderr)
                return 0
        audit_options = auditing.AuditOptions(
            options.trusted_root,
            options.offline,
            options.cache,
            options.jobs,
            not options.insecure_ignore_sct,
            options.write_notes,
            options.log_from,
        )
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        named = options.revisions or (["all refs"] if options.all else ["HEAD"])
        heading = auditheading.heading(repository, plan, prepared, named)
        said = auditing.said_by_repository(settings, options, plan, prepared)
        heading = replace(heading, notices=(*heading.notices, *said))
        out = stack.enter_context(output_file(options.output))
        report = _report(options, out, stack)
        heads: dict[str, str] = {}
        batches: Iterator[Batch] = audit_batches(repository, plan, prepared.resources)
        newest = published.newest(in_history=plan.in_history) if published else None
        batches = newest.passing(batches) if newest else batches
        noting = _noting(batches, heads) if options.write_notes else batches
        rollup = Rollup(causes=Causes(_explain(options)))
        renewed = partial(auditing.newer_root, settings, prepared)
        _audited(noting, heading, report, out, renewed, rollup=rollup)
        if heads:
            MergeNotes(repository).add(heads)
        if options.since_last:
            kept = {**heading.as_object(), **rollup.as_object(), "exit_status": rollup.exit_status}
            keep(data_directory(), run_of(kept, _rules(plan, options), walked(options)))
    if out is not sys.stdout:
        for line in (
            *warning_lines(rollup),
            f"{figure_lines(rollup)[0]}; the report is in {printable(str(options.output))}",
        ):
            print(escaped(line), file=sys.stderr)
    if published is not None and not published.publish(settings, plan.commits, rollup, newest):
        return rollup.exit_status or 3
    return rollup.exit_status


def _last_like_this(repository: "GitRepository", plan: AuditPlan, options: argparse.Namespace) -> Run | None:
    """The newest run that judged as this one will; by other rules anything may be new, which is said."""
    runs = last_runs(data_directory(), str(repository.common_directory), _LOOKED_AT)
    rules = rules_of(*auditheading.policy_words(plan), _rules(plan, options))
    like_this = [one for one in runs if one.rules == rules]
    if runs and not like_this:
        print(
            "gitsign-py: the runs that were kept judged by another policy or by other options: all of it counts as new",
            file=sys.stderr,
        )
    return like_this[0] if like_this else None


def _rules(plan: AuditPlan, options: argparse.Namespace) -> list[str]:
    signers = plan.signers
    return [*judged_by(options), *([repr(signers)] if signers.allowed or signers.ssh else [])]


def _publishing(options: argparse.Namespace, settings: wiring.Settings, plan: AuditPlan) -> "Publishing | None":
    """The statuses that are asked for; what they lack is said before anything is judged."""
    if not options.publish:
        if options.publish_project or options.publish_url or options.report_url or options.publish_for != "head":
            raise UsageError("publish-where", "options about statuses need --publish github, gitlab or gitea")
        return None
    from gitsign_py.cli.publishing import from_options  # noqa: PLC0415 - HTTP, for those who ask for it

    return from_options(options, settings.environment, len(plan.commits))


def _audited(
    batches: Iterator[Batch],
    heading: Heading,
    report: ReportFormat,
    out: TextIO,
    newer_root: Callable[[], tuple[str, str] | None],
    *,
    rollup: Rollup,
) -> None:
    """Report what the audit finds, as it comes, and sum it up. ``newer_root`` is asked at the end."""
    try:
        shown = counted(batches, None if out.isatty() else auditing.stderr_terminal(), each=len)
        if out.isatty():
            report.begin(heading)  # somebody waits, and sees a bar
        found = _not_empty(shown)
        if not out.isatty():
            report.begin(heading)
        for records in found:
            rollup.add(records)
            report.records(records)
    except PolicyError as error:
        raise as_config_error(error) from error
    rollup.newer_root = newer_root()
    report.end(rollup)


def _explain(options: argparse.Namespace) -> str:
    """The command that explains a verdict of this run: by the same policy and trust root."""
    given = {"--policy": options.policy, "--introduction": options.introduction, "--trusted-root": options.trusted_root}
    flags = {"--in-history": options.in_history, "--isolated": options.isolated}
    words = [word for name, value in given.items() if value for word in (name, value)]
    words += [name for name, is_given in flags.items() if is_given]
    return shlex.join([*EXPLAIN.split(), *words])


def _noting(batches: Iterator[Batch], heads: dict[str, str]) -> Iterator[Batch]:
    """The same batches; ``heads`` gets the commits of which a forge made others."""
    for records in batches:
        heads |= {one.oid: one.evidence for one in records if one.evidence}
        yield records


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
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "revisions", nargs="*", metavar="REV", help="branches, commits or ranges, as git knows them (HEAD)"
    )
    parser.add_argument("--all", action="store_true", help="every ref of the repository")
    parser.add_argument("--tags", action="store_true", help="judge the annotated tags too")
    parser.add_argument("--first-parent", action="store_true", help="follow only the first parent of merges")
    parser.add_argument(
        "--since", type=optiontypes.given, metavar="DATE", help="only commits that say that they are younger"
    )
    parser.add_argument(
        "--ref",
        type=optiontypes.full_ref,
        metavar="REF",
        help="judge commits as if on this ref (of a change that is to be merged)",
    )
    parser.add_argument(
        "--since-last",
        action="store_true",
        help="only commits that are new since the last run with this option or --repos; keeps the run",
    )
    parser.add_argument(
        "--repos", type=optiontypes.given, metavar="FILE", help="audit all repositories that FILE lists, a path a line"
    )
    policy = parser.add_argument_group("policy")
    policy.add_argument(
        "--policy",
        type=optiontypes.given,
        metavar="FILE|REV:PATH",
        help="the policy that judges everything (gitsign.policy)",
    )
    policy.add_argument(
        "--no-policy", action="store_true", help="go without a policy, whatever is configured: good is not verified"
    )
    policy.add_argument(
        "--in-history", action="store_true", help="judge each commit by the policy in its parents (gitsign.policyMode)"
    )
    policy.add_argument(
        "--introduction",
        type=optiontypes.given,
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
    checks.add_argument("--log-from", type=Path, metavar="DIR", help="a replica of the log, asked before the log is")
    checks.add_argument("--offline", action="store_true", help="never touch the network")
    checks.add_argument("--insecure-ignore-sct", action="store_true", help="do not ask for a CT log's promise")
    checks.add_argument("--write-notes", action="store_true", help="keep log entries, and merged heads, in git notes")
    checks.add_argument("--no-cache", dest="cache", action="store_false", help="verify everything anew, keep nothing")
    checks.add_argument("--jobs", type=_jobs, default=0, metavar="N", help="number of processes (default: all cores)")
    report = parser.add_argument_group("report")
    report.add_argument(
        "--format",
        choices=tuple(FORMATS),
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (default: terminal on a terminal, else text)",
    )
    report.add_argument(
        "--output", type=optiontypes.given, metavar="FILE", help="write the report there, whole or not at all"
    )
    report.add_argument("--verbose", action="store_true", help="list accepted commits too (text)")
    _add_publish(parser)
    return parser


def _add_publish(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("statuses on a forge")
    group.add_argument(
        "--publish", choices=PUBLISH, help="set a commit status there (a check run where GitHub's token may)"
    )
    group.add_argument(
        "--publish-for",
        choices=("head", "commits"),
        default="head",
        help="one status for the whole audit (default), or one for each of the newest 100 commits",
    )
    group.add_argument(
        "--publish-project", type=optiontypes.given, metavar="PROJECT", help="OWNER/NAME (default: CI's variables)"
    )
    group.add_argument(
        "--publish-url", type=optiontypes.given, metavar="URL", help="the forge's API (default: CI's variables)"
    )
    group.add_argument(
        "--report-url", type=optiontypes.given, metavar="URL", help="where a status leads (default: the CI job)"
    )


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 256")
    return int(text)


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
