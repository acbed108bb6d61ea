"""Fixtures for all tests."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from tests.support import warm
from tests.support.faultystack import FaultyStack, faulty_stack
from tests.support.home import Home, living
from tests.support.shares import keep_share
from tests.support.stack import RunningStack, running_stack
from tests.support.tiers import TIERS, Guard, tier_of
from tests.support.workbench import Workbench

_GUARD = Guard()
# An installed program has its byte code. Without, each process that a test starts compiles the package anew, which
# costs more than what it does; and so does each test worker with the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
_MEMORY = "/dev/shm"


def _has_much_memory() -> bool:
    """Whether files can lie in memory: a run leaves two gigabytes, and programs among them."""
    if "TMPDIR" in os.environ or not Path(_MEMORY).is_dir():
        return False
    disk = os.statvfs(_MEMORY)
    return disk.f_bavail * disk.f_frsize > 8 << 30 and not disk.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)


if _has_much_memory():  # where nothing waits for a disk, as each commit, each ref and each row of a log does
    os.environ["TMPDIR"] = _MEMORY  # for the workers and all that they start, too
    tempfile.tempdir = None
_THRESHOLDS = gc.get_threshold()
gc.set_threshold(100_000, 10, 100)  # until all tests are found: most of what is made until then stays

settings.register_profile("no-deadline", deadline=None)  # a machine is busy now and then
settings.load_profile("no-deadline")  # before the first test is decorated, in whatever folder
subprocess.run = warm.run  # which calls our program without a new Python


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A short path in memory: a socket's has at most 103 characters, and pytest's own names take 40 of them."""
    if tempfile.gettempdir() == _MEMORY and not config.option.basetemp and not hasattr(config, "workerinput"):
        for earlier in Path(_MEMORY).glob("pytest[0-9]*"):  # of runs that failed
            if not Path("/proc", earlier.name.removeprefix("pytest")).exists():
                shutil.rmtree(earlier, ignore_errors=True)
        config.option.basetemp = f"{_MEMORY}/pytest{os.getpid()}"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process more than there are cores, where tests wait now and then: for time limits above all."""
    if config.option.markexpr == "unit" or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # as xdist has it
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its tier, before ``-m`` chooses, and give it the fixtures of its marks.

    Those that take minutes come first, so that none is left to one worker alone at the end.
    """
    items.sort(key=lambda item: "reference" not in item.path.parts)
    for item in items:
        if isinstance(item, pytest.Function):
            item.add_marker(tier_of(item))
            _use_what_is_marked(item)
    if share := os.environ.get("GITSIGN_TEST_PROCESS_SHARE"):
        keep_share(config, items, share)


def pytest_collection_finish() -> None:
    """Take the tests themselves out of what the garbage collector looks through again and again.

    Hypothesis asks the collector who holds its random numbers, and is not told of what is frozen: it makes them before.
    """
    given(strategies.none())(lambda _: None)()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop() -> Iterator[Any]:
    """End the warm servers before pytest-cov collects what was measured."""
    try:
        return (yield)
    finally:
        warm.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Free the memory, unless a test failed whose files somebody may want to see."""
    if exitstatus == 0 and tempfile.gettempdir() == _MEMORY and not hasattr(session.config, "workerinput"):
        shutil.rmtree(session.config._tmp_path_factory.getbasetemp(), ignore_errors=True)  # type: ignore[attr-defined]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let the guard know which tier is running."""
    _GUARD.tier = next((tier for tier in TIERS if item.get_closest_marker(tier)), "")
    yield
    _GUARD.tier = ""


@pytest.fixture
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the processes of tests with that mark (pyproject.toml says why)."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def _cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start Python for each call of the program in tests with that mark."""
    monkeypatch.setattr(warm, "is_cold", True)


def _use_what_is_marked(item: pytest.Function) -> None:
    """Have the fixtures of these marks before all others of the test itself; autouse would cost each test 0.3 ms."""
    for mark, fixture in (("unmeasured", "_unmeasured"), ("cold", "_cold")):
        if item.get_closest_marker(mark):
            found = item._fixtureinfo.name2fixturedefs
            outer = [name for name in item.fixturenames if name in found and found[name][-1].scope != "function"]
            own = [name for name in item.fixturenames if name not in outer]
            item.fixturenames = [*outer, fixture, *own]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A local Sigstore, started once for each test worker."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def _breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyStack]:
    with faulty_stack(tmp_path_factory.mktemp("faulty-stack")) as running:
        yield running


@pytest.fixture
def faulty(_breakable: FaultyStack) -> Iterator[FaultyStack]:
    """A local Sigstore of its own that breaks on order (``break_it``) and is whole again after each test."""
    yield _breakable
    _breakable.break_it()


@pytest.fixture
def home(tmp_path: Path, stack: RunningStack) -> Iterator[Home]:
    """A user of the running stack, whose agent ends with the test."""
    (tmp_path / "u").mkdir(mode=0o700)
    with living(tmp_path / "u", stack) as made:
        yield made


@pytest.fixture
def bench(stack: RunningStack, tmp_path: Path) -> Workbench:
    """A repository that signs as Alice against the running stack."""
    made = Workbench(tmp_path, stack)
    made.init()
    return made
