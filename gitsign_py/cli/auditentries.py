"""Log entries for online-mode history: from git notes, from the local store, from the log; kept for the next run."""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gitsign_py.audit.entries import MAX_ENTRIES, EntryStore, Wanted, fetch
from gitsign_py.audit.jobs import Job
from gitsign_py.cli import wiring
from gitsign_py.cli.instance import searched_log
from gitsign_py.cli.ownconfig import said_of_log
from gitsign_py.clients.rekor import RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import UNREACHABLE, ConfigError, GitsignError
from gitsign_py.host.git.notes import REF, EntryNotes
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.paths import data_directory
from gitsign_py.monitor.replicasource import find_logged, open_replicas
from gitsign_py.verification.signature import logged_names, open_signature

ReplicaEntries = Callable[[bytes, bytes], Sequence[LogEntry]]
"""Gives the entries of a replica over a SHA-256 digest; the certificate (DER) is not asked for."""


class EntryFinder:
    """Open once for a run; use it as a context manager, which writes the notes at the end."""

    def __init__(
        self,
        settings: wiring.Settings,
        repository: GitRepository,
        warn: Callable[[str], None],
        *,
        offline: bool,
        write_notes: bool,
        replica: ReplicaEntries | None = None,
    ) -> None:
        self._settings, self._warn = settings, warn
        self._offline, self._write_notes = offline, write_notes
        self._notes = EntryNotes(repository)
        self._store = _store(warn)
        self._found: dict[str, tuple[bytes, ...]] = {}
        self._given_up = False
        self._replica = replica
        self._said = said_of_log(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._write_notes and kind is None:
                changed = self._notes.add(self._found)
                self._warn(f"wrote {changed} notes to {REF}; share them with: git push origin {REF}")
        finally:
            self._store.close()

    def fetch(self, jobs: Sequence[Job]) -> dict[str, tuple[bytes, ...]]:
        """Find entries for these objects; what is found nowhere is left out.

        A job that has entries was verified with what is kept, in vain: a note lies, and the log is asked.
        """
        known = {job.oid: () if job.entries else self._notes.get(job.oid) + self._store.get(job.oid) for job in jobs}
        if self._replica is not None:
            known |= {job.oid: self._in_replica(job, self._replica) for job in jobs if not known[job.oid]}
        missing = [job for job in jobs if not known[job.oid]]
        if missing and not (self._offline or self._given_up):
            known |= self._ask(missing)
        found = {oid: entries for oid, entries in known.items() if entries}
        if self._write_notes:
            self._found |= found
        return found

    @staticmethod
    def _in_replica(job: Job, find: ReplicaEntries) -> tuple[bytes, ...]:
        wanted = _wanted(job)
        if wanted is None:
            return ()
        found: list[LogEntry] = []
        for name in (wanted.oid, *wanted.others):
            found += find(hashlib.sha256(name.encode()).digest(), wanted.certificate)
        return tuple(encode_entry(entry, with_body=True) for entry in found[:MAX_ENTRIES])

    def _ask(self, jobs: Sequence[Job]) -> Mapping[str, tuple[bytes, ...]]:
        wanted = [one for job in jobs if (one := _wanted(job)) is not None]
        for line in self._said:
            self._warn(line)
        self._said = ()
        try:
            log = searched_log(self._settings)
        except GitsignError as why:
            self._given_up = True
            self._warn(f"{len(wanted)} log entries could not be fetched: {why.message}")
            return {}
        with _PerThread(self._settings, log) as source:
            failures = fetch(source, wanted, self._store.put)
        for error in list(failures.values())[:1]:
            self._given_up = error.reason in UNREACHABLE
            rest = "; the log is not asked again in this run" if self._given_up else ""
            self._warn(f"{len(failures)} log entries could not be fetched: {error.message}{rest}")
        return {job.oid: self._store.get(job.oid) for job in jobs}


def _store(warn: Callable[[str], None]) -> EntryStore:
    """The user's store; where it cannot be used the entries of this run are kept in memory."""
    try:
        return EntryStore(data_directory() / "entries.sqlite")
    except ConfigError as error:
        warn(f"{error.message}; {error.hint}. Entries are kept for this run alone")
        return EntryStore(None)


class _PerThread(Closeable):
    """A client and an HTTP session for each thread: a session is no place for several at once."""

    def __init__(self, settings: wiring.Settings, log: str) -> None:
        self._settings, self._log = settings, log
        self._local = threading.local()
        self._sessions: list[HttpSession] = []

    def close(self) -> None:
        """Close every connection."""
        for session in self._sessions:
            session.close()

    def search(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[str, ...]:
        """See RekorClient."""
        return self._client().search(digest=digest, certificate=certificate)

    def retrieve(self, *, uuids: Sequence[str] = ()) -> tuple[LogEntry, ...]:
        """See RekorClient."""
        return self._client().retrieve(uuids=uuids)

    def _client(self) -> RekorClient:
        found = getattr(self._local, "client", None)
        if isinstance(found, RekorClient):
            return found
        session = wiring.session(self._settings)
        self._sessions.append(session)
        self._local.client = RekorClient(session, self._log)
        return self._client()


def _wanted(job: Job) -> Wanted | None:
    try:
        signature = job.signature
        others = logged_names(job.payload, signature, job.oid)[1:]
        return Wanted(job.oid, open_signature(signature).certificate.raw, others)
    except GitsignError:
        return None


def replica_entries(folder: Path, root: TrustedRoot) -> ReplicaEntries:
    """Open the replicas in a folder. Raises ConfigError ``replica-unusable``."""
    sources = open_replicas(folder, root)
    return lambda digest, _: find_logged(sources, digest)


def replica_if_usable(folder: Path, root: TrustedRoot, warn: Callable[[str], None]) -> ReplicaEntries | None:
    """The same for the folder of the settings: without it the log is asked."""
    try:
        return replica_entries(folder, root)
    except GitsignError as error:
        warn(f"going on without the replica of gitsign.logReplica: {error.message}")
        return None
