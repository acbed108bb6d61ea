"""Verification on all cores: batches go out, facts come back in their order, and never more than a few wait.

Small amounts are verified in this process: a pool costs some 50 ms.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
        self._under_way: set[Future[list[str]]] = set()

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
        if self._under_way:
            for process in list((pool._processes or {}).values()):  # noqa: SLF001 - the only way to end a busy pool
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, jobs: Sequence[Job]) -> "Answer":
        """Begin to verify; the answer waits for the facts."""
        if self._jobs == 1 or (self._pool is None and len(jobs) <= _INLINE):
            return Answer(self._own.verify_batch(jobs), ())
        pool = self._started()
        futures = [pool.submit(work, jobs[at : at + BATCH]) for at in range(0, len(jobs), BATCH)]
        for future in futures:
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)
        return Answer([], futures)

    def verify_here(self, job: Job) -> str:
        """Verify one job in this process."""
        return self._own.verify_batch([job])[0]

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # fork shares the modules that are loaded already; where it does not exist the default has to do.
            name = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context(name),
                initializer=start_worker,
                initargs=(self._settings,),
            )
        return self._pool


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
