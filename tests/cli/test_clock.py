"""A machine whose clock is off: libfaketime around the signing program alone, git and the local Sigstore in real time.

Each signature is made, or refused in one line that names the clock and, where a server has said what time it is, by
how much it is off.
"""

import json
import re
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.workbench import Workbench, program

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
pytestmark = pytest.mark.skipif(
    LIBRARY is None or shutil.which("faketime") is None, reason="faketime is not installed (apt: faketime)"
)


def off(bench: Workbench, seconds: int) -> str:
    """The program in a time that is off; gives its path. Preloaded and not run by faketime(1), which stays above."""
    path = bench.folder / "off"
    path.write_text(f'#!/bin/sh\nLD_PRELOAD={LIBRARY} FAKETIME="{seconds:+d}s" exec {program(bench.folder)} "$@"\n')
    path.chmod(0o755)
    return str(path)


def commit(bench: Workbench, seconds: int, **env: Any) -> tuple[int, list[str]]:
    """Sign with a clock that is off; gives git's status and the program's lines."""
    bench.git("config", "gpg.x509.program", off(bench, seconds))
    done = bench.try_git("commit", "-q", "--allow-empty", "-S", "-m", "x", **env)
    return done.returncode, [line for line in done.stderr.decode().splitlines() if line.startswith("gitsign-py: ")]


def given(bench: Workbench, seconds: int, age: int = 0) -> str:
    """A token as a platform gives it: it lives ``seconds`` and was issued ``age`` seconds ago."""
    issued = int(time.time()) - age
    return bench.stack.token(ttl=seconds, iat=issued, nbf=issued)


def clock(line: str) -> tuple[int, str]:
    """Seconds and direction that a line names; minutes are whole."""
    found = re.search(
        r"this machine's clock is ([0-9]+) (s|min) (ahead of|behind) the servers': set it \(by NTP\)", line
    )
    assert found is not None, line
    return int(found[1]) * (60 if found[2] == "min" else 1), found[3]


def assert_named(line: str, seconds: int, began: float) -> None:
    """A Date header has whole seconds, and the answer took a moment, more of one on a busy machine."""
    got, direction = clock(line)
    assert direction == ("ahead of" if seconds > 0 else "behind")
    assert abs(got - abs(seconds)) <= 2 + time.monotonic() - began


@pytest.mark.parametrize("agent", ["off", "on"])
@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (1200, "token-expired"),
        (120, "token-expired"),
        (-90, "token-not-yet-valid"),
        (-1200, "token-not-yet-valid"),
    ],
)
def test_a_token_that_was_asked_for_tells_by_how_much(bench: Workbench, seconds: int, reason: str, agent: str) -> None:
    """The issuer's tokens live for a minute, as the public one's do."""
    bench.git("config", "gitsign.agent", agent)
    bench.env.pop("CI", None)
    began = time.monotonic()
    try:
        status, [line] = commit(bench, seconds)
    finally:
        stopped = bench.run([off(bench, seconds), "agent", "stop"]).stdout
    assert (status, reason in line) == (128, True)
    assert_named(line, seconds, began)
    assert (b"every key is gone" in stopped) == (agent == "on")


@pytest.mark.parametrize("seconds", [120, -90])
def test_a_little_off_is_good_enough_for_a_token_that_lives_long(bench: Workbench, seconds: int) -> None:
    status, lines = commit(bench, seconds, SIGSTORE_ID_TOKEN=given(bench, 3600, age=600))
    assert (status, lines) == (0, [])
    assert bench.verify("HEAD").returncode == 0


@pytest.mark.parametrize(
    ("seconds", "token", "reason"),
    [
        (1200, {"seconds": 3600}, "credential-expired"),
        (-1200, {"seconds": 3600, "age": 1800}, "signature-unverifiable"),
        (-1200, {"seconds": -60, "age": 1800}, "service-status"),
    ],
    ids=["certificate-over", "log-ahead", "token-over-at-the-server"],
)
def test_a_token_that_lives_long_shows_it_later(
    bench: Workbench, seconds: int, token: dict[str, int], reason: str
) -> None:
    began = time.monotonic()
    status, [line] = commit(bench, seconds, SIGSTORE_ID_TOKEN=given(bench, **token))
    assert (status, reason in line) == (128, True)
    assert_named(line, seconds, began)


@pytest.mark.parametrize(
    ("seconds", "age", "hint"), [(1200, 0, "if it is new, set"), (-1200, 0, "it seems to be behind")]
)
def test_before_any_server_was_asked_the_clock_is_named_alone(
    bench: Workbench, seconds: int, age: int, hint: str
) -> None:
    status, [line] = commit(bench, seconds, SIGSTORE_ID_TOKEN=given(bench, 300, age))
    assert status == 128
    assert hint in line
    assert "this machine's clock" in line


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(1200, "fail"), (120, "warn"), (-90, "warn"), (-1200, "fail"), (0, "ok")]
)
def test_doctor_says_by_how_much(bench: Workbench, seconds: int, outcome: str) -> None:
    began = time.monotonic()
    done = bench.run([off(bench, seconds), "doctor", "--json"])
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["clock"]["outcome"] == outcome
    assert abs(found["clock"]["facts"]["seconds"] - seconds) <= 2 + time.monotonic() - began
    if seconds:
        assert found["signature"]["outcome"] == "fail"
        assert_named(found["signature"]["advice"], seconds, began)


@pytest.mark.parametrize("seconds", [1200, 120, -90, 20 * 365 * 86400])
def test_verifying_goes_by_the_time_of_the_log(bench: Workbench, seconds: int) -> None:
    bench.commit()
    done = bench.run([off(bench, seconds), "verify", *bench.who, "HEAD"])
    assert done.returncode == 0, done.stdout


def test_a_log_that_is_ahead_of_the_clock_is_told_with_both_times(bench: Workbench) -> None:
    began = time.monotonic()
    bench.commit()
    done = bench.run([off(bench, -1200), "verify", *bench.who, "HEAD"])
    assert done.returncode == 1
    [line] = [line for line in done.stdout.decode().splitlines() if "FAILED" in line]
    assert "check this machine's clock [4.3 log-time-in-future]" in line
    claimed, now = (datetime.fromisoformat(one) for one in re.findall(r"[0-9T:-]{19}Z", line))
    assert abs((claimed - now).total_seconds() - 1200) <= 2 + time.monotonic() - began
