"""Whether a function's cost grows with its input and no faster: processor time over inputs that grow fourfold.

A busy machine stretches single figures, so the best of several counts, and what is judged is how the cost grows: four
times the input may cost eight times as much. A square would be sixteen times, n to the power of one and a half eight.
"""

import gc
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gitsign_py.errors import GitsignError

GROWTH = 4
ALLOWED = 8.0
UNSEEN = 0.002
"""Seconds that count as nothing: a square that takes no longer is found at the next size."""
TOO_LONG = 8.0


class SuperLinearError(AssertionError):
    """Cost that grows faster than the input."""


def check_linear(name: str, function: Callable[[Any], object], make: Callable[[int], Any], *, most: int) -> None:
    """Call ``function`` with ``make(count)`` for counts of 16, 64, 256 and so on, up to ``most``."""
    count, before = 16, 0.0
    while count <= most:
        took = seconds(name, function, make(count))
        if before > UNSEEN and took > ALLOWED * before:
            before = min(before, *(seconds(name, function, make(count // GROWTH)) for _ in range(4)))
            took = min(took, *(seconds(name, function, make(count)) for _ in range(3)))
            if took > ALLOWED * max(before, UNSEEN):
                raise SuperLinearError(f"{name}: {before:.4f} s at {count // GROWTH}, {took:.4f} s at {count}")
        # From nothing to much in one step: twice what is allowed from the bound of what counts as nothing.
        elif took > 2 * ALLOWED * UNSEEN and before <= UNSEEN:
            took = min(took, *(seconds(name, function, make(count)) for _ in range(3)))
            if took > 2 * ALLOWED * UNSEEN:
                raise SuperLinearError(f"{name}: nothing at {count // GROWTH}, {took:.4f} s at {count}")
        before, count = took, count * GROWTH


def seconds(name: str, function: Callable[[Any], object], argument: Any) -> float:
    """Processor time of one call, refusals included; a call without end ends as a failure."""
    gc.disable()
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, TOO_LONG)
    try:
        began = time.process_time()
        with suppress(GitsignError):
            function(argument)
        return time.process_time() - began
    except TimeoutError:
        raise SuperLinearError(f"{name}: no end within {TOO_LONG:g} s at {len(argument)}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


def _give_up(_number: int, _frame: object) -> None:
    raise TimeoutError
