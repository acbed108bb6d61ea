"""The state: what is kept comes back, a head is never replaced by a smaller or another one, memory does not grow."""

from pathlib import Path

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError
from gitsign_py.monitor.findings import Inspected
from gitsign_py.monitor.follow import Options, follow
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.sources import Batch
from gitsign_py.monitor.state import Kept, Store
from tests.support.memorylog import MemoryLog, whole_range

OPTIONS = Options(lambda head, batch: Inspected(), lambda: 77, 0)
KEPT = Kept("log", "rekor2", "https://log", b"signed", 5, b"r" * 32, 7, 5, whole_range(5), None, 3)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "m.sqlite"
    with Store(path) as store, store.transaction():
        store.keep(KEPT)
        store.note_head(KEPT, 9)
    with Store(path) as store:
        assert store.trees() == (replace(KEPT, checked=None),)
        assert store.root_at("log", 5) == b"r" * 32
        assert store.root_at("log", 4) is None
        assert (store.absent_until("log", 5), store.absent_until("log", 4)) == (9, 0)


@pytest.mark.parametrize("other", [{"size": 4}, {"root": b"x" * 32}, {"size": 0}])
def test_a_head_is_never_replaced_by_a_smaller_or_another_one(tmp_path: Path, other: dict[str, object]) -> None:
    with Store(tmp_path / "state" / "m.sqlite") as store:
        with store.transaction():
            store.keep(KEPT)
        with pytest.raises(ValueError, match="would be overwritten"), store.transaction():
            store.keep(replace(KEPT, **other))
        assert store.trees() == (KEPT,)


def test_a_state_of_a_later_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state" / "m.sqlite"
    with Store(path) as store:
        store._database.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError) as caught:
        Store(path)
    assert caught.value.reason == "monitor-state-unusable"


def test_a_state_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state" / "m.sqlite"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError) as caught:
        Store(path)
    assert caught.value.reason == "monitor-state-unusable"


@pytest.mark.parametrize("start", [None, 0, 1, 2, 3, 4, 64, 65, 99, 100, 5000])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_log_is_followed_from_any_start(tmp_path: Path, start: int | None, size: int) -> None:
    with Store(tmp_path / "state" / "m.sqlite") as store:
        log = MemoryLog(size)
        for grown in (size, size, size + 1, size + 50):
            log.size = grown
            followed = follow(log, store, replace(OPTIONS, start=start))
            assert followed.alarms == ()
        (kept,) = store.trees()
        assert (kept.size, kept.read) == (size + 50, size + 50)
        assert kept.checked == kept.part == whole_range(size + 50)


def test_an_empty_log_grows(tmp_path: Path) -> None:
    with Store(tmp_path / "state" / "m.sqlite") as store:
        log = MemoryLog(0)
        assert follow(log, store, replace(OPTIONS, start=None)).alarms == ()
        log.size = 20
        assert follow(log, store, replace(OPTIONS, start=None)).read == 20


def test_a_log_under_another_name_is_told(tmp_path: Path) -> None:
    with Store(tmp_path / "state" / "m.sqlite") as store:
        with store.transaction():
            store.keep(replace(KEPT, url="memory:"))
        assert [one.kind for one in follow(MemoryLog(9), store, OPTIONS).alarms] == ["log-tree-gone"]


def test_reading_ends_between_groups_when_it_is_told_to(tmp_path: Path) -> None:
    looked: list[int] = []

    def inspect(_: Head, batch: Batch) -> Inspected:
        looked.extend(entry.index for entry in batch)
        return Inspected()

    log, options = MemoryLog(40), Options(inspect, lambda: 77, 0, group=8)
    with Store(tmp_path / "state" / "m.sqlite") as store:
        first = follow(log, store, replace(options, ends=lambda: len(looked) > 10))
        assert (first.read, first.alarms) == (16, ())
        assert follow(log, store, options).alarms == ()
    assert looked == list(range(40))
