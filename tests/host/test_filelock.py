"""A lock that ends with whoever holds it, by flock and where there is none."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from gitsign_py.host import filelock
from gitsign_py.host.filelock import FileLock, hold, is_held
from tests.support import msvcrtlike

ROOT = Path(__file__).resolve().parents[2]
_HOLD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from gitsign_py.host import filelock
from tests.support import msvcrtlike
sys.modules["msvcrt"] = msvcrtlike
filelock._opened = getattr(filelock, sys.argv[1])
lock = filelock.hold(Path(sys.argv[2]))
print(lock is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["_Flock", "_LockedByte"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrtlike)
    monkeypatch.setattr(filelock, "_opened", getattr(filelock, name))
    return name


@contextmanager
def another(kind: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has asked for the lock; its first line says whether it got it."""
    command = [sys.executable, "-c", _HOLD, kind, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process
        if process.stdin is not None:
            process.stdin.close()


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_holds_it_and_the_others_do_not(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not path.exists()  # looking makes nothing
    with another(kind, path) as first, another(kind, tmp_path / "other") as unconcerned:
        assert (says(first), says(unconcerned)) == ("True", "True")
        assert is_held(path)
        assert hold(path) is None
        with another(kind, path) as second:
            assert says(second) == "False"
    assert not is_held(path)
    lock = hold(path)
    assert lock is not None
    lock.close()


def test_in_one_process_too(kind: str, tmp_path: Path) -> None:
    lock = hold(tmp_path / "lock")
    assert lock is not None
    assert is_held(tmp_path / "lock")
    assert hold(tmp_path / "lock") is None
    with another(kind, tmp_path / "lock") as other:  # the looks above have not let go of it
        assert says(other) == "False"
    lock.close()
    assert not is_held(tmp_path / "lock")


def test_it_ends_with_a_process_that_is_killed(kind: str, tmp_path: Path) -> None:
    with another(kind, tmp_path / "lock") as holder:
        assert says(holder) == "True"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        lock = hold(tmp_path / "lock")
        assert lock is not None
        lock.close()


def test_whoever_waits_gets_it_when_it_is_free(kind: str, tmp_path: Path) -> None:
    lock = hold(tmp_path / "lock")
    assert lock is not None
    began = time.monotonic()
    assert hold(tmp_path / "lock", 0.1) is None
    assert time.monotonic() - began >= 0.1
    threading.Timer(0.2, lock.close).start()
    second = hold(tmp_path / "lock", 20)
    assert second is not None
    second.close()


def test_of_many_at_once_one_at_a_time(kind: str, tmp_path: Path) -> None:
    inside, most = [0], [0]

    def turn(_: int) -> None:
        lock = hold(tmp_path / "lock", 60)
        assert lock is not None
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        inside[0] -= 1
        lock.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(turn, range(40)))
    assert most == [1]


def test_nothing_lies_beside_it(kind: str, tmp_path: Path) -> None:
    lock = hold(tmp_path / "lock")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert lock is not None
    lock.close()


def opens(action: Callable[[], FileLock | None]) -> bool:
    try:
        lock = action()
    except OSError:
        return False
    if lock is not None:
        lock.close()
    return True


def test_a_place_where_no_file_can_be_is_an_error(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not opens(lambda: hold(tmp_path / "file" / "lock"))
    assert not is_held(tmp_path / "file" / "lock")
    assert opens(lambda: hold(tmp_path)) == (kind == "_Flock")  # flock(2) holds a directory as well: the stack's own


def test_what_lies_in_the_file_is_not_touched(kind: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("somebody's\n")
    assert opens(lambda: hold(tmp_path / "text"))
    assert (tmp_path / "text").read_text() == "somebody's\n"


def test_a_look_does_not_take_another_look_for_a_holder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no shared lock each look is a short one of its own."""
    path = tmp_path / "lock"
    path.touch()
    other = filelock._opened(path)
    assert other.take(shared=True)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        other.close()

    monkeypatch.setattr(filelock, "time", SimpleNamespace(sleep=pause))
    assert not is_held(path)
    assert len(pauses) == (kind == "_LockedByte")
    if not pauses:
        other.close()


def test_the_file_is_ours_alone_and_no_link(tmp_path: Path) -> None:
    lock = hold(tmp_path / "lock")
    assert lock is not None
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    lock.close()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not opens(lambda: hold(tmp_path / "link"))
    assert not (tmp_path / "elsewhere").exists()
