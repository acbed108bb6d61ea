"""Servers that are down, slow, broken or lying: no commit, one clear line, nothing left behind (through real git)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.badserver import BadServer, drop, forward, huge, raw, reply, slow
from tests.support.stack import RunningStack, running_stack
from tests.support.workbench import Workbench

NOWHERE = "http://127.0.0.1:9"


def refused(bench: Workbench, **env: Any) -> str:
    """Try to commit; gives what was said. No commit is made, nothing is left in the repository."""
    before = sorted(path for path in bench.repo.rglob("*") if path.is_file())
    done = bench.try_git("commit", "-q", "--allow-empty", "-S", "-m", "x", **env)
    assert done.returncode != 0
    assert bench.try_git("rev-parse", "--verify", "-q", "HEAD").returncode != 0
    left = {path.name for path in bench.repo.rglob("*") if path.is_file() and path not in before}
    assert not {name for name in left if len(name) not in (38, 62)} - {"COMMIT_EDITMSG", "index"}
    said = done.stderr.decode()
    lines = [line for line in said.splitlines() if line.startswith("gitsign-py: ")]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return lines[0]


@pytest.mark.parametrize("variable", ["GITSIGN_FULCIO_URL", "GITSIGN_REKOR_URL"])
def test_a_server_that_is_down(bench: Workbench, variable: str) -> None:
    line = refused(bench, **{variable: NOWHERE})
    assert NOWHERE in line
    assert "service-unreachable" in line


@pytest.mark.parametrize("variable", ["GITSIGN_FULCIO_URL", "GITSIGN_REKOR_URL"])
def test_a_slow_server_is_given_up_after_the_timeout(bench: Workbench, variable: str) -> None:
    with BadServer([slow(30), slow(30)]) as server:
        started = time.monotonic()
        line = refused(bench, **{variable: server.url, "GITSIGN_TIMEOUT": "1"})
        assert time.monotonic() - started < 15
    assert "service-timeout" in line


@pytest.mark.parametrize(("variable", "name"), [("GITSIGN_FULCIO_URL", "fulcio"), ("GITSIGN_REKOR_URL", "rekor")])
def test_one_error_of_the_server_is_forgiven(bench: Workbench, variable: str, name: str) -> None:
    with BadServer([reply(503, {"message": "busy"}), forward(bench.stack.url), forward(bench.stack.url)]) as server:
        env: dict[str, Any] = {variable: server.url}
        bench.commit(name, **env)
        assert len(server.requests) >= 2
    assert bench.verify("HEAD").returncode == 0


@pytest.mark.parametrize("variable", ["GITSIGN_FULCIO_URL", "GITSIGN_REKOR_URL"])
@pytest.mark.parametrize(
    "answer",
    [reply(500, {"message": "no"}), reply(200, b"garbage"), reply(201, b"{}"), drop(), raw(b"nonsense\r\n\r\n"),
     huge(6 << 20), reply(201, b"[" * 100000)],
    ids=["500", "garbage", "empty", "dropped", "nonsense", "huge", "deep"],
)  # fmt: skip
def test_answers_that_cannot_be_used(bench: Workbench, variable: str, answer: object) -> None:
    with BadServer([answer] * 4) as server:  # type: ignore[list-item]
        line = refused(bench, **{variable: server.url, "GITSIGN_TIMEOUT": "5"})
    assert "[" in line


def test_somebody_elses_entry_is_refused(bench: Workbench) -> None:
    other = Workbench(bench.folder / "other", bench.stack)
    other.folder.mkdir(exist_ok=True)
    other.init()
    other.commit()
    answer = bench.stack.get("/api/v1/log/entries?logIndex=0")
    assert answer.status == 200
    with BadServer([reply(201, json.loads(answer.body))] * 3) as server:
        line = refused(bench, GITSIGN_REKOR_URL=server.url)
    assert "service-answer-foreign" in line


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that misbehaves when it is told to."""
    with running_stack(tmp_path_factory.mktemp("broken"), "--fault-control") as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("rekor:wrong-proof", "inclusion"),
        ("rekor:wrong-root", ""),
        ("rekor:garbage", ""),
        ("rekor:others-entry", ""),
        ("fulcio:no-sct", "SCT"),
        ("fulcio:wrong-sct", "SCT"),
        ("fulcio:expired-certificate", ""),
        ("rekor:5xx=5", ""),
        ("fulcio:drop", ""),
    ],
)
def test_faults_of_the_local_stack_are_refused(tmp_path: Path, broken: RunningStack, fault: str, words: str) -> None:
    bench = Workbench(tmp_path, broken)
    bench.init()
    bench.commit("before")
    assert broken.post("/faults", {"faults": [fault]}).status == 200
    try:
        done = bench.try_git("commit", "-q", "--allow-empty", "-S", "-m", "x", GITSIGN_TIMEOUT="3")
    finally:
        broken.post("/faults", {"faults": []})
    assert done.returncode != 0, fault
    assert words in done.stderr.decode()
    assert bench.git("rev-list", "--count", "HEAD") == "1"
    bench.commit("after")
    assert bench.verify("HEAD").returncode == 0
