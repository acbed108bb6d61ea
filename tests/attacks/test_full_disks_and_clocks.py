"""Attack: the disk of a stack fills up, its lock file is deleted under it, its clock is turned back.

It says so and signs nothing wrong; what can be read is read.
"""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host import filelock
from gitsign_py.localstack import fsck, process
from gitsign_py.localstack.context import Sources
from gitsign_py.localstack.directory import LOCK, LOG
from gitsign_py.localstack.stack import Stack
from tests.support.openedstack import ask, log_an_entry

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", 0, sources=Sources(clock))
    yield stack
    stack.close()


def fill_the_disk(stack: Stack) -> None:
    """SQLite takes a database that may not grow for a full disk (sqlite.org/pragma.html, max_page_count)."""
    with stack.context.state.transaction() as db:
        db.execute("CREATE TABLE filling (data BLOB)")
    with stack.context.state.transaction() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_503_with_the_reason_and_reads_go_on(opened: Stack) -> None:
    assert log_an_entry(opened, 0).status == 201
    fill_the_disk(opened)
    answers = [log_an_entry(opened, number) for number in range(1, 40)]
    refused = [answer for answer in answers if answer.status != 201]
    assert refused
    assert {answer.status for answer in refused} == {503}
    assert "full" in json.loads(refused[0].body)["message"]
    size = 1 + len(answers) - len(refused)
    assert ask(opened, "/api/v2/checkpoint").body.split(b"\n")[1] == str(size).encode()


def test_a_disk_that_takes_no_entry_is_not_healthy_though_a_number_fits(opened: Stack) -> None:
    """Whoever sends clients here asks whether it can sign; when there is room again nothing else must be written."""
    fill_the_disk(opened)
    assert ask(opened, "/readyz").status == 200
    assert 503 in {log_an_entry(opened, number).status for number in range(40)}
    assert [ask(opened, path).status for path in ("/readyz", "/healthz", "/livez")] == [503, 503, 200]
    with opened.context.state.transaction() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    assert [ask(opened, path).status for path in ("/readyz", "/healthz")] == [200, 200]
    assert log_an_entry(opened, 41).status == 201


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGBUS")
def test_a_full_disk_of_small_blocks_is_an_error_and_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database is mapped into memory, and a page without a block on the disk ends the process."""
    Stack(tmp_path / "stack", 0).close()
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result((1024, 1024, disk.f_blocks, 1, 1, *disk[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    for opening in (lambda: Stack(tmp_path / "stack", 0), lambda: fsck.check(tmp_path / "stack")):
        with pytest.raises(ConfigError, match="is full") as caught:
            opening()
        assert caught.value.reason == "stack-database-unusable"


def test_a_database_that_cannot_be_written_is_not_healthy(opened: Stack) -> None:
    with opened.context.state.transaction() as db:
        db.execute("PRAGMA query_only = ON")
    answer = ask(opened, "/healthz")
    assert (answer.status, "readonly" in json.loads(answer.body)["message"]) == (503, True)
    assert log_an_entry(opened, 0).status == 503
    assert ask(opened, "/api/v2/checkpoint").status == 200


@pytest.mark.skipif(not filelock.LOCKS_DIRECTORIES, reason="Windows deletes no file that is open")
def test_a_second_server_is_kept_out_without_the_lock_file(opened: Stack) -> None:
    directory = opened.context.state.directory
    (directory / LOCK).unlink()
    with pytest.raises(ConfigError) as caught:
        Stack(directory, 0)
    assert caught.value.reason == "stack-already-running"
    assert process.is_locked(directory)


def test_a_clock_that_goes_back_signs_nothing(opened: Stack, clock: Clock) -> None:
    clock.time = NOW - timedelta(seconds=59)
    assert log_an_entry(opened, 0).status == 201
    clock.time = NOW - timedelta(seconds=61)
    for answer in (log_an_entry(opened, 1), ask(opened, "/ct/v1/get-sth")):
        assert answer.status == 503
    assert "the clock went back" in json.loads(log_an_entry(opened, 1).body)["message"]
    assert ask(opened, "/api/v2/checkpoint").status == 200
    clock.time = NOW
    assert log_an_entry(opened, 1).status == 201


def test_a_clock_that_went_back_while_it_was_down_is_remembered(tmp_path: Path, clock: Clock) -> None:
    with Stack(tmp_path / "stack", 0, sources=Sources(clock)) as stack:
        assert log_an_entry(stack, 0).status == 201
    clock.time = NOW - timedelta(hours=1)
    with pytest.raises(ConfigError, match="the clock went back") as caught:
        Stack(tmp_path / "stack", 0, sources=Sources(clock))
    assert caught.value.reason == "stack-clock-went-back"
    with Stack(tmp_path / "stack", 0, sources=Sources(clock, clock_is_right=True)) as stack:
        assert log_an_entry(stack, 1).status == 201


def start_in_vain(directory: Path) -> str:
    with pytest.raises(ServiceError) as caught:
        process.start_detached(directory, ["--port", "0", "--fault", "no-such-fault"])
    return caught.value.message


def test_what_a_crash_said_outlives_the_next_starts(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    log = directory / LOG
    start_in_vain(directory)
    log.write_text("Traceback of a crash\n" + log.read_text())
    assert "no-such-fault" in start_in_vain(directory)
    assert log.read_text().startswith("Traceback of a crash\n")
    with log.open("a") as file:
        file.write("x" * process.LOG_BYTES)
    assert "no-such-fault" in start_in_vain(directory)
    assert (directory / f"{LOG}.1").read_text().startswith("Traceback of a crash\n")
    assert log.stat().st_size < 1000
