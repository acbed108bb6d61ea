"""``stack rotate`` and ``stack up --fault``, as a person runs them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsign_py.localstack import process
from gitsign_py.localstack.process import StackInfo
from tests.support.stack import ROOT

Result = subprocess.CompletedProcess[str]


def stack_command(directory: Path, name: str, *arguments: str) -> Result:
    line = [sys.executable, "-m", "gitsign_py", "stack", name, "--dir", str(directory), *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def running(directory: Path) -> StackInfo:
    info = process.running(directory)
    assert info is not None
    return info


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "stack"
    process.stop(tmp_path / "stack")


def test_a_running_stack_gets_a_new_key(directory: Path) -> None:
    assert stack_command(directory, "up", "--detach", "--port", "0").returncode == 0
    rotated = stack_command(directory, "rotate", "rekor2", "--key", "ecdsa-p256")
    assert rotated.returncode == 0, rotated.stderr
    assert rotated.stdout.startswith("rekor2 has a new key (ecdsa-p256, SHA-256 ")
    first, second = json.loads((directory / "trusted_root.json").read_bytes())["tlogs"][1:]
    assert "end" in first["publicKey"]["validFor"]
    assert "end" not in second["publicKey"]["validFor"]
    status, body = process.exchange(running(directory), "GET", "/api/v2/checkpoint")
    assert (status, body.startswith(b"2.rekor2.local\n0\n")) == (200, True)


def test_rekor2_can_begin_with_an_ecdsa_key(directory: Path) -> None:
    up = stack_command(directory, "up", "--detach", "--port", "0", "--rekor2-key", "ecdsa-p256")
    assert up.returncode == 0, up.stderr
    log = json.loads((directory / "trusted_root.json").read_bytes())["tlogs"][1]
    assert (log["baseUrl"], log["publicKey"]["keyDetails"]) == ("http://rekor2.local", "PKIX_ECDSA_P256_SHA_256")


def test_faults_reach_a_stack_in_the_background(directory: Path) -> None:
    up = stack_command(directory, "up", "--detach", "--port", "0", "--fault", "idp:5xx", "--fault-control")
    assert up.returncode == 0, up.stderr
    assert process.exchange(running(directory), "GET", "/keys")[0] == 503
    repaired = process.exchange(
        running(directory), "POST", "/faults", body=b'{"faults":[]}', media_type="application/json"
    )
    assert repaired == (200, b'{"faults":[]}')
    assert process.exchange(running(directory), "GET", "/keys")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--port", "0", "--fault", "sloow"), "fault 'sloow' is not known"),
        (("up", "--port", "0", "--fault", "tsa:no-sct"), "fault no-sct is not one of 'tsa'"),
        (("rotate", "moon"), "invalid choice: 'moon'"),
        (("rotate",), "the following arguments are required: what"),
    ],
)
def test_what_cannot_be_is_refused_in_words(directory: Path, arguments: tuple[str, ...], words: str) -> None:
    result = stack_command(directory, *arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_stack_that_never_was_cannot_be_rotated(directory: Path) -> None:
    result = stack_command(directory, "rotate", "ca")
    assert (result.returncode, "no local Sigstore was ever started" in result.stderr) == (3, True)
    assert not directory.exists()
