"""Being told to end: by SIGINT, SIGTERM and SIGHUP, and on Windows by Ctrl-Break and a console that is closed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by(names: tuple[str, ...], stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` for each signal of these names that the system has. For the main thread alone (signal.signal)."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
