"""Processes that answer questions, each by a pipe of its own, and that can be sent home at any moment.

The executors of the standard library share queues and locks between their processes: one that is killed at work may
hold what the others wait for, and a busy executor has no way to stop. Here nothing is shared, so nothing can be held.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import PriorityQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    Pipe = Connection[Any, Any]

Q = TypeVar("Q")
A = TypeVar("A")

# fork shares the modules that are loaded already; on macOS it is not safe, and on Windows there is none.
_START = "fork" if hasattr(os, "fork") and sys.platform != "darwin" else "spawn"
_PATIENCE_SECONDS = 1.0
_DEEP = 2  # questions a process: one that it answers, and one that waits in its pipe, or it would stand idle in between


class WorkerPool(Generic[Q, A]):
    """At most ``count`` processes that answer by ``answer`` (to be pickled, where there is no fork)."""

    def __init__(self, count: int, answer: Callable[[Q], A]) -> None:
        self._count, self._answer = count, answer
        self._members: list[_Member[Q, A]] = []
        self._free: PriorityQueue[tuple[int, int]] = PriorityQueue()  # places: how deep, and whose
        self._threads = ThreadPoolExecutor(count * _DEEP)
        self._open: set[Future[A]] = set()
        if _START == "fork":  # all of them now: a process with threads should not fork
            for _ in range(count):
                self._start()

    def _start(self) -> None:
        self._members.append(_Member(self._answer, [other.pipe for other in self._members]))
        for depth in range(_DEEP):
            self._free.put((depth, len(self._members) - 1))

    def ask(self, question: Q) -> Future[A]:
        """Give the question to whoever is free first.

        The future raises EOFError when that process has died, RuntimeError when ``answer`` raised something.
        """
        if len(self._members) < min(self._count, len(self._open) + 1):  # one that is spawned costs 0.2 s
            self._start()
        future = self._threads.submit(self._ask, question)
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def _ask(self, question: Q) -> A:
        place = self._free.get()
        try:
            return self._members[place[1]].ask(question)
        finally:
            self._free.put(place)

    def close(self) -> None:
        """End the processes; those that are still at work are killed."""
        busy = not all(future.done() for future in list(self._open))  # a copy: the threads take out what is done
        for member in self._members:
            member.dismiss(at_once=busy)
        self._threads.shutdown(wait=True, cancel_futures=True)
        for member in self._members:
            member.leave()


class _Member(Generic[Q, A]):
    """One process and our end of its pipe. Two threads may ask at once: the second question waits in the pipe."""

    def __init__(self, answer: Callable[[Q], A], others: "Sequence[Pipe]") -> None:
        context = multiprocessing.get_context(_START)
        ends: tuple[Any, Any] = context.Pipe()  # on Windows they are of another class with the same methods
        self.pipe: Pipe = ends[0]
        theirs: Pipe = ends[1]
        inherited = [self.pipe, *others] if _START == "fork" else []
        work = (theirs, answer, inherited)
        self._process = context.Process(target=_serve, args=work, daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        theirs.close()
        self._asking, self._listening = Lock(), Lock()

    def ask(self, question: Q) -> A:
        """Ask, and wait for the answer. Raises EOFError when the process is gone, RuntimeError for what it raised."""
        with self._asking:
            try:
                self.pipe.send(question)
            except OSError as error:
                raise EOFError from error
            self._listening.acquire()  # before the next one may ask: answers come in the order of the questions
        try:
            said, trouble = self.pipe.recv()
        except OSError as error:
            raise EOFError from error
        finally:
            self._listening.release()
        if trouble:
            raise RuntimeError(trouble)
        return cast("A", said)

    def dismiss(self, *, at_once: bool) -> None:
        """Tell the process to go, or kill it: whoever waits for its answer gets EOFError."""
        if at_once:
            self._process.kill()
            return
        with suppress(OSError):
            self.pipe.send(None)

    def leave(self) -> None:
        """Wait until it is gone; one that does not hear that it may go (it was stopped, say) is killed."""
        self._process.join(_PATIENCE_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _serve(pipe: "Pipe", answer: Callable[[Q], A], inherited: "Sequence[Pipe]") -> None:
    """Answer until told to go, or until nobody holds the other end: the parent is gone, however that went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    for copy in inherited:
        copy.close()
    with suppress(EOFError, OSError):
        while (question := pipe.recv()) is not None:
            pipe.send(_tried(answer, question))


def _tried(answer: Callable[[Q], A], question: Q) -> tuple[A | None, str]:
    try:
        return answer(question), ""
    except Exception as error:  # noqa: BLE001 - for the parent to tell; nobody reads a traceback of ours
        return None, f"{type(error).__name__}: {error}"
