"""Strangers at either end of the socket: they are not heard, not believed, and learn nothing."""

import contextlib
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from gitsign_py.agent import client
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.protocol import pack_frame
from tests.support.agentserver import echo, serving
from tests.support.processes import ending


def test_loopback_with_a_secret_where_there_are_no_unix_sockets(path: Path) -> None:
    with serving(path, loopback=True, ping=echo):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert client.ask(str(path), "ping", payload=b"1") == {"status": b"ok", "payload": b"1"}
        port, _ = path.read_bytes().split()
        path.write_bytes(port + b" " + b"0" * 64)
        assert client.ask(str(path), "ping") is None  # a wrong secret gets no word


def test_nobody_is_heard_on_loopback_who_does_not_prove_that_he_knows_the_secret(path: Path) -> None:
    heard: list[Fields] = []

    def hear(request: Fields, _: Conversation) -> Fields:
        heard.append(request)
        return {"status": b"ok"}

    with serving(path, loopback=True, ping=hear):
        port, secret = path.read_bytes().split()
        requests: tuple[Fields, ...] = ({}, {"secret": secret}, {"proof": secret}, {"proof": b""})
        for request in requests:
            for hello in (False, True):
                with socket.create_connection(("127.0.0.1", int(port))) as stranger:
                    if hello:
                        client.send(stranger, {"request": b"hello", "nonce": b"n"})
                        assert client.receive(stranger)["proof"]
                    client.send(stranger, {"request": b"ping", **request})
                    stranger.settimeout(60)
                    with contextlib.suppress(ConnectionResetError):
                        assert stranger.recv(100) == b""
        assert heard == []
        assert client.ask(str(path), "ping") == {"status": b"ok"}
        assert len(heard) == 1


def test_whoever_took_the_port_of_a_dead_agent_is_not_believed_and_learns_nothing(path: Path) -> None:
    """A verdict or a signature from there would be somebody else's."""
    said = b""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        secret = b"5" * 64
        path.write_bytes(b"%d %s\n" % (stranger.getsockname()[1], secret))
        path.chmod(0o600)

        def lie() -> None:
            nonlocal said
            connection, _ = stranger.accept()
            with connection:
                said += connection.recv(1 << 16)
                connection.sendall(pack_frame({"proof": b"0" * 32, "nonce": b"n", "status": b"ok"}))
                with contextlib.suppress(OSError):  # it may have hung up on us by then
                    connection.sendall(pack_frame({"status": b"ok", "status_lines": b"[GNUPG:] GOODSIG 0 mallory"}))
                    said += connection.recv(1 << 16)

        thread = threading.Thread(target=lie)
        thread.start()
        reply = client.try_verify(str(path), {"payload": b"p", "signature": b"s"})
        thread.join(10)
    assert reply is None
    assert b"hello" in said
    assert b"payload" not in said
    assert secret not in said


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("opened_up", [False, True])
def test_another_user_cannot_reach_the_socket(path: Path, opened_up: bool) -> None:
    """By the directory and by the file's mode; and with both opened up by mistake, by the peer's credentials."""
    nobody = pwd.getpwnam("nobody")
    program = (
        "import os, socket, sys\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(60)\n"
        "try:\n    s.connect(sys.argv[1])\nexcept PermissionError:\n    print('denied')\n    raise SystemExit\n"
        "try:\n    s.sendall(bytes.fromhex(sys.argv[2]))\n    got = s.recv(100)\n"
        "except (BrokenPipeError, ConnectionResetError):\n    got = b''\n"
        "print('answered' if got else 'hung up')\n"
    )
    with serving(path, ping=echo):
        if opened_up:
            for directory in (path.parent, *path.parent.parents):
                if directory == Path(tempfile.gettempdir()):
                    break
                directory.chmod(0o755)
            path.chmod(0o666)
        frame = pack_frame({"request": b"ping"}).hex()
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), frame], capture_output=True, text=True, check=True, cwd="/"
        )
        assert done.stdout == ("hung up\n" if opened_up else "denied\n")
        assert (client.ask(str(path), "ping") is None) == opened_up  # an endpoint that is not closed is passed over


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_a_socket_that_another_user_planted_is_not_talked_to(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    for parent in directory.parents:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    path = directory / "agent.sock"
    program = (
        "import os, socket, sys\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('there', flush=True)\n"
        "c, _ = s.accept(); print(len(c.recv(100)), flush=True)\n"
    )
    with ending(
        subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, cwd="/")
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        assert client.ask(str(path), "ping", payload=b"secret") is None
        assert child.stdout.readline() == "0\n"  # not a byte was said
