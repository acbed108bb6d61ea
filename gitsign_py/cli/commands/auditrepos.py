"""``gitsign-py audit --repos FILE``: many repositories in one report, each audited by a process of its own."""

import argparse
import csv
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from gitsign_py.audit.reports.forges import cell
from gitsign_py.audit.runs import Run, keep, last_runs, run_of
from gitsign_py.cli.auditplan import judged_by, walked
from gitsign_py.cli.outputfile import output_file
from gitsign_py.cli.policysource import is_file
from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import escaped, printable
from gitsign_py.errors import UsageError
from gitsign_py.host.ownprogram import own_command
from gitsign_py.host.paths import data_directory
from gitsign_py.host.plainfile import read_plain

FORMATS = ("text", "json", "csv")
_MAX_LIST = 1 << 20
_TREND = 10
_FLAGS = ("all", "tags", "first_parent", "no_policy", "in_history", "pushes_judged", "isolated", "offline")
_VALUES = ("since", "ref", "policy", "introduction", "trusted_root")
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX")


@frozen
class Row:
    """One repository: its run, or why there is none; ``before`` are the runs that were kept, the newest first."""

    path: str
    status: int
    run: Run | None = None
    why: str = ""
    before: tuple[Run, ...] = ()

    @property
    def trend(self) -> float | None:
        """How the coverage changed since the last run that judged and walked the same, in points."""
        if self.run is None:
            return None
        like_this = (one for one in self.before if (one.rules, one.walk) == (self.run.rules, self.run.walk))
        last = next(like_this, None)
        return round(self.run.coverage - last.coverage, 1) if last else None


def run_repos(options: argparse.Namespace) -> int:
    """Audit them all, at most one a core at a time, and keep each run; gives the exit status."""
    if options.revisions:
        raise UsageError("audit-repos", "--repos does not go together with revisions; --all audits every ref of each")
    if options.since_last:
        raise UsageError("audit-repos", "--repos does not go together with --since-last: each row has its trend")
    if options.format not in (None, *FORMATS):
        raise UsageError("audit-repos", f"--repos is reported as {', '.join(FORMATS)}, not as {options.format}")
    paths = _paths(options.repos)
    cores = os.cpu_count() or 1
    jobs = str(options.jobs or max(1, cores // len(paths)))
    command = [*own_command(), "audit", "--format", "ndjson", "--jobs", jobs, *_passed_on(options)]
    with ThreadPoolExecutor(min(cores, len(paths))) as pool:
        rows = list(pool.map(lambda path: _audited(path, command, options), paths))
    with output_file(options.output) as out:
        _write(rows, options.format or "text", out)
    statuses = {row.status for row in rows}
    return next((status for status in (1, 3, 2) if status in statuses), 0)


def _paths(name: str) -> list[str]:
    """A path a line, relative ones from where the file lies; ``#`` begins a comment."""
    try:
        text = read_plain(Path(name), _MAX_LIST).decode("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError("audit-repos", f"the list {name} cannot be read: {error}") from error
    lines = (line.strip() for line in text.split("\n"))
    paths = [str(Path(name).resolve().parent / line) for line in lines if line and not line.startswith("#")]
    if not paths:
        raise UsageError("audit-repos", f"the list {name} names no repository, and to audit nothing is no success")
    return list(dict.fromkeys(paths))


def _passed_on(options: argparse.Namespace) -> list[str]:
    given = [f"--{name.replace('_', '-')}" for name in _FLAGS if getattr(options, name)]
    given += [f"--{name.replace('_', '-')}={_where(name, options)}" for name in _VALUES if getattr(options, name)]
    given += [] if options.cache else ["--no-cache"]
    return [*given, *(["--insecure-ignore-sct"] if options.insecure_ignore_sct else [])]


def _where(name: str, options: argparse.Namespace) -> str:
    """A file that the person named starts where they are, not in each repository."""
    value = str(getattr(options, name))
    is_path = name == "trusted_root" or (name == "policy" and is_file(value))
    return str(Path(value).resolve()) if is_path and Path(value).exists() else value


def _audited(path: str, command: Sequence[str], options: argparse.Namespace) -> Row:
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    if not Path(path).is_dir():
        return Row(path, 2, why="there is no such folder")
    row = _audited_in(path, command, environment, options)
    if not row.why.endswith("[repository-bare]"):
        return row
    # The person named this folder, which is what git asks for (git-config(1), safe.bareRepository).
    return _audited_in(path, command, {**environment, "GIT_DIR": os.path.abspath(path)}, options)  # noqa: PTH100


def _audited_in(path: str, command: Sequence[str], environment: Mapping[str, str], options: argparse.Namespace) -> Row:
    with subprocess.Popen(
        command, cwd=path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as child:
        with ThreadPoolExecutor(1) as reader:  # both pipes at once: neither fills while the other is read
            said = reader.submit(child.stderr.read if child.stderr else bytes)
            last = b""
            for line in child.stdout or ():
                last = line
            words = said.result().decode("utf-8", "replace").strip().split("\n")[-1]
        status = child.wait()
    try:
        run = run_of(json.loads(last), judged_by(options), walked(options))
    except (ValueError, KeyError):
        return Row(path, status or 3, why=words.removeprefix("gitsign-py: "))
    before = tuple(last_runs(data_directory(), run.repository, _TREND))
    keep(data_directory(), run)
    return Row(path, status, run, before=before)


def _write(rows: Sequence[Row], name: str, out: TextIO) -> None:
    if name == "json":
        out.write(json.dumps([_object(row) for row in rows], indent=2) + "\n")
    elif name == "csv":
        values = [_object(row) for row in rows]
        columns = [key for key in values[0] if key not in {"refs", "runs"}]
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([cell(value.get(column, "")) for column in columns] for value in values)
    else:
        out.writelines(f"{line}\n" for line in _lines(rows))


def _object(row: Row) -> dict[str, Any]:
    figures = ("total", "verified", "accepted", "judged", "coverage_percent", "at")
    run = row.run.as_object() if row.run else dict.fromkeys(figures)
    value = {"path": row.path, "exit_status": row.status, **{name: run[name] for name in figures}}
    value |= {"trend": row.trend, "problem": row.why}
    return value | {"refs": run.get("refs") or {}, "runs": [one.as_object() for one in row.before]}


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'verified':>15} {'accepted':>9} {'judged':>9} {'trend':>7}  repository"
    for row in rows:
        if row.run is None:
            yield f"{'not audited':>43}  {printable(row.path)}: {printable(row.why)}"
            continue
        run = row.run
        trend = f"{row.trend:+.1f}" if row.trend is not None else "-" if row.before else "new"
        share = f"{run.verified} ({run.coverage:.1f} %)"
        yield f"{share:>15} {run.accepted:>9} {run.judged:>9} {trend:>7}  {escaped(row.path)}"
    total = sum(row.run.total for row in rows if row.run)
    verified = sum(row.run.verified for row in rows if row.run)
    yield f"{verified} of {total} verified in {sum(row.run is not None for row in rows)} of {len(rows)} repositories"
