"""Why nothing was signed reaches whoever started git, whatever kind of file git's stderr is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.host.git.stderr import is_shown, write_to_stderr_of
from tests.support.workbench import Workbench, program

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and pidfd are Linux's")
FAILING = ["git", "commit", "-q", "--allow-empty", "-S", "-m", "x"]


def failing_commit(bench: Workbench, stderr: object) -> None:
    """A commit that cannot be signed, in a session of its own so that there is no terminal."""
    done = subprocess.run(
        FAILING,
        cwd=bench.repo,
        env=bench.env | {"GITSIGN_FULCIO_URL": "http://127.0.0.1:9"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,  # type: ignore[call-overload]
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0


def check(said: str) -> None:
    """git's own lines and ours, each whole."""
    lines = said.splitlines()
    assert any(line.startswith("error: gpg failed to sign the data") for line in lines), said
    assert "fatal: failed to write commit object" in lines, said
    assert any(line.startswith("gitsign-py: ") and line.endswith("[service-unreachable]") for line in lines), said


@linux
@pytest.mark.parametrize("mode", ["w", "a"])
def test_a_file(bench: Workbench, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "log"
    path.write_text("" if mode == "w" else "before\n")
    with path.open(mode) as stderr:
        failing_commit(bench, stderr)
    check(path.read_text())
    assert mode == "w" or path.read_text().startswith("before\n")


@linux
def test_a_wrapper_between_git_and_the_program(bench: Workbench, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n{program(bench.folder)} "$@"\nexit $?\n')
    wrapper.chmod(0o755)
    bench.git("config", "gpg.x509.program", str(wrapper))
    test_a_pipe(bench)


@linux
def test_a_pipe(bench: Workbench) -> None:
    reader, writer = os.pipe()
    failing_commit(bench, writer)
    os.close(writer)
    with os.fdopen(reader) as stream:
        check(stream.read())


@linux
def test_a_socket_as_editors_give_one(bench: Workbench) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            failing_commit(bench, theirs)
        said = b""
        while part := ours.recv(4096):
            said += part
    check(said.decode())


def fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


@linux
def test_nobody_waits_for_a_full_pipe_or_socket() -> None:
    ends = [*os.pipe(), *(end.detach() for end in socket.socketpair())]
    for descriptor in (ends[1], ends[3]):
        sleeper = subprocess.Popen(["sleep", "60"], stderr=descriptor)
        fill(descriptor)
        try:
            with pytest.raises(BlockingIOError):
                write_to_stderr_of(sleeper.pid, b"never waits\n" * 400)
        finally:
            sleeper.kill()
            sleeper.wait()
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ("git version 2.41.0", True),
        ("git version 2.55.0.windows.1", True),
        ("git version 3.0.0", True),
        ("git version 2.40.4", False),
        ("git version 2.39.5 (Apple Git-154)", False),
        ("hub version 2.60", False),
        ("", False),
    ],
)
def test_a_newer_git_shows_our_stderr_itself(tmp_path: Path, says: str, shown: bool) -> None:
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\necho '{says}'\n")
    git.chmod(0o755)
    assert is_shown({"PATH": str(tmp_path)}) is shown


def test_where_git_cannot_be_asked_it_shows_nothing(tmp_path: Path) -> None:
    assert not is_shown({"PATH": str(tmp_path)})
