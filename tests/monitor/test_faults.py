"""Each lie of a log of the local stack is found by the monitor, under its own name."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.monitor.ctsources import CtSource
from gitsign_py.monitor.follow import Followed, Options, follow
from gitsign_py.monitor.rekorsources import Rekor1Source, Rekor2Source
from gitsign_py.monitor.search import Query, search
from gitsign_py.monitor.sources import LogSource, RawEntry
from gitsign_py.monitor.state import Store
from gitsign_py.monitor.watch import Watch, watching
from tests.support.faultystack import FaultyStack
from tests.support.localstackkit import certify, trusted_root
from tests.support.rekor2kit import ENTRIES, proposal

MAKERS: dict[str, Callable[[HttpSession, str, TrustedRoot], LogSource]] = {
    "rekor1": Rekor1Source,
    "rekor2": Rekor2Source,
    "ctlog": CtSource,
}


@dataclass
class Bench:
    """One log that grows on order, and a monitor that follows it from ``start`` on."""

    service: str
    stack: FaultyStack
    store: Store
    source: LogSource
    start: int
    clock: int = field(default_factory=lambda: int(time.time()))
    grown: int = 0

    def message(self, number: int) -> bytes:
        return f"{self.service} {self.store} {number}".encode()

    def grow(self, count: int = 1) -> None:
        for _ in range(count):
            self.grown += 1
            message = self.message(self.grown)
            if self.service == "rekor2":
                assert self.stack.post(ENTRIES, proposal(message)).status == 201
            else:
                certified = certify(self.stack, "watched@example.com")
                if self.service == "rekor1":
                    assert self.stack.post("/api/v1/log/entries", certified.entry(message)).status == 201

    def follow(self) -> Followed:
        self.clock += 1
        watches = (Watch("people", identity="watched@example.com"),)
        return follow(
            self.source, self.store, Options(watching(watches, now=self.clock), lambda: self.clock, self.start)
        )

    def alarms(self) -> set[str]:
        return {finding.kind for finding in self.follow().alarms}


@pytest.fixture(params=sorted(MAKERS))
def log(request: pytest.FixtureRequest, faulty: FaultyStack, tmp_path: Path) -> Iterator[Bench]:
    with HttpSession(Limits(backoff=0.01)) as session, Store(tmp_path / "state" / "m.sqlite") as store:
        source = MAKERS[request.param](session, faulty.url, trusted_root(faulty))
        made = Bench(request.param, faulty, store, source, source.heads()[-1].size)
        made.grow(3)
        yield made


def begin(log: Bench, *, size: int = 0) -> None:
    """Follow an honest log; its tree's size is no power of two then, so that a proof shows the old root by itself."""
    while True:
        assert log.alarms() == set()
        (kept,) = log.store.trees()
        if kept.size & (kept.size - 1) and kept.size > size:
            return
        log.grow()


def test_an_honest_log_is_followed_and_raises_no_alarm(log: Bench) -> None:
    begin(log)
    before = log.store.trees()[0]
    log.grow(2)
    followed = log.follow()
    (kept,) = log.store.trees()
    assert (followed.alarms, followed.failures, followed.read) == ((), (), 2)
    assert kept.size == kept.read == before.size + 2
    assert kept.checked is not None
    assert kept.checked.root() == kept.root
    again = log.follow()
    assert again.read == 0
    if log.service != "rekor2":
        assert sum(finding.facts["watch"] == "people" for _, finding in log.store.findings()) >= 2


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("fork", "log-forked"),
        ("wrong-root", "log-root-wrong"),
        ("stale-checkpoint", "checkpoint-stale"),
        ("rewrite", "entry-rewritten"),
        ("drop-entry", "entry-withheld"),
    ],
)
def test_a_lie_is_found_by_its_name(log: Bench, fault: str, finding: str) -> None:
    begin(log)
    kept = log.store.trees()[0]
    if fault != "stale-checkpoint":
        log.grow(2)
    log.stack.break_it(f"{log.service}:{fault}")
    while fault == "fork" and log.source.heads()[-1].size <= kept.size + 2:
        log.grow()  # the other history may have begun in an earlier test, and be shorter
    assert log.alarms() == {finding}
    assert log.alarms() == {finding}, "it stays found"
    assert [one.kind for _, one in log.store.findings() if one.severity == "alarm"] == [finding], "and is kept once"
    log.stack.break_it()
    now = log.store.trees()[0]
    assert (now.signed, now.size) == (kept.signed, kept.size) or fault in ("rewrite", "drop-entry")
    if fault != "fork":
        assert log.alarms() == set()
        healed = log.store.trees()[0]
        assert healed.read == healed.size, "what was not believed is read again"


def test_a_root_that_is_made_up_is_told_from_a_fork(log: Bench) -> None:
    """Also where the log has not grown: its own tree is still the one that was kept."""
    begin(log, size=4)
    log.stack.break_it(f"{log.service}:wrong-root")
    assert log.alarms() == {"log-root-wrong"}
    log.stack.break_it()
    assert log.alarms() == set()


def test_an_entry_with_an_early_date_is_found(log: Bench) -> None:
    if log.service == "rekor2":
        return  # its entries state no time
    begin(log)
    log.stack.break_it(f"{log.service}:backdate=40000000")
    log.grow()
    assert log.alarms() == {"entry-backdated"}


@pytest.mark.parametrize("larger", [1, 900_000, 999_000], ids=["odd", "together too large", "too large"])
def test_an_entry_that_cannot_be_read_is_told_and_hides_no_other(
    log: Bench, larger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its place and hash, once; the root over it and the entries after it are looked at all the same."""
    begin(log)
    before = log.store.trees()[0].size
    if larger == 999_000:
        monkeypatch.setattr("gitsign_py.clients.ctlog.MAX_BYTES", 500_000)
        monkeypatch.setattr("gitsign_py.clients.rekor.MAX_ONE_BYTES", 500_000)
    log.stack.break_it(f"{log.service}:odd-entry={larger if log.service != 'rekor2' else 1}")
    log.grow(6)
    log.stack.break_it()
    log.grow()
    followed = log.follow()
    assert (followed.alarms, followed.failures, followed.read) == ((), (), 7)
    (kept,) = log.store.trees()
    assert kept.checked is not None
    assert (kept.read, kept.checked.root()) == (before + 7, kept.root)
    odd = [one for _, one in log.store.findings() if one.kind == "entry-unreadable"]
    assert [one.facts["index"] for one in odd] == list(range(before, before + 6))
    (head,) = log.source.heads()
    for one in odd[:1]:
        assert log.source.place_of(head, before, bytes.fromhex(str(one.facts["leaf_hash"]))) == before
    if isinstance(log.source, Rekor1Source) and larger == 900_000:
        check_search(log, [str(one.facts["leaf_hash"]) for one in odd])
    if log.service != "rekor2":
        hits = [one.facts["index"] for _, one in log.store.findings() if one.kind == "watch-hit"]
        assert hits[-1] == before + 6
    log.grow()
    assert log.follow().read == 1
    assert log.store.unreadable() == {kept.tree: 6}, "and is told once"


def check_search(log: Bench, odd: list[str]) -> None:
    """The log's own index names them: they are fetched one by one, and told."""
    numbers = range(log.grown - 6, log.grown + 1)
    query = Query(digests=tuple(f"sha256:{hashlib.sha256(log.message(one)).hexdigest()}" for one in numbers))
    unread: list[RawEntry] = []
    found = list(search(log.source, query, trusted_root(log.stack), unread=unread.append))
    assert [entry.leaf_hash.hex() for entry in unread] == odd
    assert [seen.kind for _, _, seen in found] == ["hashedrekord"]


def test_a_log_that_stops_is_found(log: Bench) -> None:
    begin(log)
    options = Options(watching((), now=0), lambda: log.clock + 7200, stopped_after=3600)
    assert [one.kind for one in follow(log.source, log.store, options).alarms] == ["log-stopped"]
