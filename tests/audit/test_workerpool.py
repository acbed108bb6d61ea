"""The processes of an audit: answers in order, deaths that are told, and an end at any moment."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.audit.workerpool import WorkerPool
from tests.support.processes import ending

ROOT = Path(__file__).resolve().parents[2]


def _answer(question: tuple[str, float]) -> tuple[int, str]:
    text, seconds = question
    if text == "die":
        os._exit(9)
    if text == "fail":
        raise ValueError("no such thing")
    time.sleep(seconds)
    return os.getpid(), text


@pytest.fixture(params=["fork", "spawn"])
def pool(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WorkerPool[tuple[str, float], tuple[int, str]]]:
    monkeypatch.setattr("gitsign_py.audit.workerpool._START", request.param)
    made = WorkerPool(2, _answer)
    yield made
    made.close()


def test_answers_belong_to_their_questions(pool: WorkerPool[tuple[str, float], tuple[int, str]]) -> None:
    asked = [(str(number) * 70_000, 0.001 * (number % 3)) for number in range(60)]  # more than a pipe holds, both ways
    answers = [future.result(30) for future in [pool.ask(question) for question in asked]]
    assert [text for _, text in answers] == [text for text, _ in asked]
    processes = {process for process, _ in answers}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_a_death_is_told_to_whoever_waits_for_it(pool: WorkerPool[tuple[str, float], tuple[int, str]]) -> None:
    dead = [pool.ask(("die", 0)), pool.ask(("die", 0))]
    for future in [*dead, pool.ask(("late", 0))]:
        with pytest.raises(EOFError):
            future.result(30)


def test_an_error_is_told_in_words(pool: WorkerPool[tuple[str, float], tuple[int, str]]) -> None:
    with pytest.raises(RuntimeError, match="ValueError: no such thing"):
        pool.ask(("fail", 0)).result(30)
    assert pool.ask(("next", 0)).result(30)[1] == "next"


def test_no_more_are_spawned_than_there_are_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.workerpool._START", "spawn")
    before = set(multiprocessing.active_children())
    pool = WorkerPool(100, _answer)
    assert set(multiprocessing.active_children()) == before
    for future in [pool.ask((text, 0)) for text in ("a", "b", "c")]:
        future.result(60)
    started = set(multiprocessing.active_children()) - before
    pool.close()
    assert 1 <= len(started) <= 3


@pytest.mark.parametrize("waited", [0, 0.05])
def test_a_busy_crew_ends_at_once(waited: float) -> None:
    pool = WorkerPool(2, _answer)
    futures = [pool.ask(("x" * 300_000, 60)) for _ in range(10)]
    time.sleep(waited)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 20
    for future in futures:
        assert future.cancelled() or isinstance(future.exception(0), EOFError)


def test_a_process_that_was_stopped_is_not_waited_for() -> None:
    """It has nothing to do, and does not hear that it may go."""
    pool = WorkerPool(2, _answer)
    process, _ = pool.ask(("a", 0)).result(30)
    os.kill(process, signal.SIGSTOP)
    closing = threading.Thread(target=pool.close, daemon=True)
    closing.start()
    closing.join(20)
    ended = not closing.is_alive()
    if not ended:
        os.kill(process, signal.SIGKILL)
    assert ended


_PARENT = """
import os, sys, time
from gitsign_py.audit.workerpool import WorkerPool
from tests.audit.test_workerpool import _answer
pool = WorkerPool(2, _answer)
futures = [pool.ask((text, 0.2)) for text in ("a", "b")]
os.write(int(sys.argv[1]), b"%d" % futures[0].result()[0])
time.sleep(60)
"""


def test_processes_end_with_their_parent() -> None:
    """However it ends: here by SIGKILL, with processes that may be at work still."""
    reading, writing = os.pipe()
    with ending(
        subprocess.Popen([sys.executable, "-c", _PARENT, str(writing)], cwd=ROOT, pass_fds=[writing])
    ) as parent:
        os.close(writing)
        assert os.read(reading, 20)  # the processes are there, and hold the pipe's other end
        parent.kill()
    assert _read_to_end(reading, 20)


def _read_to_end(pipe: int, seconds: float) -> bool:
    """Whether the pipe's other end is closed by all who held it within so many seconds."""
    os.set_blocking(pipe, False)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return os.read(pipe, 1) == b""
        except BlockingIOError:
            time.sleep(0.02)
    return False
