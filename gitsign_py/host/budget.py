"""A time budget for a whole piece of work, asked between its steps. ``host.timelimit`` enforces it."""

import time
from collections.abc import Callable

GRACE_SECONDS = 1.0
"""For work that asks: it stops by itself, and tidies up. The waiting process gets an answer within two seconds."""
Allow = Callable[[float], "Budget"]
"""Tells how many seconds the work may take, from its beginning on, and gives what is left of them."""
Work = Callable[[Allow], int]
LastWords = Callable[[float], str]


class BudgetSpentError(Exception):
    """Work that asked and found its budget spent: ``within_budget`` says the last words, so that they stand once."""


class Budget:
    """So many seconds, counted from ``began`` (time.monotonic)."""

    def __init__(self, seconds: float, began: float) -> None:
        self._end = began + seconds

    @property
    def is_spent(self) -> bool:
        """Whether the seconds are over."""
        return time.monotonic() >= self._end
