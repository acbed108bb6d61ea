"""What makes the agent's memory hard to reach, seen from outside; and the watch for suspend."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.agent.hardening import SuspendWatch, _unlimited_lock
from tests.support.processes import ending

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PROGRAM = """
import sys
from gitsign_py.agent.hardening import harden
print(harden(), flush=True)
sys.stdin.read()
"""


def _hardened() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@linux
def test_no_core_dump_and_no_look_into_memory() -> None:
    with _hardened() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        said = child.stdout.readline()
        assert "no_core_dump=True" in said
        assert "not_dumpable=True" in said
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6] == [
            "0",
            "0",
        ]
        # Whoever is not dumpable belongs to root in /proc (proc(5)), so nobody else can open its memory.
        assert Path(f"/proc/{child.pid}/mem").stat().st_uid == 0
        child.stdin.close()


@linux
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_the_same_user_cannot_read_the_agents_memory_or_environment() -> None:
    become = "import os\nos.setgid(65534)\nos.setuid(65534)\n"
    program = (
        "import ctypes, resource, sys\nfrom gitsign_py.agent.hardening import harden\n" + become
        + "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"  # a change of user made it undumpable: as it was at its start
        "print('open', flush=True)\nsys.stdin.readline()\nharden()\nprint('hardened', flush=True)\nsys.stdin.read()\n"
    )  # fmt: skip
    look = (
        f"import sys\n{become}for name in ('maps', 'environ'):\n"
        "    try:\n        open(f'/proc/{sys.argv[1]}/{name}', 'rb').read(1)\n        print('read')\n"
        "    except PermissionError:\n        print('denied')\n"
    )

    def seen(pid: int) -> str:
        return subprocess.run([sys.executable, "-c", look, str(pid)], capture_output=True, text=True, check=True).stdout

    with ending(
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        assert seen(child.pid) == "read\nread\n"
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "hardened\n"
        assert seen(child.pid) == "denied\ndenied\n"
        child.stdin.close()


@linux
def test_an_abort_leaves_no_core_file(tmp_path: Path) -> None:
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGABRT)
        assert child.wait(10) == -signal.SIGABRT
        assert list(tmp_path.iterdir()) == []


@linux
def test_memory_is_locked_where_there_is_no_limit() -> None:
    with _hardened() as child:
        assert child.stdin is not None
        assert child.stdout is not None
        said = child.stdout.readline()
        status = Path(f"/proc/{child.pid}/status").read_text()
        locked = int(next(line for line in status.splitlines() if line.startswith("VmLck")).split()[1])
        child.stdin.close()
    assert ("memory_locked=True" in said) == (locked > 0)
    assert ("memory_locked=True" in said) <= _unlimited_lock()


def test_suspend_is_noticed_once() -> None:
    asleep_too, awake_only = [100.0], [90.0]
    watch = SuspendWatch(lambda: asleep_too[0], lambda: awake_only[0])
    assert not watch.slept()
    asleep_too[0], awake_only[0] = 160.0, 150.0  # a minute of work
    assert not watch.slept()
    asleep_too[0], awake_only[0] = 3760.0, 151.0  # an hour of sleep
    assert watch.slept()
    assert not watch.slept()


def test_the_clocks_of_this_system_show_no_sleep_while_it_is_awake() -> None:
    watch = SuspendWatch()
    assert not any(watch.slept() for _ in range(1000))
