"""Keep Ctrl-C at the terminal to ourselves while we sign, so that git fails and is not killed.

The terminal sends SIGINT to its whole foreground group. A git that dies of it in the middle of a rebase leaves a commit
without its message, and ``git rebase --continue`` has nothing to go on with; one whose signing program fails stops in
good order. So this process becomes a group of its own in the foreground for that time, as a shell's jobs do (POSIX,
"General Terminal Interface", 11.1.4), and git's group has the terminal back afterwards. Only where git itself leads the
group: an editor or a script above git goes on reading the terminal, or wants to end by Ctrl-C.

This runs for every commit: ``_signal`` is the C core of :mod:`signal`, which loads enum, 4 ms.
"""

import os
import sys

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    import signal as _signal
    from types import FrameType
else:
    import _signal  # the C core alone: see above

_TERMINAL = "/dev/tty"
_PS_SECONDS = 2.0


class OwnForeground:
    """A context: be the foreground for the block, where this process belongs to a foreground group that git leads."""

    def __init__(self) -> None:
        self._terminal: int | None = None
        self._group = 0
        self.taken = False
        """Whether it was: Ctrl-C then came to this process alone, and git lives on."""

    def __enter__(self) -> None:
        """Take the terminal. Never an error: where that is not possible, everything stays as it is."""
        if sys.platform == "win32" or not hasattr(os, "setpgid"):
            return  # the groups of Windows have no foreground
        self._group = os.getpgrp()
        try:
            self._terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
        except OSError:
            return  # nobody can press a key
        if not (_in_foreground(self._terminal, self._group) and _led_by_git(self._group) and _take(self._terminal)):
            self._close()
            return
        self.taken = True
        # Ctrl-Z would stop us alone: git would wait for ever, and the shell would not know.
        self._before = _signal.signal(_signal.SIGTSTP, _stay)

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""
        if sys.platform != "win32" and self._terminal is not None:
            _give_back(self._terminal, self._group)
            _signal.signal(_signal.SIGTSTP, self._before)
            self._close()

    def _close(self) -> None:
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None


def _stay(_number: int, _frame: "FrameType | None") -> None:
    """Handle SIGTSTP by going on. Not SIG_IGN, which programs that are started from here would inherit."""


def _in_foreground(terminal: int, group: int) -> bool:
    if sys.platform == "win32":  # for the type checker, as below
        return False
    try:
        return os.tcgetpgrp(terminal) == group
    except OSError:
        return False


def _led_by_git(group: int) -> bool:
    """Linux tells for nothing; elsewhere ps(1) does, as POSIX has it (macOS prints the whole path)."""
    try:
        descriptor = os.open(f"/proc/{group}/comm", os.O_RDONLY)
    except OSError:
        return _is_git_by_ps(group)
    try:
        return os.read(descriptor, 64).strip() == b"git"
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _is_git_by_ps(group: int) -> bool:
    import subprocess  # noqa: PLC0415 - 15 ms that Linux does not pay

    command = ["ps", "-o", "comm=", "-p", str(group)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PS_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip().rpartition(b"/")[2] == b"git"


def _take(terminal: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        os.setpgid(0, 0)
        _set_foreground(terminal, os.getpid())
    except OSError:
        return False
    return True


def _give_back(terminal: int, group: int) -> None:
    if sys.platform == "win32":
        return
    try:
        _set_foreground(terminal, group)
        os.setpgid(0, group)
    except OSError:
        pass  # git is gone: the shell takes the terminal itself


def _set_foreground(terminal: int, group: int) -> None:
    """A process in the background may do this while SIGTTOU is blocked (tcsetpgrp(3))."""
    if sys.platform == "win32":
        return
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGTTOU})
    try:
        os.tcsetpgrp(terminal, group)
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
