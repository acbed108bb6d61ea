"""Past audits, kept for their trend and for what is new since: one row a run in SQLite, readable by its owner alone.

Figures for people, on which no verdict rests: what ``--since-last`` leaves out was reported by a run before that judged
by the same policy and options. A trend compares runs that also walked the same.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from gitsign_py.errors import ConfigError

NAME = "audits.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS runs (
    repository TEXT NOT NULL, at TEXT NOT NULL, total INTEGER NOT NULL, verified INTEGER NOT NULL,
    accepted INTEGER NOT NULL, judged INTEGER NOT NULL, exit_status INTEGER NOT NULL, refs TEXT NOT NULL,
    rules TEXT NOT NULL DEFAULT '', walk TEXT NOT NULL DEFAULT '')"""
_LATER = ("rules", "walk")
"""Columns that older stores lack: their runs are like no other one."""
_COLUMNS = "repository, at, total, verified, accepted, judged, exit_status, refs, rules, walk"


class Run(NamedTuple):
    """One audit of one repository: when, the figures, and the commit that each ref named.

    ``rules`` are the policy and the options that it judged by, ``walk`` what it was asked to walk, both as text that is
    only compared.
    """

    repository: str
    at: str
    total: int
    verified: int
    accepted: int
    judged: int
    exit_status: int
    refs: Mapping[str, str]
    rules: str = ""
    walk: str = ""

    @property
    def coverage(self) -> float:
        """The share that is verified, in percent, rounded down to a tenth."""
        return self.verified * 1000 // self.total / 10 if self.total else 0.0

    def as_object(self) -> dict[str, Any]:
        """The run as JSON."""
        shown = {name: value for name, value in self._asdict().items() if name not in _LATER}
        return {**shown, "refs": dict(self.refs), "coverage_percent": self.coverage}


def run_of(summary: Mapping[str, Any], options: Sequence[str], walk: Sequence[str]) -> Run:
    """The run that the summary of an audit's JSON describes; ``options`` as for ``rules_of``."""
    figures = {name: summary[name] for name in ("total", "verified", "accepted", "judged", "exit_status")}
    return Run(
        repository=summary["repository"],
        at=summary["time"],
        refs=summary["refs"],
        rules=rules_of(summary["policy"], summary["policy_digest"], options),
        walk=json.dumps([*walk]),
        **figures,
    )


def rules_of(policy: str, digest: str, options: Sequence[str]) -> str:
    """The text of a policy, and of the options that change verdicts or what is seen behind a commit."""
    return json.dumps([digest or policy, *options])


def keep(folder: Path, run: Run) -> None:
    """Add a run. Raises ConfigError ``runs-unusable``."""
    values = run._replace(refs=json.dumps(dict(run.refs)))  # type: ignore[arg-type]
    try:
        with closing(_opened(folder)) as database, database:
            database.execute(f"INSERT INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
    except (OSError, sqlite3.Error) as error:
        raise _unusable(folder, error) from error


def last_runs(folder: Path, repository: str, most: int) -> list[Run]:
    """The newest runs of a repository, the newest first. Raises ConfigError ``runs-unusable``."""
    if not (folder / NAME).exists():
        return []
    query = f"SELECT {_COLUMNS} FROM runs WHERE repository = ? ORDER BY at DESC, rowid DESC LIMIT ?"  # noqa: S608
    try:
        with closing(_opened(folder)) as database:
            rows = database.execute(query, (repository, most)).fetchall()
        runs = [Run(*row) for row in rows]
        return [run._replace(refs=json.loads(run.refs)) for run in runs]  # type: ignore[arg-type]
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        raise _unusable(folder, error) from error


def _opened(folder: Path) -> sqlite3.Connection:
    path = folder / NAME
    path.touch(mode=0o600)
    with ExitStack() as undo:
        database = sqlite3.connect(path, timeout=10)
        undo.callback(database.close)
        database.execute(_TABLE)
        there = {row[1] for row in database.execute("PRAGMA table_info(runs)")}
        for name in _LATER:
            if name not in there:
                database.execute(f"ALTER TABLE runs ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
        undo.pop_all()
    return database


def _unusable(folder: Path, error: Exception) -> ConfigError:
    return ConfigError(
        "runs-unusable", f"the store of past audits {folder / NAME} cannot be used: {error}", hint="put it aside"
    )
