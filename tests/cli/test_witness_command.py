"""``monitor --witness``: what it says of a wrong call, and of a log that contradicted itself."""

import json
from pathlib import Path

import pytest

from gitsign_py.core.tlog.vkey import parse_vkey
from gitsign_py.localstack.witness.identity import RECORD
from gitsign_py.localstack.witness.record import Record, Seen
from tests.support.gitrepo import environment
from tests.support.inprocess import Said, run_here
from tests.support.witnesskit import LOG, NOW, ORIGIN, A


def witness(folder: Path, *arguments: str) -> Said:
    return run_here(
        folder, environment(HOME=str(folder)), "monitor", "--witness", "--dir", str(folder / "w"), *arguments
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert witness(tmp_path, "init", "--name", "w.example").status == 0
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("init",), "witness-name-invalid"),
        (("init", "--name", "a b"), "witness-name-invalid"),
        (("init", "--name", "other.example"), "witness-exists"),
        (("findings",), "monitor-action"),
        (("--listen", "8080"), "witness-listen-invalid"),
        (("--listen", "127.0.0.1:99999"), "witness-listen-invalid"),
        (("--listen", "0.0.0.0:0"), "witness-listen-invalid"),
        (("--url", "ftp://witness.example.com"), "stack-url-invalid"),
        (("--logs", "none"), "witness-logs-missing"),
        (("--logs", "nowhere"), "witness-policy-unreadable"),
    ],
)
def test_a_wrong_call_is_usage_and_names_the_reason(made: Path, arguments: tuple[str, ...], reason: str) -> None:
    (made / "none").write_text(f"{A.line}\nquorum a\n")
    said = witness(made, *arguments)
    assert (said.status, said.err.strip().endswith(f"[{reason}]")) == (2, True), said.err
    assert said.err.count("\n") == 1


def test_without_a_witness_there_is_none_to_serve_or_look_at(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text(f"log {LOG}\nquorum none\n")
    for arguments in (("status",), ("--logs", "logs", "--listen", "127.0.0.1:0")):
        said = witness(tmp_path, *arguments)
        assert (said.status, "[witness-missing]" in said.err) == (2, True), said.err
    assert run_here(tmp_path, environment(HOME=str(tmp_path)), "monitor", "status").status == 2


def test_the_name_is_told_as_a_line_for_policies(made: Path) -> None:
    (line,) = witness(made, "status").lines
    word, name, key = line.split(" ")
    assert (word, name, parse_vkey(key).name) == ("witness", "w.example", "w.example")


def test_a_log_that_contradicted_itself_is_an_alarm(made: Path) -> None:
    one, other = (Seen(ORIGIN, 5, bytes([number]) * 32, NOW, b"signed %d\x1b[2J" % number) for number in (1, 2))
    with Record(made / "w" / RECORD) as record:
        with record.turn():
            record.write(one)
        assert record.contradicted(other, one)
    said = witness(made, "status")
    assert said.status == 1
    assert said.lines[1] == f"{ORIGIN}: 5 entries, {'01' * 32}, cosigned 2027-01-15T08:00:00Z"
    assert said.lines[2].startswith(f"ALARM log-forked {ORIGIN}: two trees of 5 entries")
    told = json.loads(witness(made, "status", "--json").out)
    assert [(found["root"], found["beside"]) for found in told["contradictions"]] == [("02" * 32, "signed 1\x1b[2J")]
    assert told["logs"][0]["size"] == 5
