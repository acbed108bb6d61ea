"""Whole processes and what they cost: run in turns (A B A B ...), processor time beside time by the clock.

Medians say what one waits for, minima what is left of it where nothing else wants the machine.
"""

import ctypes
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a process tree took: seconds by the clock, seconds of processor, MiB of its largest process.

    The last is never below this script's own size: a process is a copy of its parent before it becomes something else.
    """

    wall: float
    cpu: float
    largest: float = 0.0


Job = Callable[[], Cost]


def run(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    accepted: tuple[int, ...] = (0,),
    stdin: bytes = b"",
) -> Cost:
    """Run a command to its end. The kernel counts the processes that it waited for, and theirs, with it."""
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=given, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode not in accepted:
            raise SystemExit(f"{command} ended with {process.returncode}: {os.fsdecode(errors.read())}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def spent(process: int) -> float:
    """The processor time of a process that goes on (Linux: clock_getcpuclockid(3))."""
    return time.clock_gettime((~process << 3) | 2)


_SUBREAPER = 36  # prctl(2)
_LONGEST = 20.0


def adopt() -> None:
    """From now on, processes that this one's children leave behind are its own (Linux)."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def left_behind() -> float:
    """Wait for the process that a command left behind, which ends soon; gives its processor time."""
    until = time.monotonic() + _LONGEST
    while time.monotonic() < until:
        process, _, used = os.wait4(-1, os.WNOHANG)
        if process:
            return used.ru_utime + used.ru_stime
        time.sleep(0.02)
    raise SystemExit("the helper that stays did not end")


def in_turns(jobs: Mapping[str, Job], rounds: int, *, warm: int = 1) -> dict[str, list[Cost]]:
    """Run all jobs, ``rounds`` times over; the first ``warm`` times do not count (byte code, page cache)."""
    found: dict[str, list[Cost]] = {name: [] for name in jobs}
    for number in range(rounds + warm):
        for name, job in jobs.items():
            cost = job()
            if number >= warm:
                found[name].append(cost)
    return found


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; the largest process of all."""
    walls, cpus, sizes = zip(*costs, strict=True)
    return Cost(statistics.median(walls), statistics.median(cpus), max(sizes))


def least(costs: Sequence[Cost]) -> Cost:
    """The minimum of each figure."""
    walls, cpus, sizes = zip(*costs, strict=True)
    return Cost(min(walls), min(cpus), max(sizes))


def ratio(ours: Sequence[Cost], others: Sequence[Cost]) -> tuple[float, float]:
    """The medians of the turns' ratios, by the clock and of processor time."""
    pairs = list(zip(ours, others, strict=True))
    wall = statistics.median(one.wall / other.wall for one, other in pairs)
    return wall, statistics.median(one.cpu / max(other.cpu, 1e-4) for one, other in pairs)
