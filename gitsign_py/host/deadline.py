"""An end to what knows none: calls that Python cannot interrupt, and locks that others hold."""

import fcntl
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, action: Callable[[], T]) -> T:
    """Return what ``action`` returns, or raise what it raises; TimeoutError when that takes longer than ``seconds``."""
    results: list[T] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            results.append(action())
        except Exception as error:  # noqa: BLE001  raised again below, where somebody waits for it
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if failures:
        raise failures[0]
    return results[0]


def lock_within(descriptor: int, seconds: float) -> bool:
    """Take the file's lock (flock(2)), which ends with the descriptor; False when others hold it all that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False
