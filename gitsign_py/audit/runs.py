"""Past audits, kept for their trend and for what is new since: one row a run in SQLite, readable by its owner alone.

Figures for people, on which no verdict rests: what ``--since-last`` leaves out was reported by the run before.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from gitsign_py.errors import ConfigError

NAME = "audits.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS runs (
    repository TEXT NOT NULL, at TEXT NOT NULL, total INTEGER NOT NULL, verified INTEGER NOT NULL,
    accepted INTEGER NOT NULL, judged INTEGER NOT NULL, exit_status INTEGER NOT NULL, refs TEXT NOT NULL)"""
_COLUMNS = "repository, at, total, verified, accepted, judged, exit_status, refs"


class Run(NamedTuple):
    """One audit of one repository: when, the figures, and the commit that each ref named."""

    repository: str
    at: str
    total: int
    verified: int
    accepted: int
    judged: int
    exit_status: int
    refs: Mapping[str, str]

    @property
    def coverage(self) -> float:
        """The share that is verified, in percent, rounded down to a tenth."""
        return self.verified * 1000 // self.total / 10 if self.total else 0.0

    def as_object(self) -> dict[str, Any]:
        """The run as JSON."""
        return {**self._asdict(), "refs": dict(self.refs), "coverage_percent": self.coverage}


def run_of(summary: Mapping[str, Any]) -> Run:
    """The run that the summary of an audit's JSON describes."""
    figures = {name: summary[name] for name in ("total", "verified", "accepted", "judged", "exit_status")}
    return Run(repository=summary["repository"], at=summary["time"], refs=summary["refs"], **figures)


def keep(folder: Path, run: Run) -> None:
    """Add a run. Raises ConfigError ``runs-unusable``."""
    values = (*run[:-1], json.dumps(dict(run.refs)))
    try:
        with closing(_opened(folder)) as database, database:
            database.execute(f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
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
        return [Run(*row)._replace(refs=json.loads(row[-1])) for row in rows]
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        raise _unusable(folder, error) from error


def _opened(folder: Path) -> sqlite3.Connection:
    path = folder / NAME
    path.touch(mode=0o600)
    with ExitStack() as undo:
        database = sqlite3.connect(path, timeout=10)
        undo.callback(database.close)
        database.execute(_TABLE)
        undo.pop_all()
    return database


def _unusable(folder: Path, error: Exception) -> ConfigError:
    return ConfigError(
        "runs-unusable", f"the store of past audits {folder / NAME} cannot be used: {error}", hint="put it aside"
    )
