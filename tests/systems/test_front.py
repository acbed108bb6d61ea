"""The stand-in for cold starts in tests (tests/support/front.c): a call through it is what a call of the program is."""

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import coverage
import pytest

from tests.support import warm
from tests.support.gitrepo import environment
from tests.support.processes import ending
from tests.support.waiting import wait_until

FRONT = warm._front()


def is_warm(path: Path) -> bool:
    return path.read_text().startswith(f"#!{FRONT} ")


def called(program: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    env = environment(HOME=str(program.parent), **more)
    return subprocess.run(
        [program, *arguments], cwd=program.parent, env=env, input=b"tree x\n", capture_output=True, check=False
    )


@pytest.mark.skipif(FRONT is None, reason="no C compiler")
def test_streams_and_status_are_those_of_the_program(tmp_path: Path) -> None:
    program = warm.program(tmp_path / "gitsign-py")
    assert is_warm(program)
    for arguments in (["--version"], ["policy", "check", "n\u00f6\udcffne"], ["--status-fd=1", "--verify", "x", "-"]):
        one, other = called(program, *arguments), called(program, *arguments, PYTHONHASHSEED="1")
        assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
        assert one.stdout or one.stderr


@contextmanager
def started(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A signature that waits for its payload; it ends with the block, also where the block failed."""
    process = subprocess.Popen(
        [warm.program(folder / "gitsign-py"), "--status-fd=2", "-bsau", "x"],
        cwd=folder,
        env=environment(HOME=str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with ending(process) as running:
        yield running
        running.kill()


@pytest.mark.skipif(FRONT is None, reason="no C compiler")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_both(tmp_path: Path, number: int) -> None:
    """SIGKILL cannot be passed on: then the server finds its caller gone."""
    with started(tmp_path) as running:
        assert running.stdout is not None
        wait_until(lambda: Path(f"/proc/{running.pid}/fd/0").exists() is False)
        running.send_signal(number)
        assert running.wait(20) == -number
        ended = select.select([running.stdout], [], [], 20)[0]
        assert ended, "the program has it open still"
        assert running.stdout.read() == b""


_MEASURED = """
import coverage, subprocess, sys
from pathlib import Path
measured = coverage.Coverage(config_file="pyproject.toml", data_file=sys.argv[1])
measured.start()
from tests.support import warm
from tests.support.gitrepo import environment
program = warm.program(Path(sys.argv[1]).with_name("gitsign-py"))
for _ in range(2):
    warm.really_run([program, "version"], env=environment(), capture_output=True, check=True)
"""


@pytest.mark.skipif(FRONT is None, reason="no C compiler")
def test_what_a_warm_program_runs_is_measured(tmp_path: Path) -> None:
    """The server saves what was run by its imports, and at its end what its processes have run (warmcoverage)."""
    env = {name: value for name, value in environment(PYTHONPATH=str(warm.ROOT)).items() if "COV" not in name}
    words = [sys.executable, "-c", _MEASURED, str(tmp_path / "data")]
    subprocess.run(words, cwd=warm.ROOT, env=env, check=True)
    name = str(warm.ROOT / "gitsign_py/cli/commands/version.py")
    found = []
    for path in tmp_path.glob("data.*"):
        data = coverage.CoverageData(str(path))
        data.read()
        found.append(len(data.lines(name) or ()))
    assert len([lines for lines in found if lines]) == 2, "the imports, and the calls"
    assert len({lines for lines in found if lines}) == 2, found


def test_a_cold_test_starts_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "is_cold", True)
    program = warm.program(tmp_path / "gitsign-py")
    assert not is_warm(program)
    assert called(program, "--version").stdout.startswith(b"gitsign-py")
