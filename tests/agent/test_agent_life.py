"""When an agent begins and ends: by itself, by a signal, in the middle of work, and what a client makes of it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.background import clean_environment
from gitsign_py.agent.client import should_start
from gitsign_py.agent.lifecycle import ensure_running
from gitsign_py.errors import GitsignError
from tests.support import warm
from tests.support.home import Home
from tests.support.processes import ending
from tests.support.waiting import wait_until

SOONER = {"agent__client__SILENCE_SECONDS": 0.5, "agent__client__ASK_SECONDS": 0.3}
"""How long clients wait for an agent that hangs, in the programs of a test."""


def test_an_agent_that_is_killed_costs_no_commit(home: Home) -> None:
    home.person_signs_in()
    home.commit("one")
    os.kill(home.pid(), signal.SIGKILL)
    assert home.socket.exists()
    home.commit("two")  # starts another one, which needs another sign-in
    assert len(home.sign_ins) == 2
    assert [verdict for verdict, _ in home.signers()] == ["U", "U"]


@pytest.mark.parametrize(
    "moment", [0.0, *(pytest.param(later, marks=pytest.mark.unmeasured) for later in (0.02, 0.05, 0.1, 0.2, 0.4))]
)
def test_a_kill_in_the_middle_leaves_no_half_signed_commit(home: Home, moment: float) -> None:
    home.person_signs_in()
    home.commit("one")
    pid = home.pid()
    with ending(subprocess.Popen(
        ["git", "commit", "-q", "--allow-empty", "-S", "-m", "two"],
        cwd=home.repository, env=home.variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )) as process:  # fmt: skip
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert [verdict for verdict, _ in home.signers()] == ["U", "U"]


def test_a_hanging_agent_is_given_up_and_the_client_signs(home: Home) -> None:
    home.commit("warm up", CI="true")
    home.gitsign("agent", "start")
    pid = home.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        home.commit("one", **warm.constants(**SOONER))
        assert time.monotonic() - started < 30
    finally:
        os.kill(pid, signal.SIGCONT)
    assert home.signers("-1")[0][0] == "U"


def test_the_agent_ends_by_itself(home: Home) -> None:
    """Also where the descriptor to say ready on has a high number."""
    reader, low = os.pipe()
    writer = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(low)
    with ending(subprocess.Popen(
        [home.program, "agent", "run", "--idle", "1", "--ready-fd", str(writer)],
        env=home.variables, cwd="/", pass_fds=(writer,),
    )) as process:  # fmt: skip
        os.close(writer)
        assert os.read(reader, 100) == b"ready\n"
        os.close(reader)
        assert process.wait(60) == 0
    assert not home.socket.exists()


def test_a_second_one_does_not_run_beside_it(home: Home) -> None:
    home.gitsign("agent", "start")
    second = home.run(home.program, "agent", "run")
    assert second.returncode == 2
    assert "listens at" in second.stderr
    assert home.pid()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(home: Home, number: signal.Signals) -> None:
    home.gitsign("agent", "start")
    os.kill(home.pid(), number)
    wait_until(lambda: not home.socket.exists())
    assert client.ask(str(home.socket), "ping") is None


def test_start_stop_and_their_answers(home: Home) -> None:
    done = home.run(home.program, "agent", "status")
    assert done.returncode == 3
    assert "gitsign-py agent start" in done.stderr
    assert str(home.socket) in home.gitsign("agent", "start")
    pid = home.pid()
    home.gitsign("agent", "start")
    assert home.pid() == pid
    assert "core dumps off" in home.gitsign("agent", "status")
    assert home.gitsign("agent", "log") == "Nothing was signed yet.\n"
    assert json.loads(home.gitsign("agent", "lock", "--json")) == {"dropped": 0}
    assert json.loads(home.gitsign("agent", "stop", "--json")) == {"stopped": True}
    assert "no agent" in home.gitsign("agent", "stop")


@pytest.mark.usefixtures("warm_agents")
def test_twenty_starts_at_once_are_one_agent(home: Home) -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(ensure_running(str(home.socket), home.variables)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 20
    found = home.run("pgrep", "-fc", f"agent run --socket {home.socket}").stdout
    assert found == "1\n"


def test_an_agent_that_cannot_start_says_why_and_signing_goes_on(home: Home) -> None:
    home.socket.parent.mkdir(mode=0o700)
    home.socket.write_text("somebody's notes")
    done = home.run(home.program, "agent", "start")
    assert done.returncode == 3
    assert "belongs to another program" in done.stderr
    home.person_signs_in()
    home.commit("one")
    assert home.socket.read_text() == "somebody's notes"
    home.socket.unlink()


@pytest.mark.usefixtures("warm_agents")
def test_the_go_clients_cache_is_no_agent_of_ours(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """gitsign-credential-cache speaks Go's net/rpc on the socket that GITSIGN_CREDENTIAL_CACHE names."""
    path = home.directory / "cache.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        sooner = warm.constants(**SOONER)
        home.commit("one", **sooner, GITSIGN_CREDENTIAL_CACHE=str(path))
        monkeypatch.setattr(client, "ASK_SECONDS", SOONER["agent__client__ASK_SECONDS"])
        with pytest.raises(GitsignError, match="another program"):
            ensure_running(str(path), home.variables | sooner)
    assert home.signers()[0][0] == "U"


@pytest.mark.parametrize(
    ("mode", "variables", "expected"),
    [("auto", {}, True), ("auto", {"CI": "true"}, False), ("on", {"CI": "true"}, True), ("off", {}, False)],
)
def test_when_an_agent_is_started(mode: str, variables: dict[str, str], expected: bool) -> None:
    assert should_start(mode, variables) == expected


def test_what_belongs_to_one_job_is_not_handed_on() -> None:
    variables = {
        "GIT_DIR": "x", "SIGSTORE_ID_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "GITSIGN_TOKEN_FILE": "f",
        "LISTEN_FDS": "1", "HOME": "/h", "GITSIGN_REKOR_URL": "u",
    }  # fmt: skip
    assert clean_environment(variables) == {"HOME": "/h", "GITSIGN_REKOR_URL": "u"}
