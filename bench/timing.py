"""Whole-process timings for the benchmarks: commands in turn (A B A B ...), medians, and CPU time beside wall time."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Timing:
    """The runs of one command, in milliseconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def row(self) -> str:
        low, middle, high = min(self.wall), statistics.median(self.wall), max(self.wall)
        cpu = statistics.median(self.cpu)
        return f"{self.name:<44} {low:8.1f} {middle:8.1f} {high:8.1f}   {cpu:8.1f}"


def measure(
    commands: Mapping[str, Sequence[str]], *, runs: int, cwd: Path, env: Mapping[str, str], warm: int = 1
) -> list[Timing]:
    """Run the commands in turn and time each as a whole process."""
    timings = [Timing(name) for name in commands]
    for number in range(runs + warm):
        for timing, command in zip(timings, commands.values(), strict=True):
            wall, cpu = once(command, cwd=cwd, env=env)
            if number >= warm:
                timing.wall.append(wall)
                timing.cpu.append(cpu)
    return timings


def once(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[float, float]:
    """One run: wall and CPU time in milliseconds. The command must succeed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}: {os.fsdecode(done.stderr)}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def table(timings: Sequence[Timing]) -> str:
    head = f"{'milliseconds':<44} {'min':>8} {'median':>8} {'max':>8}   {'cpu':>8}"
    return "\n".join([head, *(timing.row() for timing in timings)])
