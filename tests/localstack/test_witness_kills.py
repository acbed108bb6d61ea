"""A witness that is killed in the middle of its work: what it cosigned it knows, and a fork of that it refuses."""

import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.addcheckpoint import AddCheckpoint, format_request
from gitsign_py.core.tlog.checkpoint import Checkpoint, seal_checkpoint
from tests.support.smalltree import hash_at, root
from tests.support.stack import ROOT
from tests.support.witnesskit import LOG, ORIGIN, log_key, private

OURS = [sys.executable, "-m", "gitsign_py", "monitor", "--witness"]
KILLS = 3


@contextmanager
def serving(directory: Path, logs: Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    command = [*OURS, "--dir", str(directory), "--logs", str(logs), "--listen", "127.0.0.1:0"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert child.stdout is not None
        match = re.search(r":(\d+)\n", child.stdout.readline())
        assert match is not None
        yield int(match[1]), child
    finally:
        child.kill()
        child.wait(20)
        assert child.stdout is not None
        child.stdout.close()


def ask(port: int, old: int, size: int, top: bytes | None = None) -> tuple[int, bytes]:
    stated = Checkpoint(ORIGIN, size, root(size) if top is None else top)
    proof = merkle.prove_consistency(old, size, hash_at) if 0 < old < size else ()
    body = format_request(AddCheckpoint(old, proof, seal_checkpoint(stated, log_key(), private(200).sign)))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/add-checkpoint", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.unmeasured
def test_a_witness_that_is_killed_remembers_what_it_cosigned(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.write_text(f"log {LOG}\nquorum none\n")
    subprocess.run(
        [*OURS, "init", "--dir", str(tmp_path / "w"), "--name", "w.example"], cwd=ROOT, check=True, timeout=60
    )
    cosigned = 0
    for kill in range(KILLS):
        with serving(tmp_path / "w", logs) as (port, child):
            status, body = ask(port, 139, 139)
            known = int(body)
            assert (status, known >= cosigned) == (409, True)
            cosigned = known
            if known:
                assert ask(port, known, known, bytes(32)) == (409, b"%d\n" % known)
            timer = threading.Timer(0.05 + 0.03 * kill, child.kill)
            with suppress(OSError, http.client.HTTPException):
                for size in range(known + 1, 139):
                    status, _ = ask(port, size - 1, size)
                    assert status == 200
                    cosigned = size
                    if size == known + 1:
                        timer.start()  # a busy machine may take longer than that for the first one
            if timer.is_alive():
                timer.join()
    assert cosigned > 0
