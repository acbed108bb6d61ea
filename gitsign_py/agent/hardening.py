"""Makes the agent's memory hard to reach: no core dumps, no tracing by other processes, no swap where the limit allows.

Python cannot do everything: strings and bytes (tokens) are zeroed by nobody when they are dropped. The
private key lives in OpenSSL's memory, which clears it when the last reference goes (BN_clear_free).
"""

import contextlib
import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable

from gitsign_py.core.frozen import frozen

_PR_SET_DUMPABLE = 4  # prctl(2)
_PR_GET_DUMPABLE = 3
_PT_DENY_ATTACH = 31  # ptrace(2) of macOS
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # mlockall(2)
_SUSPEND_SECONDS = 2.0


@frozen
class Hardening:
    """The protections that this system has: each is True, or False where the system said no or does not know it."""

    no_core_dump: bool
    not_dumpable: bool
    memory_locked: bool


def harden() -> Hardening:
    """Apply all of it to this process; never raises."""
    os.umask(0o077)
    return Hardening(no_core_dump=_forbid_core_dumps(), not_dumpable=_forbid_tracing(), memory_locked=_lock_memory())


def _libc() -> ctypes.CDLL | None:
    if sys.platform == "win32":
        return None
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


def _forbid_core_dumps() -> bool:
    if sys.platform == "win32":
        return False
    try:
        import resource  # noqa: PLC0415  not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return False
    return True


def _forbid_tracing() -> bool:
    """Not dumpable also means that /proc/PID/mem and ptrace are for root alone (prctl(2), PR_SET_DUMPABLE)."""
    libc = _libc()
    if libc is None:
        return False
    with contextlib.suppress(AttributeError):
        if sys.platform == "linux":
            return int(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0 == int(libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))
        if sys.platform == "darwin":
            return int(libc.ptrace(_PT_DENY_ATTACH, 0, 0, 0)) == 0
    return False


def _lock_memory() -> bool:
    """Lock pages as they are touched, only where there is no limit: past a limit MCL_FUTURE makes malloc fail."""
    if sys.platform != "linux" or not _unlimited_lock():
        return False
    libc = _libc()
    return libc is not None and bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def _unlimited_lock() -> bool:
    if sys.platform != "linux":
        return False
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if hard == resource.RLIM_INFINITY and soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        soft = hard
    return soft == resource.RLIM_INFINITY


def forget() -> None:
    """Collect what was dropped, so that OpenSSL gets to clear it now rather than at the next collection."""
    gc.collect()


class SuspendWatch:
    """Notices that the machine slept: the clock that runs through sleep gets ahead of the one that stops.

    ``asleep_too`` and ``awake_only`` return seconds (on Linux CLOCK_BOOTTIME and CLOCK_MONOTONIC, clock_gettime(2)).
    """

    def __init__(
        self, asleep_too: Callable[[], float] | None = None, awake_only: Callable[[], float] | None = None
    ) -> None:
        self._asleep_too = asleep_too or _boot_clock()
        self._awake_only = awake_only or _awake_clock()
        self._gap = self._asleep_too() - self._awake_only()

    def slept(self) -> bool:
        """Say whether the machine slept since the last call (or since the start)."""
        gap = self._asleep_too() - self._awake_only()
        slept = gap - self._gap > _SUSPEND_SECONDS
        self._gap = gap
        return slept


def _boot_clock() -> Callable[[], float]:
    if sys.platform == "win32":
        return time.monotonic  # it counts sleep (GetTickCount64, QueryPerformanceCounter)
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    if boot is None and sys.platform == "darwin":
        boot = getattr(time, "CLOCK_MONOTONIC", None)  # on macOS this one counts sleep
    return time.time if boot is None else lambda: time.clock_gettime(boot)


def _awake_clock() -> Callable[[], float]:
    if sys.platform == "win32":

        def unbiased() -> float:
            """Seconds without sleep (QueryUnbiasedInterruptTime, in units of 100 ns)."""
            ticks = ctypes.c_ulonglong()
            ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(ticks))
            return ticks.value / 10_000_000

        return unbiased
    uptime = getattr(time, "CLOCK_UPTIME_RAW", None)  # macOS
    return time.monotonic if uptime is None else lambda: time.clock_gettime(uptime)
