"""Whether a function's cost grows with its input and no faster: processor time over inputs that grow fourfold.

A busy machine stretches single figures, so the best of several counts, and what is judged is how the cost grows: four
times the input may cost eight times as much. A square would be sixteen times, n to the power of one and a half eight.
"""

import gc
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from gitsign_py.errors import GitsignError

FIRST = 256
GROWTH = 4
ALLOWED = 8.0
UNSEEN = 0.002
"""Seconds that count as nothing: a square that takes no longer is found at the next size."""
LONGEST = 8.0
PAUSES = (0.0, 0.0, 0.0, 0.1, 0.3, 1.0)
"""Seconds before each further try of what cost too much."""


class SuperLinearError(AssertionError):
    """Cost that grows faster than the input."""


def check_linear(
    name: str, function: Callable[[Any], object], make: Callable[[int], Any], *, most: int, longest: float = LONGEST
) -> None:
    """Call ``function`` with ``make(count)`` for counts of 256, 1024 and so on up to ``most``."""
    handler = signal.signal(signal.SIGVTALRM, _give_up)
    try:
        _check_growth(Measured(name, function, make, longest), most)
    finally:
        signal.signal(signal.SIGVTALRM, handler)


@dataclass(frozen=True)
class Measured:
    """A function, and what makes its argument from a count."""

    name: str
    function: Callable[[Any], object]
    make: Callable[[int], Any]
    longest: float

    def seconds(self, count: int) -> float:
        """Processor time of one call, refusals included; a call without end ends as a failure."""
        argument = self.make(count)
        gc.disable()
        signal.setitimer(signal.ITIMER_VIRTUAL, self.longest)
        try:
            began = time.thread_time()
            with suppress(GitsignError):
                self.function(argument)
            return time.thread_time() - began
        except TimeoutError:
            raise SuperLinearError(f"{self.name}: no end within {self.longest:g} s at {count}") from None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            gc.enable()


def _check_growth(measured: Measured, most: int) -> None:
    count, before = FIRST, 0.0
    while count <= most:
        took = measured.seconds(count)
        if took > _allowed(before):
            took = _measured_again(measured, count, before, took)
        before, count = took, count * GROWTH


def _allowed(before: float) -> float:
    """From nothing to much in one step is twice what is allowed from the bound of what counts as nothing."""
    return ALLOWED * before if before >= UNSEEN else 2 * ALLOWED * UNSEEN


def _measured_again(measured: Measured, count: int, before: float, took: float) -> float:
    """The least of further calls, which a busy machine does not stretch; gives up where it stays too much.

    The shorter input gets as long a look as the longer one, four calls: in between two others' turns there is a quiet
    moment for a short call sooner than for a long one.
    """
    shorter: list[float] = []
    for pause in PAUSES:
        time.sleep(pause)
        if before > UNSEEN:
            shorter.append(sum(measured.seconds(count // GROWTH) for _ in range(GROWTH)) / GROWTH)
        took = min(took, measured.seconds(count))
        if took <= _allowed(max(UNSEEN, min(shorter)) if shorter else before):
            return took
    if _is_one_step_up(measured, count, took):
        return took
    before = min(shorter, default=before)
    raise SuperLinearError(
        f"{measured.name}: {before:.4f} s at {count // GROWTH}, {took:.4f} s at {count}, again and again"
    )


def _is_one_step_up(measured: Measured, count: int, took: float) -> bool:
    """Whether the next input costs as much more as it is longer: this one only left the processor's caches.

    A curve goes on to rise. A next input that costs no more was refused for its length, and shows nothing.
    """
    return GROWTH / 2 * took <= measured.seconds(count * GROWTH) <= _allowed(took)


@cache
def plain_work() -> float:
    """Processor time of five million additions: what this machine makes of something known, a third of a second."""
    began = time.thread_time()
    total = 0
    for number in range(5_000_000):
        total += number
    return time.thread_time() - began


def _give_up(_number: int, _frame: object) -> None:
    raise TimeoutError
