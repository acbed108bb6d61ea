"""The store of past audits: one that is damaged is refused in one line, and its file is let go of."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.audit.runs import NAME, Run, keep, last_runs
from gitsign_py.errors import ConfigError

RUN = Run(
    repository="/srv/one", at="2026-01-02T03:04:05Z", total=1, verified=1, accepted=0, judged=1, exit_status=0, refs={}
)


@pytest.mark.parametrize(
    "use", [lambda folder: keep(folder, RUN), lambda folder: last_runs(folder, RUN.repository, 1)], ids=["keep", "read"]
)
def test_a_damaged_store_is_refused_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object]
) -> None:
    (tmp_path / NAME).write_bytes(b"no database" * 100)
    made, connect = [], sqlite3.connect

    def noted(path: Path, timeout: float) -> sqlite3.Connection:
        made.append(connect(path, timeout=timeout))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    with pytest.raises(ConfigError) as caught:
        use(tmp_path)
    assert caught.value.reason == "runs-unusable"
    assert len(made) == 1
    with pytest.raises(sqlite3.ProgrammingError):
        made[0].execute("SELECT 1")


def test_a_run_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, RUN)
    assert last_runs(tmp_path, RUN.repository, 2) == [RUN]
    assert last_runs(tmp_path, "/srv/two", 2) == []


def test_a_store_that_lacks_the_rules_is_read_and_goes_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as old:
        columns = "repository TEXT, at TEXT, total INTEGER, verified INTEGER, accepted INTEGER, judged INTEGER"
        old.execute(f"CREATE TABLE runs ({columns}, exit_status INTEGER, refs TEXT)")
        old.execute("INSERT INTO runs VALUES ('/srv/one', '2025-01-02T03:04:05Z', 1, 1, 0, 1, 0, '{}')")
    old.close()
    new = RUN._replace(rules="by this", walk="all")
    keep(tmp_path, new)
    assert last_runs(tmp_path, RUN.repository, 5) == [new, RUN._replace(at="2025-01-02T03:04:05Z")]
