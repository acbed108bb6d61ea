"""Keep Ctrl-C at the terminal to ourselves while a person is asked, so that git fails and is not killed.

The terminal sends SIGINT to its whole foreground group. A git that dies of it in the middle of a rebase leaves a commit
without its message, and ``git rebase --continue`` has nothing to go on with; one whose signing program fails stops in
good order. So this process becomes a group of its own in the foreground for that time, as a shell's jobs do (POSIX,
"General Terminal Interface", 11.1.4), and git's group has the terminal back afterwards. Only where git itself leads the
group: an editor or a script above git goes on reading the terminal, or wants to end by Ctrl-C.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitsign_py.host.terminal import TERMINAL


@contextmanager
def own_foreground() -> Iterator[None]:
    """Be the foreground for the block, where this process belongs to a foreground group that git leads."""
    group = os.getpgrp()
    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        yield  # nobody can press a key
        return
    try:
        if not _led_by_git(group) or not _take(terminal, group):
            yield
            return
        # Ctrl-Z would stop us alone: git would wait for ever, and the shell would not know.
        before = signal.signal(signal.SIGTSTP, lambda *_: None)
        try:
            yield
        finally:
            _give_back(terminal, group)
            signal.signal(signal.SIGTSTP, before)
    finally:
        os.close(terminal)


def _led_by_git(group: int) -> bool:
    """Linux tells; elsewhere the terminal stays as it is."""
    try:
        return Path(f"/proc/{group}/comm").read_text(encoding="utf-8").strip() == "git"
    except (OSError, UnicodeDecodeError):
        return False


def _take(terminal: int, group: int) -> bool:
    try:
        if os.tcgetpgrp(terminal) != group:
            return False
        os.setpgid(0, 0)
        _set_foreground(terminal, os.getpid())
    except OSError:
        return False
    return True


def _give_back(terminal: int, group: int) -> None:
    with suppress(OSError):  # git is gone: the shell takes the terminal itself
        _set_foreground(terminal, group)
        os.setpgid(0, group)


def _set_foreground(terminal: int, group: int) -> None:
    """A process in the background may do this while SIGTTOU is blocked (tcsetpgrp(3))."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        os.tcsetpgrp(terminal, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
