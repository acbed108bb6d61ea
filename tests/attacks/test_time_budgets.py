"""A push whose judging is made to hang: by a git, a gpg or a worker that stands still, or by a computation without end.

The hook said "refused" when its time was over, and whatever it had started went on: each process held the stream that
git reads for the pusher, who waited for minutes. Now nothing is left, and the pusher has the answer within two seconds.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.gitrepo import environment
from tests.support.processes import ending
from tests.support.pushserver import ROOT, Server, make_server
from tests.support.waiting import wait_until

MAIN = "refs/heads/main"
pytestmark = pytest.mark.cold  # groups of processes, and marks in their environments
LONG = 600
"""Seconds that everything here hangs for: far more than a busy machine takes for a refusal."""
SOON = 240
"""For a push to a busy machine, whose objects are packed and read as well."""


@pytest.fixture
def server(tmp_path: Path, signer: BulkSigner) -> Server:
    made = make_server(tmp_path, signer)
    made.environment["PUSH_MARK"] = str(uuid.uuid4())
    made.config("gitsign.hookTimeout", "1")
    return made


def stand_in(server: Server, name: str, script: str) -> None:
    """Put a program of this name before the real one on the server's PATH."""
    folder = server.folder / "hanging"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    before = f'export REAL_GIT="{shutil.which("git")}" PATH="{folder}:$PATH"'
    program = f'#!/bin/sh\n{before}\nPYTHONPATH={ROOT} exec {sys.executable} -m gitsign_py "$@"\n'
    (server.folder / "gitsign-py").write_text(program)


def marked(server: Server) -> dict[int, int]:
    """Processes of this push, with their parents."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if server.environment["PUSH_MARK"].encode() in (entry / "environ").read_bytes() and not is_ending(entry):
                found[int(entry.name)] = int(facts(entry)[1])
        except OSError:
            continue
    return found


def facts(entry: Path) -> list[str]:
    """What stat says of a process, from its state on (proc_pid_stat(5))."""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def is_ending(entry: Path) -> bool:
    """Whether it does nothing more: SIGKILL has reached it, and a busy machine has not come to its end yet."""
    status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line)
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    exiting = int(facts(entry)[6]) & 0x4  # PF_EXITING (include/linux/sched.h)
    return bool(pending >> (signal.SIGKILL - 1) & 1 or exiting)


def command_line(process: int) -> bytes:
    """Empty for one that has ended meanwhile."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def check_refused_in_time(server: Server, refspec: str, url: str = "") -> None:
    began = time.monotonic()
    try:
        status, said = server.push_to(url or str(server.bare.path), refspec)
        took = time.monotonic() - began
        left = marked(server)
    finally:
        for process in marked(server):
            os.kill(process, signal.SIGKILL)
    assert status != 0
    assert said.count("gitsign-py: refused:") == 1, said
    assert "[hook-timeout]" in said
    assert took < SOON
    assert not left, "processes that are still at work when the pusher has the answer"
    assert server.ref(MAIN) == ""


@pytest.mark.parametrize("command", ["rev-list", "cat-file", "for-each-ref", "log"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_git_that_hangs(server: Server, command: str, scheme: str) -> None:
    """And hears no wish to end; its own child hangs too."""
    stand_in(
        server,
        "git",
        f'case "$*" in *{command}*) trap "" TERM HUP INT PIPE; sleep {LONG}; exit 1;; esac\nexec "$REAL_GIT" "$@"',
    )
    signature = "-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQ==\n-----END PGP SIGNATURE-----\n"
    one = openpgp_commit(server, signature) if command == "log" else server.history.commit(signed="alice")
    check_refused_in_time(server, f"{one}:{MAIN}", f"{scheme}{server.bare.path}")


def openpgp_commit(server: Server, signature: str) -> str:
    history = server.history
    history.signer = lambda _who, _payload, _at: signature.encode()
    return history.commit(signed="alice")


@pytest.mark.parametrize(
    ("program", "kind"), [("gpg", "PGP SIGNATURE"), ("ssh-keygen", "SSH SIGNATURE")], ids=["gpg", "ssh-keygen"]
)
def test_a_program_of_gits_that_hangs(server: Server, program: str, kind: str) -> None:
    stand_in(server, program, f'trap "" TERM HUP INT PIPE; sleep {LONG}')
    body = "U1NIU0lHAAAAAQ==" if program == "ssh-keygen" else "\niHUEABYKAB0WIQ=="
    one = openpgp_commit(server, f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n")
    check_refused_in_time(server, f"{one}:{MAIN}", f"file://{server.bare.path}")


def test_workers_that_stand_still(server: Server) -> None:
    """Stopped at work, as a computation without end would keep them from hearing anything."""
    server.config("gitsign.hookTimeout", "6")
    tip = server.history.commit(signed="alice", files={"a": "1"})
    for _ in range(8000):
        tip = server.history.commit(tip, signed="alice")

    def last_ones() -> set[int]:
        """Below: receive-pack, the shim, who waits, who judges, who works."""
        python = [one for one in marked(server) if b"gitsign_py" in command_line(one)]
        parents = marked(server)
        return {one for one in python if one not in parents.values()}

    def workers() -> set[int]:
        """Those that stay: a program that git's caller starts has the caller's command line for a moment."""
        first = last_ones()
        time.sleep(0.1)
        stayed = first & last_ones()
        return stayed if len(stayed) >= 2 else set()

    with ThreadPoolExecutor(1) as background:
        checked = background.submit(check_refused_in_time, server, f"{tip}:{MAIN}")
        for worker in wait_until(workers):
            os.kill(worker, signal.SIGSTOP)
        checked.result(SOON + LONG)


_WORK = """\
import os, subprocess, sys, time
from gitsign_py.host.timelimit import within_budget

def work(allow):
    if {allows}:
        allow({allowed})
    {hang}
    return 0

sys.exit(within_budget({seconds}, work, lambda seconds: f"over after {{seconds:g}} s", 7))
"""


def run_work(
    hang: str, *, allows: bool = True, allowed: float = 0.5
) -> "tuple[subprocess.CompletedProcess[bytes], float]":
    script = _WORK.format(hang=hang, allows=allows, allowed=allowed, seconds=LONG if allows else 0.5)
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment(), capture_output=True, check=False)
    return done, time.monotonic() - began


@pytest.mark.parametrize("allows", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(600)",
        "sum(range(10**15))",  # one step of Python, in which no signal is looked at
        "subprocess.run(['sleep', '600'])",
        "subprocess.Popen(['sleep', '30'], start_new_session=True); time.sleep(600)",
        "os.fork() or sum(range(10**15)); time.sleep(600)",
    ],
    ids=["asleep", "computing", "with a child", "with a child of another group", "with a child that computes"],
)
def test_whatever_hangs_is_over(hang: str, allows: bool) -> None:
    done, took = run_work(hang, allows=allows)
    assert done.returncode == 7
    assert done.stderr == b"over after 0.5 s\n"
    assert took < 20


@pytest.mark.parametrize("late", ["", "time.sleep(600)"], ids=["at once", "held up"])
def test_a_budget_found_spent_is_said_once(late: str) -> None:
    """The work finds its time over, and so does who waits for it: one line, whoever was first."""
    done, took = run_work(
        f"""
    from gitsign_py.host.budget import BudgetSpentError
    try:
        time.sleep(0.6)
        raise BudgetSpentError
    finally:
        {late or "pass"}""".lstrip()
    )
    assert done.returncode == 7
    assert done.stderr == b"over after 0.5 s\n"
    assert took < 20


def test_who_does_not_read_cannot_hold_it() -> None:
    """The pusher's git may stop reading; what is to be said to it fills the pipe then."""
    script = _WORK.format(hang="sys.stderr.write('x' * 10_000_000)", allows=True, allowed=0.5, seconds=LONG)
    reading, writing = os.pipe()
    with ending(
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment(), stderr=writing)
    ) as process:
        try:
            assert process.wait(SOON) == 7
        finally:
            process.kill()
            os.close(reading)
            os.close(writing)


@pytest.mark.parametrize(("ends", "status", "said"), [("return 3", 3, b""), ("os.kill(os.getpid(), 9)", 247, b"")])
def test_work_that_ends(ends: str, status: int, said: bytes) -> None:
    """With its own status, or killed by a signal, which is told as a negative one."""
    done, _ = run_work(ends, allowed=LONG)
    assert (done.returncode, done.stderr) == (status, said)


def test_what_is_said_at_the_end_is_passed_on() -> None:
    done, _ = run_work("sys.stderr.write('y' * 3_000_000)", allowed=LONG)
    assert (done.returncode, len(done.stderr)) == (0, 3_000_000)
