"""The agent started by the sockets that systemd opened for it: systemd's own program for trying that out."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitsign_py.agent import client
from tests.support.home import Home
from tests.support.processes import ending
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not installed (apt: systemd)"
)


@contextmanager
def activated(home: Home, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The units' sockets; the agent gets HOME and the like, and nothing of git's or ours, as from systemd."""
    home.socket.parent.mkdir(mode=0o700)
    sockets = [f"--listen={home.socket}", f"--listen={home.socket.with_name('forward.sock')}"]
    names = ("PATH", "PYTHONPATH", *client.PLACES, *client.NETWORK)
    passed = [f"--setenv={name}" for name in names if name in home.variables]
    with ending(subprocess.Popen(
        ["systemd-socket-activate", *sockets, *passed, home.program, "agent", "run", *options],
        env=home.variables, cwd="/", stderr=subprocess.DEVNULL,
    )) as process:  # fmt: skip
        wait_until(lambda: all(Path(one.removeprefix("--listen=")).is_socket() for one in sockets))
        try:
            yield process
        finally:
            process.terminate()


def test_the_first_signature_starts_it(home: Home) -> None:
    with activated(home) as process:
        home.commit("one")
        assert home.pid() == process.pid, "the agent took the place of the listener"
        assert home.status()["held"][0]["signatures"] == 1
        assert home.run(home.program, "agent", "start").returncode == 0
        assert home.pid() == process.pid
        home.gitsign("agent", "stop")
        assert process.wait(20) == 0
    assert home.signers()[0][0] == "U"
    assert home.socket.exists(), "the socket is systemd's, who starts the agent again"


def test_its_forwarding_socket_is_restricted(home: Home) -> None:
    with activated(home):
        home.commit("one")
        forward = str(home.socket.with_name("forward.sock"))
        assert client.ask(forward, "ping") is not None
        reply = client.ask(forward, "status")
        assert reply is not None
        assert reply["reason"] == b"agent-request-unknown"
        assert [one["forwarded"] for one in json.loads(home.gitsign("agent", "log", "--json"))] == [False]


def test_it_ends_when_idle_and_leaves_the_sockets(home: Home) -> None:
    with activated(home, "--idle", "1") as process:
        assert client.converse(str(home.socket), {"request": b"ping"}, silence=20) is not None
        assert process.wait(20) == 0
        with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(str(home.socket))
