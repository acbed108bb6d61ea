"""Waiting for what other processes and threads do, with an end."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], otherwise: str = "it never came") -> None:
    """Wait until ``holds`` gives something true, for two minutes at most, as machines are busy; fails with ``otherwise``."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)
