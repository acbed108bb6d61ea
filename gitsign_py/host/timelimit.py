"""An end to work that takes longer than its budget, even where no step of it comes to its end.

Where fork(2) is safe another process does the work, see ``host.supervisor``. Elsewhere a timer ends this one,
between two steps of Python and not within one.
"""

import os
import sys
import time
from contextlib import ExitStack

from gitsign_py.host.budget import GRACE_SECONDS, Budget, BudgetSpentError, LastWords, Work
from gitsign_py.host.ticking import ticking

# On macOS the system's libraries (the ones that know the proxies among them) may crash a child that executes nothing.
_FORKS = hasattr(os, "fork") and sys.platform != "darwin"


def within_budget(seconds: float, work: Work, last_words: LastWords, status: int) -> int:
    """Do the work, at most so many seconds or those that it allows itself, and give its exit status.

    One second later it is ended, whatever it is doing, with every process that it started; ``last_words`` and LF go to
    stderr then, and ``status`` is given. The same happens when the work raises BudgetSpentError. A negative status is
    the number of the signal that killed the work.
    """
    if sys.platform != "win32" and _FORKS:
        from gitsign_py.host.supervisor import supervised  # noqa: PLC0415 - each system loads its own

        return supervised(seconds, work, last_words, status)
    return _in_this_process(work, last_words, status)


def _in_this_process(work: Work, last_words: LastWords, status: int) -> int:
    """Without a child: git and gpg notice our end when they next write to us."""
    began, allowed = time.monotonic(), [0.0]

    def end() -> None:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{last_words(allowed[0])}\n".encode())
        _kill_workers()
        os._exit(status)

    def allow(seconds: float) -> Budget:
        allowed[0] = seconds
        timer.enter_context(ticking(end, began + seconds + GRACE_SECONDS - time.monotonic()))
        return Budget(seconds, began)

    with ExitStack() as timer:
        try:
            return work(allow)
        except BudgetSpentError:
            timer.close()  # its words are the same, and stand once
        sys.stderr.write(f"{last_words(allowed[0])}\n")
        return status


def _kill_workers() -> None:
    if started := sys.modules.get("multiprocessing"):
        for process in started.active_children():
            process.kill()
