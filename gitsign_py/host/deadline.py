"""An end to what knows none: calls that Python cannot interrupt."""

import threading
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
