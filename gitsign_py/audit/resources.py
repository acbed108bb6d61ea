"""The resources of an audit: how it verifies, its processes, its cache, and whom it may ask for more."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.core.frozen import replace
from gitsign_py.errors import GitsignError

if TYPE_CHECKING:
    from gitsign_py.audit.workers import Workers
    from gitsign_py.verification.renewal import Renew

FetchEntries = Callable[[Sequence[Job]], dict[str, tuple[bytes, ...]]]
"""Finds log entries for online-mode objects: jobs in, entries (protobuf with body) by object id out.

A job that comes with entries had these from here, and they did not hold.
"""


class Resources:
    """The resources of a run. Without ``fetch`` only embedded entries count, without ``cache`` nothing is kept.

    ``renew`` may give a newer trust root where the run's lacks an authority. ``keys`` has the forms of foreign
    signatures that were met, and what their verdicts rest on (``foreign.py``).
    """

    def __init__(
        self,
        settings: VerifySettings,
        jobs: int = 0,
        cache: FactsCache | None = None,
        fetch: FetchEntries | None = None,
        renew: "Renew | None" = None,
    ) -> None:
        self.settings = settings
        self.jobs = jobs
        self.cache = cache
        self.fetch = fetch
        self.renew = renew
        self.keys: dict[str, bytes] = {}
        self._workers: Workers | None = None
        self._older: list[Workers] = []

    def workers(self) -> "Workers":
        """The verifying processes, from the first signature on that is not in the cache."""
        if self._workers is None:
            from gitsign_py.audit.workers import Workers  # noqa: PLC0415 - cryptography and the pool cost 200 ms

            self._workers = Workers(self.settings, self.jobs or os.cpu_count() or 1)
        return self._workers

    def renewed(self, error: GitsignError) -> bool:
        """Go on with a newer trust root, if there is one. Facts by it are not kept: the cache is of the older one.

        The processes of the older one stay for the batches that are on their way.
        """
        newer = self.renew(error) if self.renew is not None else None
        if newer is None or self.settings.trusted_root is None or newer.digest == self.settings.trusted_root.digest:
            return False
        if self._workers is not None:
            self._older.append(self._workers)
            self._workers = None
        self.settings, self.cache = replace(self.settings, trusted_root=newer), None
        return True

    def close(self) -> None:
        """End the processes."""
        for workers in (self._workers, *self._older):
            if workers is not None:
                workers.close()
        self._workers, self._older = None, []
