"""Progress on a real terminal: nothing within the first second, then a count, and a clean line at the end."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from gitsign_py.host.progress import counted

# The timer is theirs: the time limit of pytest-timeout would have it else.
pytestmark = pytest.mark.timeout(900, method="thread")

Screen = tuple[int, Callable[[bytes], object]]


@pytest.fixture
def screen() -> Iterator[Screen]:
    """Both ends of a terminal: what a person sees, and what draws on it."""
    seen, drawn = os.openpty()
    yield seen, partial(os.write, drawn)
    os.close(seen)
    os.close(drawn)


@pytest.fixture(params=["signal", "thread"])
def ticker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system with a timer signal, and one without."""
    if request.param == "thread":
        monkeypatch.delattr("signal.setitimer")
    return str(request.param)


def said(seen: int) -> bytes:
    """All that was drawn; what one end writes reaches the other a moment later."""
    parts = []
    while select.select([seen], [], [], 0.5)[0]:
        parts.append(os.read(seen, 1 << 16))
    return b"".join(parts)


def slow(first: float, second: float) -> Iterator[int]:
    """Three items, with so many seconds before the first and the third."""
    time.sleep(first)
    yield from (1, 2)
    time.sleep(second)
    yield 3


def test_counts_from_the_second_second_on_and_goes_away(screen: Screen, ticker: str) -> None:
    before = signal.getsignal(signal.SIGALRM)
    assert list(counted(slow(1.3, 0.4), screen[1])) == [1, 2, 3]
    lines = said(screen[0]).split(b"\r\x1b[K")
    assert lines[0] == b""
    assert lines[1] == b"gitsign-py: working", "one step that takes long is work too"
    assert b"gitsign-py: 2 judged" in lines
    assert lines[-1] == b""
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_quick_work_draws_nothing(screen: Screen, ticker: str) -> None:
    assert list(counted(range(1000), screen[1])) == list(range(1000))
    assert said(screen[0]) == b""


def test_who_stops_early_leaves_a_clean_line(screen: Screen, ticker: str) -> None:
    items = counted(slow(1.3, 0), screen[1])
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert said(screen[0]).endswith(b"\r\x1b[K")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_timer_that_runs_already_is_left_alone(screen: Screen) -> None:
    """A hook's time budget ends the process by the same timer."""
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        assert list(counted(range(3), screen[1])) == [0, 1, 2]
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_threads_and_nobody(screen: Screen) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(counted(range(3), screen[1])))
    thread.start()
    thread.join()
    assert found == [0, 1, 2]
    assert list(counted(slow(0, 1.2), None)) == [1, 2, 3]
    assert said(screen[0]) == b""


def test_programs_that_work_starts_are_not_disturbed(screen: Screen) -> None:
    """A child that waits through the whole drawing ends by itself."""

    def work() -> Iterator[int]:
        yield subprocess.run([sys.executable, "-c", "import time; time.sleep(1.6)"], check=False).returncode

    assert list(counted(work(), screen[1])) == [0]
    assert b"working" in said(screen[0])
