"""Rekor v2, timestamps, signing configs and rotated keys, through real git on the local stack."""

import json
from pathlib import Path

import pytest

from tests.support.stack import running_stack
from tests.support.workbench import Workbench


def timestamps(bench: Workbench) -> str:
    return f"gitsign.timestampServerURL={bench.stack.url}/api/v1/timestamp"


def judged(bench: Workbench, *arguments: str) -> dict[str, object]:
    done = bench.verify("--json", *arguments)
    assert done.returncode == 0, done.stdout
    [judgement] = json.loads(done.stdout)
    found: dict[str, object] = judgement
    return found


def test_rekor_v2_with_a_timestamp(bench: Workbench) -> None:
    bench.configure("gitsign.rekorVersion=2", timestamps(bench))
    bench.commit()
    bench.git("tag", "-s", "-m", "x", "v1")
    found = judged(bench, "--offline", "HEAD")
    assert found["log"]["version"] == "0.0.2"  # type: ignore[index]
    assert [time["source"] for time in found["times"]] == ["timestamp"]  # type: ignore[attr-defined]
    bench.git("verify-commit", "HEAD")
    bench.git("verify-tag", "v1")


def test_rekor_v2_without_a_timestamp_is_refused_before_anything_is_logged(bench: Workbench) -> None:
    bench.configure("gitsign.rekorVersion=2")
    done = bench.try_git("commit", "--allow-empty", "-S", "-m", "x")
    assert done.returncode != 0
    assert b"gitsign.timestampServerURL" in done.stderr


def test_rekor_v1_with_a_timestamp_has_two_times(bench: Workbench) -> None:
    bench.configure(timestamps(bench), "gitsign.requireTimestamp=true")
    bench.commit()
    found = judged(bench, "--offline", "HEAD")
    assert {time["source"] for time in found["times"]} == {"log", "timestamp"}  # type: ignore[attr-defined]
    bench.git("verify-commit", "HEAD")


def test_a_required_timestamp_that_is_missing_is_refused(bench: Workbench) -> None:
    bench.commit()
    bench.configure("gitsign.requireTimestamp=true")
    done = bench.verify("HEAD")
    assert (done.returncode, b"timestamp-required" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("variable", "file", "reason"),
    [
        ("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub", b"log-unknown"),
        ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "ctlog.pub", b"sct-log-unknown"),
        ("SIGSTORE_ROOT_FILE", "fulcio-chain.pem", b"certificate-"),
    ],
)
def test_a_pem_variable_replaces_its_part_of_the_trust_root(
    bench: Workbench, variable: str, file: str, reason: bytes
) -> None:
    bench.commit()
    bench.env.pop("GITSIGN_FULCIO_ROOT", None)
    with running_stack(bench.folder / "second") as second:
        bench.env[variable] = str(second.directory / file)
        done = bench.verify("--offline", "HEAD")
    assert done.returncode == 3
    assert reason in done.stdout


def test_a_signing_config_chooses_the_services(bench: Workbench) -> None:
    """The newest API version wins: Rekor v2, with the timestamp server beside it."""
    for name in list(bench.env):
        if name.endswith(("_URL", "_ISSUER")) and name.startswith(("GITSIGN_", "SIGSTORE_")):
            del bench.env[name]
    bench.env["GITSIGN_SIGNING_CONFIG"] = str(bench.stack.directory / "signing_config.json")
    bench.commit()
    assert judged(bench, "--offline", "HEAD")["log"]["version"] == "0.0.2"  # type: ignore[index]
    bench.configure("gitsign.rekorVersion=1")
    bench.commit()
    assert judged(bench, "--offline", "HEAD")["log"]["version"] == "0.0.1"  # type: ignore[index]


@pytest.mark.parametrize("what", ["ca", "rekor", "rekor2", "ctlog", "tsa"])
def test_clients_carry_on_after_a_key_was_rotated(tmp_path: Path, what: str) -> None:
    with running_stack(tmp_path / "stack") as stack:
        bench = Workbench(tmp_path / "bench", stack)
        bench.init()
        bench.configure(timestamps(bench), f"gitsign.rekorVersion={2 if what == 'rekor2' else 1}")
        bench.commit("before")
        done = bench.tool("stack", "rotate", what, "--dir", str(stack.directory), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        bench.commit("after")
        verified = bench.verify("--offline", "HEAD~1", "HEAD")
        assert verified.returncode == 0, verified.stdout
