"""The monitor is killed while a log grows: the next run goes on, no hit is lost and none is found twice."""

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitsign_py.monitor.findings import Finding, Inspected
from gitsign_py.monitor.follow import Options, follow
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.outputs import Journal
from gitsign_py.monitor.sources import Batch
from gitsign_py.monitor.state import Store
from tests.support.memorylog import MemoryLog

KILLS = int(os.environ.get("MONITOR_KILLS", "15"))
STEP = 40
FORK = multiprocessing.get_context("fork")


def inspect(head: Head, batch: Batch) -> Inspected:
    """Every seventh entry is a hit."""
    hits = (entry.index for entry in batch if entry.index % 7 == 0)
    return Inspected(tuple(Finding("watch-hit", head.tree, str(index), f"entry {index}", index) for index in hits))


def run(folder: Path, size: int, kill_at: int = 0) -> None:
    """One run of the monitor, which kills itself before its so many-th step of any kind."""
    steps = iter(range(1, 1_000_000))

    def step() -> None:
        if kill_at and next(steps) >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    class Fragile(Store):
        """Dies inside a transaction, or between two."""

        def add(self, findings: "Sequence[Finding]") -> None:  # type: ignore[override]
            step()
            super().add(findings)
            step()

    with Fragile(folder / "state" / "monitor.sqlite") as store:
        source = MemoryLog(size, on_batch=step)
        follow(source, store, Options(inspect, lambda: size, 0, group=16))
        new = store.untold()
        step()
        Journal(folder / "found.ndjson").append(new)
        step()
        store.told(number for number, _ in new)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_no_hit_is_lost_or_found_twice(tmp_path: Path) -> None:
    chance = random.Random(5)
    size = 0
    killed = 0
    for _ in range(KILLS):
        size += STEP
        child = FORK.Process(target=run, args=(tmp_path, size, chance.randrange(1, 16)))
        child.start()
        child.join(60)
        killed += child.exitcode == -signal.SIGKILL
    assert killed > KILLS // 2
    run(tmp_path, size)
    run(tmp_path, size)
    with Store(tmp_path / "state" / "monitor.sqlite") as store:
        (kept,) = store.trees()
        found = [int(finding.subject) for _, finding in store.findings()]
        assert store.untold() == ()
    assert (kept.size, kept.read) == (size, size)
    assert found == list(range(0, size, 7)), "in order, each once"
    told = [int(json.loads(line)["subject"]) for line in (tmp_path / "found.ndjson").read_text().splitlines()]
    assert told == found


def test_two_monitors_do_not_share_a_state(tmp_path: Path) -> None:
    path = tmp_path / "state" / "monitor.sqlite"
    with Store(path), pytest.raises(Exception, match="another monitor"):
        Store(path)
    Store(path).close()
