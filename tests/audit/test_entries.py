"""Log entries of online-mode history: fetched politely, kept, and handed on in notes; never believed unverified."""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from gitsign_py.audit.entries import ATTEMPTS, PARALLEL, RETRIEVE, EntryStore, Wanted, fetch
from gitsign_py.audit.jobs import Job
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.git.notes import REF, EntryNotes
from tests.support.audited import Audited, Make
from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import ISOLATED
from tests.support.history import History


class Log:
    """A log that can be searched, and that fails as often as it is told to."""

    def __init__(self, entries: dict[str, LogEntry], failures: int = 0) -> None:
        self.failures = failures
        self.retrieved: list[int] = []
        self._by_digest = {hashlib.sha256(oid.encode()).digest(): entry for oid, entry in entries.items()}

    def search(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[str, ...]:
        assert certificate
        if self.failures:
            self.failures -= 1
            raise ServiceError("service-status", "503")
        entry = self._by_digest.get(digest or b"")
        return (hashlib.sha256(b"\0" + entry.body).hexdigest(),) if entry else ()

    def retrieve(self, *, uuids: Sequence[str] = ()) -> tuple[LogEntry, ...]:
        self.retrieved.append(len(uuids))
        return tuple(
            entry for entry in self._by_digest.values() if hashlib.sha256(b"\0" + entry.body).hexdigest() in uuids
        )


def online(make: Make, folder: Path, count: int) -> tuple[Audited, BulkSigner, list[str]]:
    signer = BulkSigner(folder / "online", online=True)
    history = History(signer=signer.sign)
    oids = [history.commit(signed="alice")]
    for _ in range(count - 1):
        oids.append(history.commit(oids[-1], signed="alice"))
    for oid in oids:
        signer.log_online(oid, "alice@example.com", history.clock)
    audited = make(history, oids[-1])
    audited.trusted_root = signer.trusted_root
    return audited, signer, oids


def test_fetches_in_bulk_and_resumes(make: Make, tmp_path: Path) -> None:
    _, signer, oids = online(make, tmp_path, 25)
    log = Log(signer.entries, failures=2)
    pauses: list[float] = []
    wanted = [Wanted(oid, b"certificate") for oid in oids]
    with EntryStore(tmp_path / "s.sqlite") as store:
        assert fetch(log, wanted, store.put, pause=pauses.append) == {}
        assert log.retrieved == [RETRIEVE, RETRIEVE, 5]
        assert len(pauses) == 2
        assert all(store.get(oid) == (encode_entry(signer.entries[oid], with_body=True),) for oid in oids)
    with EntryStore(tmp_path / "s.sqlite") as store:
        assert store.get(oids[0])


def test_an_entry_that_states_no_kind_is_no_entry() -> None:
    """The log's index is the log's word: what it names must not end the look-up of other commits."""
    good = LogEntry(0, bytes(32), "hashedrekord", "0.0.1", 1, b"", None, b"{}")
    log = Log({"a": replace(good, kind="", version="", body=b"\xff"), "b": good})
    kept: dict[str, tuple[bytes, ...]] = {}
    assert fetch(log, [Wanted("a", b"c"), Wanted("b", b"c")], kept.__setitem__) == {}
    assert kept == {"a": (), "b": (encode_entry(good, with_body=True),)}


@pytest.mark.parametrize("damage", ["garbage", "directory"])
def test_a_store_that_cannot_be_used_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "s.sqlite"
    if damage == "garbage":
        path.write_bytes(b"not a database, whatever its name says" * 100)
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        EntryStore(path)
    assert caught.value.reason == "entry-store-unusable"


def test_a_store_that_breaks_later_is_named_too(tmp_path: Path) -> None:
    with EntryStore(tmp_path / "s.sqlite") as store:
        with closing(sqlite3.connect(tmp_path / "s.sqlite")) as other:
            other.execute("DROP TABLE entries")
        for use in (lambda: store.get("a"), lambda: store.put("a", [b"x"])):
            with pytest.raises(ConfigError) as caught:
                use()
            assert caught.value.reason == "entry-store-unusable"


def test_a_log_that_fails_for_good_is_left_alone(make: Make, tmp_path: Path) -> None:
    _, signer, oids = online(make, tmp_path, 12)
    log = Log(signer.entries, failures=10_000)
    pauses: list[float] = []
    kept: dict[str, tuple[bytes, ...]] = {}
    failed = fetch(log, [Wanted(oid, b"c") for oid in oids], kept.__setitem__, pause=pauses.append)
    assert set(failed) == set(oids)
    assert not kept
    assert 10_000 - log.failures <= ATTEMPTS * RETRIEVE


def test_notes_carry_entries_to_everyone(make: Make, tmp_path: Path) -> None:
    audited, signer, oids = online(make, tmp_path, 3)
    for key, name in (("user.name", "GIT_COMMITTER_NAME"), ("user.email", "GIT_COMMITTER_EMAIL")):
        audited.repo.git("config", key, ISOLATED[name])
    audited.repo.git("notes", f"--ref={REF}", "add", "-m", "words of a person", oids[0])
    entries = {oid: (encode_entry(signer.entries[oid], with_body=True),) for oid in oids}
    with audited.repository() as repository:
        notes = EntryNotes(repository)
        assert notes.add(entries) == 3
        assert notes.add(entries) == 0, "nothing is written twice"
    audited.repo.git("clone", "-q", "--bare", ".", str(tmp_path / "clone.git"))
    audited.repo.git("push", "-q", str(tmp_path / "clone.git"), REF)
    assert "words of a person" in audited.repo.git("notes", f"--ref={REF}", "show", oids[0])
    with audited.repository(tmp_path / "clone.git") as repository:
        known = EntryNotes(repository)

        def from_notes(jobs: Sequence[Job]) -> dict[str, tuple[bytes, ...]]:
            return {job.oid: known.get(job.oid) for job in jobs}

        records = audited.audit("main", directory=tmp_path / "clone.git", resources=audited.resources(fetch=from_notes))
    assert {record.verdict for record in records.values()} == {"good"}


def test_note_of_another_commit_proves_nothing(make: Make, tmp_path: Path) -> None:
    audited, signer, oids = online(make, tmp_path, 2)

    def swapped(jobs: Sequence[Job]) -> dict[str, tuple[bytes, ...]]:
        other = {oids[0]: oids[1], oids[1]: oids[0]}
        return {job.oid: (encode_entry(signer.entries[other[job.oid]], with_body=True),) for job in jobs}

    records = audited.audit("main", resources=audited.resources(fetch=swapped))
    assert {(record.verdict, record.reason) for record in records.values()} == {("unchecked", "log-entry-unproven")}


@pytest.mark.parametrize("reason", ["service-unreachable", "service-untrusted", "service-timeout"])
def test_a_log_that_cannot_be_reached_is_asked_once(reason: str) -> None:
    """An audit of hundreds of online-mode signatures without a network was minutes of time-outs."""
    asked: list[bytes | None] = []

    class Unreachable:
        def search(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> tuple[str, ...]:
            asked.append(digest)
            raise ServiceError(reason, "no way")

        def retrieve(self, *, uuids: Sequence[str] = ()) -> tuple[LogEntry, ...]:
            raise AssertionError(uuids)

    wanted = [Wanted(f"{number:040x}", b"") for number in range(100)]
    failures = fetch(Unreachable(), wanted, lambda _oid, _entries: None, pause=lambda _seconds: pytest.fail("it waits"))
    assert len(failures) == len(wanted)
    assert len(asked) <= PARALLEL
