"""The agent's sockets: how they are made, whose place they may take, and those that systemd hands over."""

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.agent import client, endpoint
from gitsign_py.errors import ConfigError
from tests.support.agentserver import echo, serving


def test_a_socket_of_mode_0600_in_a_directory_of_mode_0700(path: Path) -> None:
    path = path.parent / "new" / "agent.sock"
    with serving(path, ping=echo):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.with_name("forward.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_only_one_agent_listens_at_a_path(path: Path) -> None:
    with serving(path, ping=echo):
        assert endpoint.open_endpoint(path) is None


def test_what_a_killed_agent_left_is_replaced(path: Path) -> None:
    for name in (path, path.with_name("forward.sock")):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(name))
    with serving(path, ping=echo):
        assert client.ask(str(path), "ping") is not None


@pytest.mark.parametrize("kind", ["living", "file", "directory"])
def test_what_belongs_to_another_program_is_left_alone(path: Path, kind: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        if kind == "living":
            other.bind(str(path))
            other.listen()
        elif kind == "file":
            path.write_text("my notes")
        else:
            path.mkdir()
        with pytest.raises(ConfigError) as caught:
            endpoint.open_endpoint(path)
        assert caught.value.reason == "agent-socket-taken"
        assert path.exists()


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        endpoint.open_endpoint(tmp_path / "agent.sock")
    assert caught.value.reason == "agent-directory-unsafe"
    assert "chmod 700" in caught.value.hint


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        endpoint.open_endpoint(tmp_path / "file" / "agent.sock")
    assert caught.value.reason == "agent-directory-unusable"


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        endpoint.open_endpoint(tmp_path / ("x" * 100) / "agent.sock")
    assert caught.value.reason == "agent-socket-path-too-long"


def test_an_endpoint_notices_that_its_socket_was_removed(path: Path) -> None:
    opened = endpoint.open_endpoint(path)
    assert opened is not None
    assert opened.still_ours()
    path.unlink()
    path.touch()
    assert not opened.still_ours()
    opened.remove()
    assert path.exists()  # that file is somebody else's now
    for listener in opened.listeners:
        listener.socket.close()


def test_a_socket_handed_over_by_systemd_is_used(path: Path) -> None:
    """sd_listen_fds(3): descriptors from 3 on, LISTEN_PID names the process."""
    program = (
        "import os, sys\n"
        "from gitsign_py.agent import endpoint, server\n"
        "os.environ['LISTEN_PID'], os.environ['LISTEN_FDS'] = str(os.getpid()), '2'\n"
        "opened = endpoint.activated_endpoint()\n"
        "assert 'LISTEN_FDS' not in os.environ\n"
        "assert [one.restricted for one in opened.listeners] == [False, True]\n"
        "s = server.AgentServer(opened.listeners, {"
        "'ping': lambda r, c: {'status': b'ok', 'path': str(opened.path).encode()},"
        " 'stop': lambda r, c: (s.stop(), {'status': b'ok'})[1]})\n"
        "s.serve()\n"
        "assert endpoint.activated_endpoint() is None\n"
    )
    first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with first, second:
        for one, name in ((first, path), (second, path.with_name("forward.sock"))):
            one.bind(str(name))
            one.listen()
        child = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\nos.dup2(int(sys.argv[1]), 213); os.dup2(int(sys.argv[2]), 214)\n"
             "os.dup2(213, 3); os.dup2(214, 4); os.set_inheritable(3, True); os.set_inheritable(4, True)\n"
             "os.execv(sys.executable, [sys.executable, '-c', sys.argv[3]])",
             str(first.fileno()), str(second.fileno()), program],
            pass_fds=(first.fileno(), second.fileno()),
        )  # fmt: skip
    try:
        reply = client.ask(str(path), "ping")
        assert reply is not None
        assert reply["path"] == str(path).encode()
        assert client.ask(str(path), "stop") is not None
        assert child.wait(10) == 0
    finally:
        child.kill()


def test_a_descriptor_that_is_no_unix_socket_is_refused() -> None:
    program = (
        "import os, socket\n"
        "from gitsign_py.agent import endpoint\n"
        "from gitsign_py.errors import ConfigError\n"
        "s = socket.socket(); os.dup2(s.fileno(), 3)\n"
        "os.environ['LISTEN_PID'], os.environ['LISTEN_FDS'] = str(os.getpid()), '1'\n"
        "try:\n    endpoint.activated_endpoint()\nexcept ConfigError as error:\n    print(error.reason)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "agent-socket-kind\n"
