"""The thin client: what is no answer, how long it waits, what it tells, and how little it loads."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gitsign_py.agent import client, conversation
from gitsign_py.agent.protocol import pack_fields, pack_frame

ROOT = Path(__file__).resolve().parents[2]


def test_no_agent_no_socket_and_a_foreign_server_are_none(path: Path) -> None:
    assert client.ask(str(path), "ping") is None
    path.write_bytes(b"not a port file")
    assert client.ask(str(path), "ping") is None
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert client.ask(str(path), "ping") is None  # bound, nobody listens
        other.listen()
        threading.Thread(target=_answer_once, args=(other, b"220 hello\r\n"), daemon=True).start()
        assert client.ask(str(path), "ping") is None


def _answer_once(listening: socket.socket, data: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(data)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 20, -1])
def test_an_answer_that_breaks_off_is_no_answer(path: Path, cut: int) -> None:
    whole = pack_frame({"status": b"ok", "signature": b"-----BEGIN SIGNED MESSAGE-----\nabc\n"})
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        threading.Thread(target=_answer_once, args=(other, whole[:cut]), daemon=True).start()
        assert client.try_sign(str(path), {"payload": b"x"}) is None


def test_an_agent_that_says_nothing_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        started = time.monotonic()
        assert client.try_sign(str(path), {"payload": b"x"}) is None
        assert time.monotonic() - started < 30, "a tenth of what an agent may take that says that it works"


def test_an_agent_that_only_ever_waits_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TOTAL_SECONDS", 0.5)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        stream = conversation.WAIT_FRAME

        def wait_for_ever() -> None:
            connection, _ = other.accept()
            with connection, suppress(OSError):
                while True:
                    connection.sendall(stream)
                    time.sleep(0.05)

        threading.Thread(target=wait_for_ever, daemon=True).start()
        started = time.monotonic()
        assert client.try_sign(str(path), {"payload": b"x"}) is None
        assert time.monotonic() - started < 60


def test_the_socket_path_is_found_as_documented(tmp_path: Path) -> None:
    assert client.socket_path({"GITSIGN_CREDENTIAL_CACHE": "/x/cache.sock"}) == "/x/cache.sock"
    assert client.socket_path({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"{tmp_path}/gitsign-py/agent.sock"
    other = client.socket_path({"XDG_RUNTIME_DIR": "/does/not/exist", "HOME": str(tmp_path)})
    assert other == f"{tmp_path}/.cache/gitsign-py/agent.sock"


def test_the_context_carries_git_and_sigstore_variables_and_no_others() -> None:
    environment = {"GIT_DIR": "/r/.git", "SIGSTORE_REKOR_URL": "u", "AWS_SECRET": "s", "HOME": "/h", "EDITOR": "vi"}
    fields = client.context(environment, "/")
    assert fields["directory"] == b"/"
    kept = {"GIT_DIR": b"/r/.git", "SIGSTORE_REKOR_URL": b"u", "HOME": b"/h"}
    assert fields["environment"] == pack_fields(kept)


def test_the_thin_client_loads_next_to_nothing() -> None:
    program = "import sys; before = set(sys.modules); import gitsign_py.agent.client; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    allowed = {"gitsign_py", "gitsign_py.agent", "gitsign_py.agent.client", "gitsign_py.agent.protocol", "_socket"}
    assert set(done.stdout.split()) - {"time", "__editable___gitsign_py_finder"} <= allowed
