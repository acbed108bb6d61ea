"""Verification on all cores: batches go out, facts come back in their order, and never more than a few wait.

Small amounts are verified in this process: a pool costs some 50 ms.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from gitsign_py.audit.jobs import Job, Settings
from gitsign_py.audit.verify import Verifier, start_worker, work
from gitsign_py.errors import UncheckedError

BATCH = 32
_INLINE = 24


class Workers:
    """Verifies jobs; ``jobs`` is the number of processes. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings, jobs: int) -> None:
        self._settings = settings
        self._jobs = jobs
        self._own = Verifier(settings)
        self._pool: ProcessPoolExecutor | None = None
        self._others: list[BaseProcess] = []
        self._under_way: set[Future[list[str]]] = set()
        self._submitting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; those that are still at work are not waited for."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._under_way or self._submitting:
            self._end_at_once(pool)
        pool.shutdown(wait=True, cancel_futures=True)

    def _end_at_once(self, pool: ProcessPoolExecutor) -> None:
        """End a busy pool, for which it has no way of its own.

        All of its processes, or one would wait for ever for a lock that another held. And the pipe that they read from:
        the thread that fills it would wait for a reader, and the end of the program for that thread.
        """
        for process in multiprocessing.active_children():
            if process not in self._others:
                process.kill()
        pool._call_queue._reader.close()  # type: ignore[attr-defined]  # noqa: SLF001

    def submit(self, jobs: Sequence[Job]) -> "Answer":
        """Begin to verify; the answer waits for the facts."""
        if self._jobs == 1 or (self._pool is None and len(jobs) <= _INLINE):
            return Answer(self._own.verify_batch(jobs), ())
        pool = self._started()
        self._submitting = True  # and so it stays when Ctrl-C ends this in the middle
        futures = [pool.submit(work, jobs[at : at + BATCH]) for at in range(0, len(jobs), BATCH)]
        for future in futures:
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)
        self._submitting = False
        return Answer([], futures)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # fork shares the modules that are loaded already; where it does not exist the default has to do.
            name = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
            self._others = multiprocessing.active_children()
            with _undisturbed():
                self._pool = ProcessPoolExecutor(
                    self._jobs,
                    mp_context=multiprocessing.get_context(name),
                    initializer=_start,
                    initargs=(self._settings,),
                )
                self._pool.submit(os.getpid)  # the first one starts the processes
        return self._pool


def _start(settings: Settings) -> None:
    """Set up a worker process, which ends when its parent does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    start_worker(settings)


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait: a process that was started and not listed yet would stay behind."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Answer:
    """Facts as text, in the order of the jobs, some of them still on their way."""

    def __init__(self, ready: list[str], coming: "Sequence[Future[list[str]]]") -> None:
        self._ready = ready
        self._coming = coming

    def wait(self) -> list[str]:
        """Wait for all. Raises UncheckedError ``worker-died`` when a process was killed (memory, for instance)."""
        try:
            return self._ready + [text for future in self._coming for text in future.result()]
        except BrokenProcessPool as error:
            raise UncheckedError(
                "worker-died", "a verifying process was killed", hint="try fewer processes: --jobs 1"
            ) from error
