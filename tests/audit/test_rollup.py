"""The sums of an audit: the same however records come, and the exit status that follows from them."""

import random

import pytest

from gitsign_py.audit.recording import UnsignedRun
from gitsign_py.audit.rollup import Rollup
from gitsign_py.audit.scan import Scanned
from gitsign_py.policy.facts import Decision, Verdict
from tests.support.reports import record


def test_rollup_sums() -> None:
    rollup = Rollup()
    for number in range(10):
        verdict: Verdict = "unsigned" if number in (2, 3, 4) else "verified"
        time = f"2024-0{1 + number // 4}-01T00:00:00Z"
        rollup.add([record(number, verdict, identity="a@x", issuer="i", time=time)])
    rollup.add([record(11, identity="new@x", issuer="i", time="2024-04-01T00:00:00Z")])
    value = rollup.as_object()
    assert value["longest_unsigned_run"] == {"length": 3, "first": f"{2:040x}", "last": f"{4:040x}"}
    assert value["new_identities"] == [{"identity": "new@x", "issuer": "i"}]
    assert value["identities"][0] == {
        "identity": "a@x",
        "issuer": "i",
        "name": "",
        "commits": 10,
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-03-01T00:00:00Z",
    }
    assert sum(month["commits"] for month in value["months"].values()) == 11
    assert rollup.exit_status == 1


def test_sums_do_not_depend_on_how_records_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.audit.rollup._MAX_KINDS", 20)
    chooser = random.Random(3)
    kinds: list[dict[str, object]] = [
        {},
        {"kind": "tag", "ref": "refs/tags/v1"},
        {"identity": "a@x", "issuer": "i", "time": "2024-01-01T00:00:00Z"},
        {"identity": "b@x", "issuer": "i", "time": "2023-01-01T00:00:00Z", "ref": "refs/heads/b"},
        {"author": "b@x"},
        {"committed": None},
        {"committed": 10**12},
    ]
    verdicts: tuple[Verdict, ...] = ("unsigned", "unsigned", "unsigned", "verified", "bad")
    some = [record(n, chooser.choice(verdicts), **chooser.choice(kinds)) for n in range(300)]
    alone, together, cut = Rollup(), Rollup(), Rollup()
    for one in some:
        alone.add([one])
    together.add(some)
    for at in range(0, 300, 7):
        cut.add(some[at : at + 7])
    assert alone.as_object() == together.as_object() == cut.as_object()
    assert alone.total == 300
    assert alone.tags == sum(one.kind == "tag" for one in some)
    assert sum(month.commits for month in alone.branches.values()) == 300
    items = [Scanned(f"{n:040x}", "commit", author=f"{n % 3}@x", committed=10**9 + n * 10**6) for n in range(50)]
    unsigned = UnsignedRun(items, Decision("unsigned", "unsigned", "it is"), "refs/heads/main")
    alone.add(unsigned)
    together.add(list(unsigned))
    assert alone.as_object() == together.as_object()
    assert [one.oid for one in unsigned] == [item.oid for item in items]
    assert (unsigned.first, len(unsigned)) == (next(iter(unsigned)), 50)


def test_exit_statuses() -> None:
    for verdicts, status in (
        ((), 2),
        (("verified", "exempt", "forge-merge"), 0),
        (("verified", "unchecked"), 3),
        (("unchecked", "bad"), 1),
    ):
        rollup = Rollup()
        for number, verdict in enumerate(verdicts):
            rollup.add([record(number, verdict)])
        assert rollup.exit_status == status


def test_times_that_no_calendar_holds() -> None:
    rollup = Rollup()
    rollup.add([record(1, committed=10**12 - 1)])
    assert list(rollup.months) == ["unknown"]
