"""Progress on a real terminal: nothing within the first second, then a count, and a clean line at the end."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from gitsign_py.host.progress import PATIENCE, counted
from tests.support.waiting import SECONDS


class Screen:
    """Both ends of a terminal: what a person sees, and what draws on it."""

    def __init__(self) -> None:
        self.seen, self._drawn = os.openpty()
        self._text = b""

    def write(self, data: bytes) -> None:
        os.write(self._drawn, data)

    def wait(self, words: bytes) -> None:
        """Return when these words were drawn: work that takes as long as it needs for that, and no longer."""
        while words not in self._text:
            assert self._has_more(SECONDS), self._text

    def said(self) -> bytes:
        """All that was drawn; what one end writes reaches the other a moment later."""
        while self._has_more(0.5):
            pass
        return self._text

    def _has_more(self, seconds: float) -> bool:
        if not select.select([self.seen], [], [], seconds)[0]:
            return False
        self._text += os.read(self.seen, 1 << 16)
        return True

    def close(self) -> None:
        os.close(self.seen)
        os.close(self._drawn)


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


@pytest.fixture(params=["signal", "thread"])
def ticker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system with a timer signal, and one without."""
    if request.param == "thread":
        monkeypatch.delattr("signal.setitimer")
    return str(request.param)


def slow(screen: Screen) -> Iterator[int]:
    """Three items; what was counted is drawn before the first and before the third."""
    screen.wait(b"working")
    yield from (1, 2)
    screen.wait(b"2 judged")
    yield 3


def test_counts_from_the_second_second_on_and_goes_away(screen: Screen, ticker: str) -> None:
    before = signal.getsignal(signal.SIGALRM)
    began, items = time.monotonic(), counted(slow(screen), screen.write)
    assert next(items) == 1
    assert time.monotonic() - began > 0.9 * PATIENCE
    assert list(items) == [2, 3]
    lines = screen.said().split(b"\r\x1b[K")
    assert lines[0] == b""
    assert lines[1] == b"gitsign-py: working", "one step that takes long is work too"
    assert b"gitsign-py: 2 judged" in lines
    assert lines[-1] == b""
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_quick_work_draws_nothing(screen: Screen, ticker: str) -> None:
    assert list(counted(range(1000), screen.write)) == list(range(1000))
    assert screen.said() == b""


def test_who_stops_early_leaves_a_clean_line(screen: Screen, ticker: str) -> None:
    items = counted(slow(screen), screen.write)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert screen.said().endswith(b"\r\x1b[K")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_timer_that_runs_already_is_left_alone(screen: Screen) -> None:
    """A hook's time budget ends the process by the same timer."""
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        assert list(counted(range(3), screen.write)) == [0, 1, 2]
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_threads_and_nobody(screen: Screen) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(counted(range(3), screen.write)))
    thread.start()
    thread.join()
    assert found == [0, 1, 2]
    assert list(counted(range(3), None)) == [0, 1, 2]
    assert screen.said() == b""


def test_programs_that_work_starts_are_not_disturbed(screen: Screen) -> None:
    """A child that waits until something is drawn ends by itself."""
    waits = f"import select; select.select([{screen.seen}], [], [], {SECONDS})"

    def work() -> Iterator[int]:
        yield subprocess.run([sys.executable, "-c", waits], pass_fds=[screen.seen], check=False).returncode

    assert list(counted(work(), screen.write)) == [0]
    assert b"working" in screen.said()
