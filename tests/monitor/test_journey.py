"""One journey through ``log`` and ``monitor`` with the real program, the real git and the local stack."""

import json
from pathlib import Path

import pytest

from gitsign_py.core.tlog.prooffile import format_proof_file, parse_proof_file
from tests.support.workbench import EMAIL, Workbench


def ask(bench: Workbench, *arguments: str, status: int = 0) -> str:
    done = bench.tool(*arguments)
    assert done.returncode == status, (arguments, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done.stdout.decode() + done.stderr.decode()


def last(bench: Workbench, log: str) -> int:
    """The size of the open tree."""
    return int(json.loads(ask(bench, "log", "info", "--json", "--log", log))["trees"][-1]["size"])


@pytest.mark.parametrize(("log", "mode"), [("rekor1", "offline"), ("rekor1", "online"), ("rekor2", "offline")])
def test_a_commit_is_searched_shown_and_proven(bench: Workbench, log: str, mode: str) -> None:
    bench.configure(f"gitsign.rekorMode={mode}", f"gitsign.rekorVersion={log[-1]}")
    bench.configure(f"gitsign.timestampServerURL={bench.stack.url}/api/v1/timestamp")
    oid = bench.commit("first")
    place = ("--log", log, "--json")
    (found,) = (
        json.loads(line)
        for line in ask(bench, "log", "search", "--commit", "HEAD", *place).splitlines()
        if line.startswith("{")
    )
    assert found["signers"][0]["identity"] == EMAIL
    shown = json.loads(ask(bench, "log", "get", str(found["log_index"]), *place))
    assert shown["leaf_hash"] == found["leaf_hash"]
    assert {step["outcome"] for step in shown["steps"]} <= {"passed", "skipped"}
    assert {"2.1", "2.3", "3.2", "4.3"} <= {step["number"] for step in shown["steps"]}
    proof = bench.repo / f"{oid}.tlog-proof"
    ask(bench, "log", "prove", "HEAD", "--log", log)
    quiet = ("verify", *bench.who, "-q", "--proof", str(proof))
    assert EMAIL in ask(bench, *quiet, "HEAD")
    spoil(proof)
    assert "HEAD" not in ask(bench, *quiet, "HEAD", status=1 if mode == "offline" else 3)


def test_trees_are_compared_by_size_and_by_file(bench: Workbench, tmp_path: Path) -> None:
    bench.commit("one")
    (tree,) = json.loads(ask(bench, "log", "info", "--json"))["trees"][-1:]
    (tmp_path / "old").write_text(tree["checkpoint"])
    bench.commit("two")
    assert "is the beginning of" in ask(bench, "log", "consistency", str(tmp_path / "old"))
    assert "is the beginning of" in ask(bench, "log", "consistency", "1", str(tree["size"]), "--log", "rekor1")
    size = last(bench, "ct")
    assert json.loads(ask(bench, "log", "consistency", "0", str(size), "--log", "ct", "--json"))["old"]["size"] == 0
    assert "log-sizes-order" in ask(bench, "log", "consistency", "2", "1", status=2)
    assert "log-entry-absent" in ask(bench, "log", "get", "99999999", status=3)
    assert "certificate" in ask(bench, "log", "get", str(size - 1), "--log", "ct")


def test_a_person_is_watched(bench: Workbench, tmp_path: Path) -> None:
    """First nothing is known, then a commit is a hit in the signature log and in the CT log, then all is quiet."""
    state, journal = tmp_path / "state" / "m.sqlite", tmp_path / "found.ndjson"
    watch = ("monitor", "--state", str(state), "--identity", EMAIL, "--fail-on-match")
    outputs = ("--ndjson", str(journal), "--prometheus", str(tmp_path / "m.prom"), "--sarif", str(tmp_path / "m.sarif"))
    ask(bench, *watch)
    oid = bench.commit("watched")
    told = ask(bench, *watch, *outputs, "--json", "--exec", f"cat >> {tmp_path / 'told'}", status=2)
    found = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert [one["kind"] for one in found] == ["watch-hit", "watch-hit"]
    assert {one["facts"]["kind"] for one in found} == {"hashedrekord", "certificate"}
    assert all(one["facts"]["identity"] == EMAIL for one in found)
    digest = json.loads(ask(bench, "log", "search", "--commit", oid, "--json"))["digest"]
    assert digest in {one["facts"]["digest"] for one in found}
    assert [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()] == found
    assert len(journal.read_text().splitlines()) == 2
    assert 'findings{kind="watch-hit",severity="hit"} 2' in (tmp_path / "m.prom").read_text()
    assert len(json.loads((tmp_path / "m.sarif").read_text())["runs"][0]["results"]) == 2
    assert "HIT" not in ask(bench, *watch, *outputs)
    assert len(journal.read_text().splitlines()) == 2
    assert ask(bench, "monitor", "findings", "--state", str(state)).count("HIT watch-hit") == 2
    assert "monitor-exec-failed" not in ask(bench, "monitor", "unit", "--identity", EMAIL)


def test_a_command_that_fails_is_asked_again(bench: Workbench, tmp_path: Path) -> None:
    watch = ("monitor", "--state", str(tmp_path / "state" / "m"), "--identity", EMAIL, "--log", "rekor1")
    ask(bench, *watch)
    bench.commit("again")
    assert "monitor-exec-failed" in ask(bench, *watch, "--exec", "exit 1", status=2)
    assert ask(bench, *watch, "--exec", "cat").count("watch-hit") > 0
    assert "watch-hit" not in ask(bench, *watch, "--exec", "cat")


def test_a_log_that_does_not_answer_is_unchecked(bench: Workbench, tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state" / "m"))
    assert "could not be checked" in ask(bench, "monitor", *state, "--log", "rekor1=http://127.0.0.1:1", status=3)


def spoil(proof: Path) -> None:
    """Move the entry to another place."""
    found = parse_proof_file(proof.read_bytes())
    changed = type(found)(found.index ^ 1, found.hashes, found.checkpoint, found.extra)
    proof.write_bytes(format_proof_file(changed))
