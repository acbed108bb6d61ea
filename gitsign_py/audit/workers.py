"""Verification on all cores: batches go out, facts come back in their order, and never more than a few wait.

Small amounts are verified in this process: others cost some 50 ms.
"""

from collections.abc import Sequence
from concurrent.futures import Future

from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.audit.verify import JobVerifier
from gitsign_py.audit.workerpool import WorkerPool
from gitsign_py.core.closeable import Closeable
from gitsign_py.errors import UncheckedError

BATCH = 32
_INLINE = 24


class Workers(Closeable):
    """Verifies jobs; ``jobs`` is the number of processes. Close it, or use it as a context manager."""

    def __init__(self, settings: VerifySettings, jobs: int) -> None:
        self._verifier = JobVerifier(settings)
        self._jobs = jobs
        self._pool: WorkerPool[Sequence[Job], list[str]] | None = None

    def close(self) -> None:
        """End the processes; those that are still at work are not waited for."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def submit(self, jobs: Sequence[Job]) -> "PendingFacts":
        """Begin to verify; the answer waits for the facts."""
        if self._jobs == 1 or (self._pool is None and len(jobs) <= _INLINE):
            return PendingFacts(self._verifier.verify_batch(jobs), ())
        if self._pool is None:
            self._pool = WorkerPool(self._jobs, self._verifier.verify_batch)
        return PendingFacts([], [self._pool.ask(jobs[at : at + BATCH]) for at in range(0, len(jobs), BATCH)])


class PendingFacts:
    """Facts as text, in the order of the jobs, some of them still on their way."""

    def __init__(self, ready: list[str], coming: "Sequence[Future[list[str]]]") -> None:
        self._ready = ready
        self._coming = coming

    def wait(self) -> list[str]:
        """Wait for all. Raises UncheckedError ``worker-died`` when a process was killed (memory, for instance)."""
        try:
            return self._ready + [text for future in self._coming for text in future.result()]
        except EOFError as error:
            raise UncheckedError(
                "worker-died", "a verifying process was killed", hint="try fewer processes: --jobs 1"
            ) from error
