"""A clock that goes back: certificates, promises and tokens would be signed for a time that has been.

Something older would follow what was signed before, and the windows of keys would cover it twice. So the latest
time that was seen is kept, over restarts too, and nothing is signed while the clock is behind it.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gitsign_py.errors import ConfigError
from gitsign_py.localstack.service import Refusal
from gitsign_py.localstack.state import State

_log = logging.getLogger("gitsign_py.localstack")
PATIENCE = timedelta(minutes=1)
_KEEP_SECONDS = 10
_KEEP = "INSERT INTO marks VALUES ('time', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"


def _nothing() -> None:
    """Unless the maker of a guard has something."""


class ClockGuard:
    """The clock of a stack: ``now`` gives the time, or refuses to when it is a minute behind what was seen."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        state: State,
        *,
        believed: bool = False,
        also: Callable[[], None] = _nothing,
    ) -> None:
        """``believed``: the clock is right, and what was kept before is not; ``also`` is done each ten seconds.

        Raises ConfigError ``stack-clock-went-back`` when it is behind what was kept.
        """
        self._clock, self._state, self._also = clock, state, also
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        with state.reading() as db:
            row = db.execute("SELECT value FROM marks WHERE name = 'time'").fetchone()
        self._kept = int(row[0]) if row else 0
        self._latest = datetime.fromtimestamp(self._kept, UTC)
        if believed:
            self._forget()
        try:
            self.now()
        except Refusal as refusal:
            raise ConfigError(
                "stack-clock-went-back", refusal.message, hint="set the clock; if it is right now: --clock-is-right"
            ) from refusal

    def _forget(self) -> None:
        with self._state.transaction() as db:
            db.execute("DELETE FROM marks WHERE name = 'time'")
        self._kept, self._latest = 0, datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        """The time. Raises Refusal 503 ``clock-went-back``."""
        now = self._clock()
        with self._lock:
            self._latest = max(self._latest, now)
            latest = self._latest
        if now < latest - PATIENCE:
            words = f"it is {now:%Y-%m-%d %H:%M:%S} UTC by the clock, and was {latest:%Y-%m-%d %H:%M:%S} UTC before"
            raise Refusal(503, f"the clock went back, nothing is signed: {words}", reason="clock-went-back")
        return now

    def keep(self) -> None:
        """Put the latest time that something was signed at on disk; an idle stack writes nothing."""
        with self._lock:
            latest = int(self._latest.timestamp())
        if latest > self._kept:
            with self._state.transaction() as db:
                db.execute(_KEEP, (latest,))
            self._kept = latest

    def start(self) -> None:
        """Keep it each ten seconds from now on."""
        self._thread = threading.Thread(target=self._run, name="local-stack-clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Keep it for the last time."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_KEEP_SECONDS):
            self._try_to_keep()
        self._try_to_keep()

    def _try_to_keep(self) -> None:
        try:
            self.keep()
            self._also()
        except (sqlite3.Error, OSError) as error:
            _log.warning("time and log could not be kept: %s", error)
