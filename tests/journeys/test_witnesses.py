"""A team's log with two witnesses: a commit is cosigned and verified, and nothing is signed that they did not see."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gitsign_py.localstack.stack import Stack
from tests.support.schemas import SCHEMAS
from tests.support.stack import ROOT, running_stack
from tests.support.witnesskit import C
from tests.support.workbench import EMAIL, Workbench

OURS = [sys.executable, "-m", "gitsign_py", "monitor", "--witness"]
TEAM = """\
version = 1
administrators = ["alice"]
times = ["witness"]

[people.alice]
identities = [{ subject = "alice@example.com", issuer = "ISSUER" }]
emails = ["alice@example.com"]

[[rules]]
name = "all"
refs = ["refs/heads/*"]
allow = ["alice"]
"""


@contextmanager
def witness(folder: Path, trusted_root: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A witness in a process of its own; its line for a policy."""
    made = [*OURS, "init", "--dir", str(folder), "--name", f"{folder.name}.example"]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True, timeout=60)
    command = [*OURS, "--dir", str(folder), "--listen", "127.0.0.1:0", "--trusted-root", str(trusted_root)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield re.sub(r"^witness \S+ ", f"witness {folder.name} ", child.stdout.readline()), child
    finally:
        child.terminate()
        child.wait(20)
        assert child.stdout is not None
        child.stdout.close()


def make_log(directory: Path) -> Path:
    """The log's key is there before its witnesses are told of it."""
    stack = Stack(directory, 0)
    stack.close()
    return directory / "trusted_root.json"


@pytest.mark.unmeasured
def test_a_commit_is_witnessed_from_signing_to_audit(tmp_path: Path) -> None:
    root = make_log(tmp_path / "stack")
    asked = tmp_path / "witnesses.policy"
    with witness(tmp_path / "a", root) as (line_a, _), witness(tmp_path / "b", root) as (line_b, child_b):
        asked.write_text(f"{line_a}{line_b}group both all a b\nquorum both\n")
        with running_stack(tmp_path / "stack", "--witness-policy", str(asked)) as stack:
            bench = Workbench(tmp_path / "person", stack)
            bench.init()
            bench.configure("gitsign.rekorVersion=2", f"gitsign.witnessPolicy={asked}")
            oid = bench.commit("seen by two")
            check_verified(bench)
            check_other_policies(bench, asked, tmp_path)
            check_log(bench, tmp_path)
            child_b.terminate()
            child_b.wait(20)
            done = bench.try_git("commit", "-q", "--allow-empty", "-S", "-m", "seen by one")
            assert done.returncode != 0
            assert b"cosigned by a" in done.stderr
            assert bench.git("rev-parse", "HEAD") == oid
            check_verified(bench)
    status = [*OURS, "status", "--dir", str(tmp_path / "b")]
    told = subprocess.run(status, cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert b"rekor2.local: 1 entries" in told.stdout


def check_verified(bench: Workbench) -> None:
    """The witnesses alone prove the time: there is no timestamp, and Rekor v2 states none."""
    done = bench.verify("--json", "--offline", "HEAD")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    Draft202012Validator(json.loads((SCHEMAS / "verify.json").read_bytes())).validate(told)
    (found,) = told if isinstance(told, list) else (told,)
    assert [(one["source"], one["authority"]) for one in found["times"]] == [("witness", "a, b")]
    (step,) = (step for step in found["steps"] if step["number"] == "4.4")
    assert (step["outcome"], step["facts"]["witnesses"], step["facts"]["quorum"]) == ("passed", "a, b", "both")


def check_other_policies(bench: Workbench, asked: Path, folder: Path) -> None:
    """Another witness, another log, a file that is none; and the repository's own word is told as such."""
    lines = asked.read_text().splitlines()[:2]
    for name, more, status, reason in (
        ("third", [C.line, "quorum c"], 1, b"witness-quorum-missing"),
        ("log", [f"log {C.key}", "quorum a"], 2, b"witness-policy-key"),
        ("cut", ["quorum", ""], 2, b"witness-policy-malformed"),
    ):
        other = folder / name
        other.write_text("\n".join([*lines, *more]) + "\n")
        done = bench.verify("HEAD", GITSIGN_WITNESS_POLICY=str(other))
        assert (done.returncode, reason in done.stdout + done.stderr) == (status, True), done.stderr
    done = bench.verify("HEAD", GITSIGN_WITNESS_POLICY="")
    assert b"time-unproven" in done.stdout + done.stderr
    bench.git("config", "gitsign.witnessPolicy", str(folder / "third"))
    done = bench.verify("HEAD")
    assert done.returncode == 1
    assert b"gitsign.witnessPolicy" in done.stderr
    assert bench.verify("--isolated", "HEAD").returncode == 0
    bench.git("config", "--unset", "gitsign.witnessPolicy")
    (folder / "team.toml").write_text(TEAM.replace("ISSUER", bench.stack.url))
    audit = ("audit", "--policy", str(folder / "team.toml"), "--all", "--offline")
    done = bench.tool(*audit)
    assert done.returncode == 0, done.stdout + done.stderr
    done = bench.tool(*audit, GITSIGN_WITNESS_POLICY=str(folder / "third"))
    assert done.returncode == 1, done.stdout + done.stderr


def check_log(bench: Workbench, folder: Path) -> None:
    """``log info`` says who cosigned; the monitor finds a head that its policy refuses."""
    done = bench.tool("log", "info")
    assert done.returncode == 0, done.stderr
    assert re.search(rb"cosigned   a 20\S+Z, b 20\S+Z", done.stdout)
    third = ("--witness-policy", str(folder / "third"))
    assert b"witnesses  FAILED" in bench.tool("log", "info", *third).stdout
    state = ("monitor", "--log", "rekor2", "--state", str(folder / "m" / "state"))
    assert bench.tool(*state).returncode == 0
    done = bench.tool(*state, *third)
    assert done.returncode == 1
    assert b"ALARM checkpoint-unwitnessed rekor2.local" in done.stdout
    assert EMAIL in bench.tool("log", "get", "0").stdout.decode()
