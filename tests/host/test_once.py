"""A program run once by posix_spawn, held to what ``subprocess.run`` gives."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.samplerepo import fake_git

if sys.platform != "linux":
    pytest.skip("other systems go by subprocess", allow_module_level=True)

from gitsign_py.host.pipes.once import Spawned, run_once

BODIES = (
    "exit 3",
    "echo out; echo err >&2",
    "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 1",
    "kill -9 $$",
    "exec 1>&- 2>&-; sleep 0.05; exit 4",
    "cat; echo end",
    'echo "$0" "$@" "$X"; pwd',
    "trap > /dev/null; kill -s PIPE $$; echo survived",
)


def environment(folder: Path, body: str) -> dict[str, str]:
    return {**os.environ, **fake_git(folder / "bin", body), "X": "y z"}


@pytest.mark.parametrize("body", BODIES)
def test_it_gives_what_subprocess_gives(tmp_path: Path, body: str) -> None:
    env = environment(tmp_path, body)
    theirs = subprocess.run(["git", "a", "b c"], env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert run_once(["git", "a", "b c"], env, 20.0) == (theirs.returncode, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize("body", ["exec sleep 60", "exec 1>&- 2>&- sleep 60"])
def test_a_program_without_end_is_killed(tmp_path: Path, body: str) -> None:
    note = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        run_once(["git"], environment(tmp_path, f"echo $$ > {note}; {body}"), 2.0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_what_is_not_there_or_no_program_is_said_as_subprocess_says_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "git").write_text("no program")
    (tmp_path / "git").chmod(0o644)
    for path in ("", f"{tmp_path}/none:{tmp_path}/file", f"{tmp_path}:{tmp_path}/none"):
        env = {"PATH": path}
        with pytest.raises(OSError) as theirs:  # noqa: PT011 - which one is what is compared
            subprocess.run(["git"], env=env, check=False)
        with pytest.raises(OSError) as ours:  # noqa: PT011 - as above
            run_once(["git"], env, 5.0)
        assert isinstance(ours.value, PermissionError) == isinstance(theirs.value, PermissionError)


def open_files() -> set[tuple[str, str]]:
    """Each descriptor and what it is of. Other tests' threads, and what they left to the collector, may close some."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add((entry.name, str(entry.readlink())))
    return found


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    env = environment(tmp_path, "echo x")
    before = open_files()
    run_once(["git"], env, 20.0)
    with pytest.raises(OSError):  # noqa: PT011 - as above
        run_once(["git"], {"PATH": "/nowhere"}, 5.0)
    assert open_files() <= before


@pytest.mark.parametrize("body", [BODIES[0], BODIES[6], "cat; echo err >&2; exit 7", "read line; exit 5"])
def test_what_is_talked_to_gives_what_subprocess_gives(tmp_path: Path, body: str) -> None:
    env = environment(tmp_path, body)
    theirs = subprocess.run(["git", "a", "b c"], env=env, input=b"given\n", capture_output=True, check=False)
    with Spawned(["git", "a", "b c"], env) as ours:
        with suppress(BrokenPipeError):  # it may have ended already, as communicate() has it
            ours.stdin.write(b"given\n")
        ours.stdin.close()
        assert (ours.stdout.readall(), ours.stderr.readall()) == (theirs.stdout, theirs.stderr)
        assert ours.wait() == ours.wait() == theirs.returncode
        ours.kill()  # its number may be another process's by now: nothing happens


def test_a_program_that_is_talked_to_is_killed_and_waited_for(tmp_path: Path) -> None:
    before = open_files()
    with Spawned(["git"], environment(tmp_path, "exec sleep 60")) as running:
        running.kill()
    assert running.wait() == -signal.SIGKILL
    with pytest.raises(FileNotFoundError):
        Spawned(["git"], {"PATH": "/nowhere"})
    assert open_files() <= before
