"""Waiting for what other processes and threads do, with an end."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 120
"""Long, since nothing but a failure waits that long, and machines are busy now and then."""


def wait_until(holds: Callable[[], T], otherwise: Callable[[], object] = lambda: "it never came") -> T:
    """Wait until ``holds`` gives something true, and give it back; fails with what ``otherwise`` says then."""
    end = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < end, otherwise()
        time.sleep(0.02)
    return found


def next_second() -> None:
    """Wait for it: logs and timestamps here know whole seconds."""
    now = int(time.time())
    wait_until(lambda: time.time() >= now + 1)
