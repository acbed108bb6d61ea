"""Logs that lie so that a monitor stops, is flooded, accuses the honest part, or looks past an entry.

The attack: an answer that one check did not expect ended the whole run, so that the other logs were not looked at; one
entry dated far ahead made each later one look back-dated; an entry whose certificate cannot be read was no finding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.compactrange import CompactRange
from gitsign_py.core.tlog.ctleaf import CtEntry
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body
from gitsign_py.errors import ConfigError, FormatError, GitsignError, ServiceError, VerificationError
from gitsign_py.monitor.findings import Finding, Inspected
from gitsign_py.monitor.follow import MOST_MISPLACED, Options, follow
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.mirrored import MirroredSource
from gitsign_py.monitor.replica import Replica, folder_of
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import Batch, RawEntry, weight
from gitsign_py.monitor.state import Store
from gitsign_py.monitor.watch import Watch, watching
from tests.support.memorylog import MemoryLog, signed_source
from tests.support.pki import Authority
from tests.support.smalltree import LOG

EMAIL = "alice@example.com"
CA = Authority()
HEAD = Head(LOG, "log", 9, bytes(32), b"signed")
OPTIONS = Options(lambda head, batch: Inspected(), lambda: 77, 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "m") as opened:
        yield opened


# -- answers that end a run -------------------------------------------------------------------------------------------


def test_a_wrong_proof_at_the_first_sight_is_an_alarm(store: Store) -> None:
    log = MemoryLog(100)
    log.consistency = lambda head, first, last: (bytes(32),) * 9  # type: ignore[method-assign]
    found = follow(log, store, replace(OPTIONS, start=50))
    assert [one.kind for one in found.alarms] == ["log-proof-wrong"]
    assert store.trees() == ()


@dataclass
class Exchanged(MemoryLog):
    """Every entry is another one than the tree holds; the second reading can end early."""

    readings: int = 0
    ends: bool = False

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        self.readings += 1
        if self.ends and self.readings == 2:
            raise FormatError("bundle-malformed", "it is cut off")
        for batch in super().entries(head, start, stop):
            yield tuple(replace(entry, leaf=entry.leaf[:-1] + b"0}") for entry in batch)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        del head, index, leaf_hash
        return None


def test_a_log_of_other_entries_is_convicted_by_the_first_ones(store: Store) -> None:
    log = Exchanged(1000)
    found = follow(log, store, OPTIONS)
    assert {one.kind for one in found.alarms} == {"entry-rewritten"}
    assert len(found.alarms) == len(store.findings()) == MOST_MISPLACED


def test_a_log_that_ends_the_second_reading_is_convicted_too(store: Store) -> None:
    found = follow(Exchanged(20, ends=True), store, OPTIONS)
    assert [one.kind for one in found.alarms] == ["log-root-wrong"]


@dataclass
class Evading(Exchanged):
    """It is away when its entries are looked at again."""

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        if self.readings % 2:
            self.readings += 1
            raise ServiceError("service-status", "503")
        return super().entries(head, start, stop)


def test_a_log_that_is_away_when_it_is_doubted_is_doubted_again(store: Store) -> None:
    log = Evading(20)
    assert [one.reason for one in follow(log, store, OPTIONS).failures] == ["service-status"]
    assert follow(log, store, OPTIONS).failures, "read again, and away again: never a clean run"
    log.readings = 4
    log.entries = Exchanged(20).entries  # type: ignore[method-assign]
    assert {one.kind for one in follow(log, store, OPTIONS).alarms} == {"entry-rewritten"}


def test_a_kill_before_the_root_is_compared_leaves_it_to_the_next_run(store: Store) -> None:
    follow(MemoryLog(20), store, OPTIONS)
    (kept,) = store.trees()
    wrong = CompactRange().appended(merkle.leaf_hash(b"x%d" % number) for number in range(20))
    with store.transaction():
        store.keep(replace(kept, part=wrong, checked=CompactRange()))
    assert follow(Exchanged(20), store, OPTIONS).alarms


def test_a_damaged_replica_accuses_no_log(store: Store, tmp_path: Path) -> None:
    log = signed_source(*(b"entry %d" % number for number in range(5)))
    copy = Replica(tmp_path / folder_of(log.heads()[0].tree))
    copy.update(log, log.heads()[0])
    path = copy.folder / "tile/entries/000.p/5"
    path.write_bytes(path.read_bytes().replace(b"entry 3", b"other 3"))
    for _ in range(2):
        found = follow(MirroredSource(log, tmp_path, log.root), store, OPTIONS)
        assert (found.alarms, [one.reason for one in found.failures]) == ((), ["replica-unusable"])
    path.write_bytes(path.read_bytes().replace(b"other 3", b"entry 3"))
    (copy.folder / "checkpoint").write_bytes(b"nonsense")
    found = follow(MirroredSource(log, tmp_path, log.root), store, OPTIONS)
    assert (found.alarms, [one.reason for one in found.failures]) == ((), ["replica-unusable"])


@pytest.mark.parametrize("reason", ["replica-unusable", "monitor-state-unusable"])
def test_a_replica_that_fails_leaves_the_other_logs_to_be_followed(store: Store, reason: str) -> None:
    def fail() -> None:
        raise ConfigError(reason, "the disk is full")

    log = MemoryLog(20, on_batch=fail)
    if reason == "replica-unusable":
        assert [one.reason for one in follow(log, store, OPTIONS).failures] == [reason]
    else:
        with pytest.raises(ConfigError):
            follow(log, store, OPTIONS)


@pytest.mark.parametrize(
    ("error", "alarms"),
    [
        (FormatError("json-malformed", "a login page"), []),
        (VerificationError("log-unknown", "x"), ["log-signature-bad"]),
    ],
)
def test_only_what_is_signed_is_an_accusation(store: Store, error: GitsignError, alarms: list[str]) -> None:
    """A proxy's words in the place of a head are no head by another key: the log could not be checked."""

    def fail() -> tuple[Head, ...]:
        raise error

    log = MemoryLog(20)
    log.heads = fail  # type: ignore[method-assign]
    found = follow(log, store, OPTIONS)
    assert [one.kind for one in found.alarms] == alarms
    assert bool(found.failures) is not bool(alarms)


def test_large_entries_are_not_held_all_at_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: some thousand entries of some megabytes, so that the monitor runs out of memory."""
    bound = 1 << 20
    for module in ("follow", "replica", "mirrored", "replicasource"):
        monkeypatch.setattr(f"gitsign_py.monitor.{module}.GROUP_BYTES", bound)
    read: list[int] = []
    written: list[int] = []
    append = Replica.append

    def note_written(self: Replica, group: Sequence[RawEntry]) -> None:
        written.append(weight(tuple(group)))
        append(self, group)

    def note_read(head: Head, batch: Batch) -> Inspected:
        read.append(weight(batch))
        return Inspected()

    monkeypatch.setattr(Replica, "append", note_written)
    log = signed_source(*(b'{"apiVersion":"%d%s"}' % (number, bytes(100_000)) for number in range(50)))
    log.width = 1
    follow(MirroredSource(log, tmp_path / "m", log.root), store, replace(OPTIONS, inspect=note_read))
    Replica(tmp_path / "r").update(log, log.heads()[0])
    replayed = ReplicaSource(Replica(tmp_path / "r"), log.root).entries(log.heads()[0], 0, 50)
    assert max(map(weight, replayed)) < bound + 200_000
    assert max(read) < bound + 200_000
    assert max(written) < bound + 200_000
    assert (sum(read) > 5_000_000, sum(written) > 10_000_000) == (True, True)


# -- times ------------------------------------------------------------------------------------------------------------


@dataclass
class Dated(MemoryLog):
    times: tuple[int, ...] = ()

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        for batch in super().entries(head, start, stop):
            yield tuple(replace(entry, time=self.times[entry.index]) for entry in batch)


@pytest.mark.parametrize("ahead", [10_000 + 601, 2**63 - 1])
@pytest.mark.parametrize("group", [1, 100])
def test_a_date_to_come_is_an_alarm_and_does_not_accuse_later_entries(store: Store, ahead: int, group: int) -> None:
    log = Dated(4, width=1, times=(10_000, ahead, 10_000, 10_600))
    found = follow(log, store, replace(OPTIONS, now=lambda: 10_000, group=group))
    assert [(one.kind, one.facts["index"]) for one in found.alarms] == [("entry-postdated", 1)]
    assert store.trees()[0].latest == 10_600


# -- entries that name somebody and cannot be read --------------------------------------------------------------------


def certificate(*names: str) -> bytes:
    return CA.leaf(names=[x509.RFC822Name(one) for one in names]).raw


def body(der: bytes) -> bytes:
    return hashedrekord_v001_body(b"\1" * 32, b"signature", pem_encode(der, "CERTIFICATE"))


def broken(der: bytes) -> bytes:
    """The same certificate with a version that there is none of."""
    at = der.index(b"\xa0\x03\x02\x01\x02")
    return der[:at] + b"\xa0\x03\x02\x01\x07" + der[at + 5 :]


def seen(entry: RawEntry, watch: Watch) -> list[Finding]:
    return list(watching((watch,), now=5)(HEAD, (entry,)).findings)


WATCHES = {"name": Watch("w", identity=EMAIL), "pattern": Watch("w", identity_pattern=".*@example[.]com")}
HIDDEN = {
    "several names": body(certificate(EMAIL, "mallory@example.org")),
    "a certificate that cannot be read": body(broken(certificate(EMAIL))),
    "a member too many": body(certificate(EMAIL))[:-1] + b',"x":1}',
}


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("name", HIDDEN)
def test_what_cannot_be_read_is_told(name: str, watch: str) -> None:
    (found,) = seen(RawEntry(3, HIDDEN[name], log_index=7), WATCHES[watch])
    assert (found.kind, found.severity, found.facts["log_index"]) == ("entry-unread", "hit", 7)
    assert "\n" not in found.line()


def test_a_precertificate_beside_another_leaf_does_not_hide_it() -> None:
    """What is beside a precertificate's leaf is not in the tree: a log may exchange it after the fact."""
    ours, other = certificate(EMAIL), certificate("bob@example.com")
    leaf_bytes = b"\0\0" + ours
    entry = CtEntry(leaf_bytes, 5000, 1, bytes(32) + ours, other)
    (found,) = seen(RawEntry(3, leaf_bytes, ct=entry), WATCHES["name"])
    assert found.kind == "entry-unread"


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize(
    "other",
    [
        body(certificate("bob@example.org")),
        b'{"apiVersion":"0.0.1","kind":"rpm","spec":{}}',
        body(CA.leaf(names=[], issuers=[]).raw),
    ],
)
def test_the_rest_of_the_log_is_no_finding(other: bytes, watch: str) -> None:
    assert seen(RawEntry(3, other), WATCHES[watch]) == []


def test_an_entry_of_another_kind_that_holds_the_name_is_told() -> None:
    text = body(certificate(EMAIL)).replace(b'"hashedrekord"', b'"rekord"')
    (found,) = seen(RawEntry(3, text), WATCHES["name"])
    assert found.kind == "entry-unread"
    assert seen(RawEntry(3, text), WATCHES["pattern"]) == [], "of such a kind nothing is read"


def test_junk_is_told_to_a_pattern_and_not_to_a_name() -> None:
    junk = RawEntry(3, b"no JSON")
    assert seen(junk, WATCHES["name"]) == []
    assert [one.kind for one in seen(junk, WATCHES["pattern"])] == ["entry-unreadable"]
