"""Two monitors compare what one log showed them: views that are split are found, honest ones fit."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.monitor.findings import Inspected
from gitsign_py.monitor.follow import Followed, Options, follow
from gitsign_py.monitor.splitview import check_other
from gitsign_py.monitor.state import Store
from tests.support.memorylog import SignedSource, signed_source
from tests.support.workbench import EMAIL, Workbench

OPTIONS = Options(lambda head, batch: Inspected(), lambda: 77)


def log_of(*names: str, like: SignedSource | None = None) -> SignedSource:
    """A log of these entries; ``like`` another one: by the same key, so that both are one log to their readers."""
    return signed_source(*(name.encode() for name in names), key=None if like is None else like.log.key)


def keep(log: SignedSource, path: Path) -> Path:
    with Store(path) as store:
        assert follow(log, store, OPTIONS).failures == ()
    return path


def compare(theirs: SignedSource, ours: SignedSource, folder: Path) -> Followed:
    other = keep(theirs, folder / "other" / "m")
    keep(ours, folder / "own" / "m")
    with Store(folder / "own" / "m") as store:
        found = check_other(other, ours, store, ours.root, now=78)
        assert [one.kind for _, one in store.findings()] == [one.kind for one in found.alarms]
    return found


@pytest.mark.parametrize("theirs", ["abcde", "abcdefg", "a", "ab", "abcd", "abcdefghijk"])
def test_views_of_one_history_fit(tmp_path: Path, theirs: str) -> None:
    ours = log_of(*"abcdefg")
    other = log_of(*theirs, like=ours)
    longer = other if len(theirs) > 7 else ours
    ours.log.hash_at, ours.consistency = longer.log.hash_at, longer.consistency  # type: ignore[method-assign]
    found = compare(other, ours, tmp_path)
    assert (found.alarms, found.failures) == ((), ())


@pytest.mark.parametrize("theirs", ["abcdefX", "abcX", "abXde", "X", "Xb", "aX", "Xbcdefg"])
def test_a_split_view_is_found(tmp_path: Path, theirs: str) -> None:
    ours = log_of(*"abcdefg")
    (alarm,) = compare(log_of(*theirs, like=ours), ours, tmp_path).alarms
    assert alarm.kind in ("log-forked", "log-root-wrong")
    if len(theirs) in (3, 4, 5, 7):
        assert alarm.kind == "log-forked"
    assert alarm.facts["kept_root"] != alarm.facts["root"]


def test_only_what_the_log_signed_is_believed(tmp_path: Path) -> None:
    """Another key's head in a state is no accusation; it could not be checked."""
    found = compare(log_of(*"abX"), log_of(*"abcdefg"), tmp_path)
    assert found.alarms == ()
    assert found.failures[0].reason == "log-unknown"


@pytest.mark.parametrize("data", [None, b"", b"no database" * 100])
def test_a_state_that_cannot_be_read_is_said(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "x").write_bytes(data)
    log = log_of(*"abc")
    keep(log, tmp_path / "own" / "m")
    with Store(tmp_path / "own" / "m") as store:
        found = check_other(tmp_path / "x", log, store, log.root, now=78)
    assert found.failures[0].reason == "monitor-other-unusable"


def test_two_monitors_of_a_stack_agree(bench: Workbench, tmp_path: Path) -> None:
    bench.commit("one")
    first, second = tmp_path / "first" / "m", tmp_path / "second" / "m"
    quiet: tuple[Any, ...] = ("monitor", "-q", "--log", "rekor1", "--log", "ct", "--identity", EMAIL)
    assert bench.tool(*quiet, "--state", str(first)).returncode == 0
    bench.commit("two")
    done = bench.tool(*quiet, "--state", str(second), "--against", str(first))
    assert done.returncode == 0, done.stderr
    for value in ("replace(signed, '1', '2')", "CAST(replace(signed, '1', '2') AS BLOB)"):
        with sqlite3.connect(first) as database:
            database.execute(f"UPDATE trees SET signed = {value}")
        done = bench.tool(*quiet, "--state", str(second), "--against", str(first))
        assert done.returncode == 3, done.stderr
        assert b"could not be checked" in done.stderr
