"""``monitor --follow`` as a real process: it tells each entry once, as the log grows, and ends by a signal."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.webdriver import wait_for
from tests.support.workbench import EMAIL, Workbench, program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stays_and_ends_by_a_signal(bench: Workbench, tmp_path: Path, number: signal.Signals) -> None:
    journal, state = tmp_path / "found.ndjson", tmp_path / "state" / "m"
    logs = ("--log", "rekor1", "--log", "ct", "--identity", EMAIL, "--state", str(state))
    assert bench.tool("monitor", "-q", *logs).returncode == 0
    command = [str(program(bench.folder)), "monitor", "--follow", "--interval", "1s", "-q", *logs]
    child = subprocess.Popen(
        [*command, "--ndjson", str(journal)],
        cwd=bench.repo,
        env=bench.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        for wanted in (2, 4):
            bench.commit(f"entry {wanted}")
            wait_for(60, lambda wanted=wanted: len(lines(journal)) >= wanted)
        child.send_signal(number)
        out, errors = child.communicate(timeout=60)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 0, errors
    assert b"Traceback" not in errors
    told = [line for line in out.decode().splitlines() if "watch-hit" in line]
    assert len(lines(journal)) == len(told) == 4
    assert len({json.loads(line)["id"] for line in lines(journal)}) == 4
    assert "watch-hit" not in bench.tool("monitor", "-q", *logs).stdout.decode(), "nothing is told twice"


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []
