"""Work in a process of its own, with an end in time: whatever it is busy with, all of it can be ended from here.

A process that computes cannot be relied on to end itself: a signal's handler waits for the step of Python that runs,
and git, gpg and workers live on after whoever started them. So this process does nothing but wait. The work is the
leader of a process group, which its children belong to, and writes to a pipe of ours: even a process that cannot be
killed, on a disk that is gone, does not hold the stream that somebody waits on.
"""

import os
import select
import signal
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gitsign_py.core.frozen import slotted
from gitsign_py.host.budget import GRACE_SECONDS, Allow, Budget, BudgetSpentError, LastWords, Work
from gitsign_py.host.ticking import ticking

TYPE_CHECKING = False
assert not TYPE_CHECKING or sys.platform != "win32"  # noqa: S101 - for mypy alone: on Windows nobody asks for it

_PIECE = 1 << 16
_SECONDS = struct.Struct("d")
_ORPHAN_SECONDS = 0.5
_REAP_SECONDS = 0.3
_SPENT = 124  # as timeout(1) ends; no work of ours has this status


class _OutOfTimeError(Exception):
    """The budget and its grace are over."""


def supervised(seconds: float, work: Work, last_words: LastWords, status: int) -> int:
    """Do what ``timelimit.within_budget`` says, by fork(2). For the main thread (signal.set_wakeup_fd)."""
    began = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    said, allowed = os.pipe(), os.pipe()
    with _ended_children() as ended:
        parent = os.getpid()
        child = os.fork()
        if not child:
            _work(work, began, parent, said, allowed)
        os.close(said[1])
        os.close(allowed[1])
        watch = _Watch(child, said[0], allowed[0], ended, began, seconds)
        try:
            return watch.status()
        except _OutOfTimeError:
            watch.end()
            watch.say(f"{last_words(watch.seconds)}\n".encode())
            return status
        except OSError:  # nobody reads what the work says
            return status
        finally:
            watch.end()


@slotted
class _Watch:
    """One child: what it ``said``, the seconds that it ``allowed`` itself, and the news that a child ``ended``."""

    child: int
    said: int
    allowed: int
    ended: int
    began: float
    seconds: float
    is_there: bool = True

    def status(self) -> int:
        """Pass on what it says until it has ended; gives its status. Raises _OutOfTimeError."""
        pipes = dict.fromkeys((self.said, self.allowed, self.ended), select.POLLIN)
        while True:
            ready = _wait(pipes, self._end)
            if self.allowed in ready:
                self._take_seconds()
                del pipes[self.allowed]  # it is told once
            if self.said in ready and (piece := os.read(self.said, _PIECE)):
                self._pass_on(piece)
            elif self.said in ready:
                del pipes[self.said]
            if self.ended in ready:
                os.read(self.ended, _PIECE)
                if (status := self._reaped()) is not None:
                    self._pass_on_rest()
                    if status == _SPENT:
                        raise _OutOfTimeError
                    return status

    @property
    def _end(self) -> float:
        return self.began + self.seconds + GRACE_SECONDS

    def _take_seconds(self) -> None:
        if told := os.read(self.allowed, _SECONDS.size):
            (self.seconds,) = _SECONDS.unpack(told)

    def _pass_on(self, data: bytes) -> None:
        while data:
            _wait({2: select.POLLOUT}, self._end)
            data = data[os.write(2, data[: select.PIPE_BUF]) :]

    def _pass_on_rest(self) -> None:
        """Pass on the rest of the pipe; a process that is left may hold it open."""
        os.set_blocking(self.said, False)
        with suppress(BlockingIOError):
            while piece := os.read(self.said, _PIECE):
                self._pass_on(piece)

    def say(self, words: bytes) -> None:
        """Write to stderr, if somebody reads there."""
        with suppress(OSError, _OutOfTimeError):
            _wait({2: select.POLLOUT}, time.monotonic())
            os.write(2, words)

    def end(self) -> None:
        """End the whole group: who is in it is of no use without its leader."""
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS: nobody but who has ended
            os.killpg(self.child, signal.SIGKILL)
        until = time.monotonic() + _REAP_SECONDS
        with suppress(_OutOfTimeError):  # the kernel holds it, and no signal reaches it there
            while self._reaped() is None:
                _wait({self.ended: select.POLLIN}, until)
                os.read(self.ended, _PIECE)

    def _reaped(self) -> int | None:
        if not self.is_there:
            return 0
        found, status = os.waitpid(self.child, os.WNOHANG)
        self.is_there = not found
        return os.waitstatus_to_exitcode(status) if found else None


def _wait(pipes: dict[int, int], until: float) -> set[int]:
    poll = select.poll()
    for number, events in pipes.items():
        poll.register(number, events)
    ready = {number for number, _ in poll.poll(max(0.0, until - time.monotonic()) * 1000)}
    if not ready:
        raise _OutOfTimeError
    return ready


@contextmanager
def _ended_children() -> Iterator[int]:
    """A pipe that can be read whenever a child has ended (signal.set_wakeup_fd)."""
    news, to_us = os.pipe()
    os.set_blocking(to_us, False)
    handler = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    before = signal.set_wakeup_fd(to_us, warn_on_full_buffer=False)
    try:
        yield news
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGCHLD, handler)
        os.close(news)
        os.close(to_us)


def _work(work: Work, began: float, parent: int, said: tuple[int, int], allowed: tuple[int, int]) -> None:
    """Be the child: do the work and end, by no way that is the parent's."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.dup2(said[1], 1)
        os.dup2(said[1], 2)
        for number in (*said, allowed[0]):
            os.close(number)

        def allow(seconds: float) -> Budget:
            os.write(allowed[1], _SECONDS.pack(seconds))
            return Budget(seconds, began)

        with ticking(lambda: _end_with(parent), _ORPHAN_SECONDS, _ORPHAN_SECONDS):
            status = _status_of(work, allow)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _status_of(work: Work, allow: Allow) -> int:
    """The work's status; the parent alone says that the time is over, for it may find so at the same moment."""
    try:
        return work(allow)
    except BudgetSpentError:
        return _SPENT


def _end_with(parent: int) -> None:
    """End the group when nobody waits for it any more: the parent was killed, for its memory perhaps."""
    if os.getppid() != parent:
        os.killpg(0, signal.SIGKILL)
