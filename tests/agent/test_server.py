"""The agent's front desk and the thin client over real sockets: limits, silence, refusals, strangers."""

import contextlib
import os
import pwd
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gitsign_py.agent import client, conversation, endpoint
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.protocol import FRAME_LIMIT, MAGIC, pack_fields, pack_frame
from gitsign_py.agent.server import AgentServer, Handler
from gitsign_py.errors import ConfigError, VerificationError

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(path: Path, *, loopback: bool = False, **handlers: Handler) -> Iterator[AgentServer]:
    opened = endpoint.open_endpoint(path, loopback=loopback)
    assert opened is not None
    server = AgentServer(opened.listeners, handlers)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        opened.remove()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory / "agent.sock"


def echo(request: Fields, _: Conversation) -> Fields:
    return {"status": b"ok", "payload": request.get("payload", b"")}


def test_a_request_is_answered(path: Path) -> None:
    with serving(path, ping=echo):
        assert client.ask(str(path), "ping", payload=b"hello") == {"status": b"ok", "payload": b"hello"}


def test_a_megabyte_goes_both_ways(path: Path) -> None:
    with serving(path, sign=echo):
        reply = client.try_sign(str(path), {"payload": b"x" * 5_000_000})
        assert reply is not None
        assert len(reply["payload"]) == 5_000_000


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
                    stranger.settimeout(5)
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


def test_a_socket_of_mode_0600_in_a_directory_of_mode_0700(path: Path) -> None:
    path = path.parent / "new" / "agent.sock"
    with serving(path, ping=echo):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.with_name("forward.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


def test_the_forwarding_socket_takes_pings_and_signatures_alone(path: Path) -> None:
    with serving(path, ping=echo, sign=echo, stop=echo, status=echo):
        forward = str(path.with_name("forward.sock"))
        assert client.ask(forward, "ping", payload=b"1") == {"status": b"ok", "payload": b"1"}
        assert client.try_sign(forward, {"payload": b"2"}) == {"status": b"ok", "payload": b"2"}
        for name in ("stop", "status", "log", "lock", "verify", "warm"):
            reply = client.ask(forward, name)
            assert reply is not None
            assert reply["reason"] == b"agent-request-unknown"


def test_an_error_arrives_as_what_it_is(path: Path) -> None:
    def fail(_: Fields, __: Conversation) -> Fields:
        raise VerificationError("token-expired", "too old", step="7.1", hint="get a new one", facts={"n": 1})

    with serving(path, sign=fail):
        reply = client.try_sign(str(path), {"payload": b""})
    assert reply == {
        "status": b"error",
        "kind": b"VerificationError",
        "reason": b"token-expired",
        "message": b"too old",
        "hint": b"get a new one",
        "facts": b'{"n": 1}',
        "step": b"7.1",
    }


def test_a_broken_handler_is_an_error_and_the_agent_goes_on(path: Path) -> None:
    def fail(_: Fields, __: Conversation) -> Fields:
        raise ZeroDivisionError("oops")

    with serving(path, sign=fail, ping=echo):
        reply = client.try_sign(str(path), {"payload": b""})
        assert reply is not None
        assert reply["reason"] == b"agent-internal"
        assert client.ask(str(path), "ping") is not None


def test_a_slow_answer_is_waited_for_since_the_agent_says_that_it_works(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 1.6)

    def slow(_: Fields, __: Conversation) -> Fields:
        time.sleep(2.6)
        return {"status": b"ok"}

    with serving(path, sign=slow):
        assert client.try_sign(str(path), {"payload": b""}) == {"status": b"ok"}


def test_the_agent_asks_back_and_waits_for_the_answer(path: Path) -> None:
    def curious(_: Fields, talk: Conversation) -> Fields:
        first, second = talk.need(5, what=b"token"), talk.need(5, what=b"consent")
        assert first is not None
        assert second is not None
        return {"status": b"ok", "got": first["token"] + second["consent"]}

    answers = {b"token": {"token": b"T"}, b"consent": {"consent": b"C"}}
    with serving(path, sign=curious):
        reply = client.try_sign(str(path), {"payload": b""}, answer=lambda need: answers[need["what"]])
    assert reply == {"status": b"ok", "got": b"TC"}


def test_a_client_that_gives_up_ends_the_question(path: Path) -> None:
    got: list[Fields | None] = []

    def curious(_: Fields, talk: Conversation) -> Fields:
        got.append(talk.need(5, what=b"token"))
        return {"status": b"ok"}

    with serving(path, sign=curious):
        reply = client.try_sign(str(path), {"payload": b""}, answer=lambda _need: None)
        assert reply is not None
        assert reply["status"] == b"need"
        reply = client.try_sign(str(path), {"payload": b""})  # nobody to answer: the need is the reply
        assert reply is not None
        assert reply["status"] == b"need"
    assert got == [None, None]


def test_the_agent_sees_that_its_client_has_gone(path: Path) -> None:
    seen: list[bool] = []
    hung_up, looked = threading.Event(), threading.Event()

    def look(_: Fields, talk: Conversation) -> Fields:
        seen.append(talk.gone)
        hung_up.wait(5)
        time.sleep(0.1)
        seen.append(talk.gone)
        looked.set()
        return {"status": b"ok"}

    with serving(path, sign=look):
        connection, _ = client.connect(str(path))
        client.send(connection, {"request": b"sign"})
        while not seen:
            time.sleep(0.01)
        connection.close()
        hung_up.set()
        assert looked.wait(5)
    assert seen == [False, True]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        MAGIC + (FRAME_LIMIT + 1).to_bytes(4, "big"),
        MAGIC + b"\x00\x00\x00\x09" + b"\x01a\x00\x00\x00\x05abc",
        pack_frame({"request": b"nothing-like-it"}),
        pack_frame({"request": b"\xff\xfe"}),
        pack_frame({}),
    ],
)
def test_garbage_costs_the_agent_nothing(path: Path, data: bytes) -> None:
    with serving(path, ping=echo):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(5)
            with contextlib.suppress(ConnectionResetError):  # what it did not read resets the connection
                while raw.recv(65536):
                    pass
        assert client.ask(str(path), "ping") is not None


def test_a_frame_that_drips_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation.Conversation.read, "__defaults__", (0.5,))
    with serving(path, ping=echo), socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.settimeout(5)
        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _drip(raw)
        assert time.monotonic() - started < 3


def _drip(raw: socket.socket) -> None:
    for byte in pack_frame({"request": b"ping", "payload": bytes(100)}):
        raw.sendall(bytes([byte]))
        time.sleep(0.05)


def test_no_agent_no_socket_no_permission_and_a_foreign_server_are_none(path: Path) -> None:
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


def _answer_once(listening: socket.socket, data: bytes, *, pause: float = 0.0) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(data)
        time.sleep(pause)


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
        assert time.monotonic() - started < 2


def test_an_agent_that_only_ever_waits_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TOTAL_SECONDS", 0.5)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        stream = conversation.WAIT_FRAME

        def wait_for_ever() -> None:
            connection, _ = other.accept()
            with connection, ExitStack() as stack:
                stack.callback(lambda: None)
                try:
                    while True:
                        connection.sendall(stream)
                        time.sleep(0.05)
                except OSError:
                    return

        threading.Thread(target=wait_for_ever, daemon=True).start()
        assert client.try_sign(str(path), {"payload": b"x"}) is None


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
    reply = client.ask(str(path), "ping")
    assert reply is not None
    assert reply["path"] == str(path).encode()
    assert client.ask(str(path), "stop") is not None
    assert child.wait(10) == 0


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


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("opened_up", [False, True])
def test_another_user_cannot_reach_the_socket(path: Path, opened_up: bool) -> None:
    """By the directory and by the file's mode; and with both opened up by mistake, by the peer's credentials."""
    nobody = pwd.getpwnam("nobody")
    program = (
        "import os, socket, sys\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
        "try:\n    s.connect(sys.argv[1])\nexcept PermissionError:\n    print('denied')\n    raise SystemExit\n"
        "try:\n    s.sendall(bytes.fromhex(sys.argv[2]))\n    got = s.recv(100)\n"
        "except (BrokenPipeError, ConnectionResetError):\n    got = b''\n"
        "print('answered' if got else 'hung up')\n"
    )
    with serving(path, ping=echo):
        if opened_up:
            for directory in (path.parent, *path.parent.parents):
                if directory == Path("/tmp"):
                    break
                directory.chmod(0o755)
            path.chmod(0o666)
        frame = pack_frame({"request": b"ping"}).hex()
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), frame], capture_output=True, text=True, check=True, cwd="/"
        )
        assert done.stdout == ("hung up\n" if opened_up else "denied\n")
        assert client.ask(str(path), "ping") is not None


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_a_socket_that_another_user_planted_is_not_talked_to(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    for parent in directory.parents:
        if parent == Path("/tmp"):
            break
        parent.chmod(0o755)
    path = directory / "agent.sock"
    program = (
        "import os, socket, sys\n"
        f"os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('there', flush=True)\n"
        "c, _ = s.accept(); print(len(c.recv(100)), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, cwd="/"
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        assert client.ask(str(path), "ping", payload=b"secret") is None
        assert child.stdout.readline() == "0\n"  # not a byte was said


def test_more_conversations_than_allowed_are_turned_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.agent.server.MAX_CONVERSATIONS", 2)
    leave = threading.Event()

    inside: list[None] = []

    def stay(_: Fields, __: Conversation) -> Fields:
        inside.append(None)
        leave.wait(20)
        return {"status": b"ok"}

    replies: list[Fields | None] = []
    with serving(path, sign=stay, ping=echo):
        busy = [threading.Thread(target=lambda: replies.append(client.try_sign(str(path), {}))) for _ in range(2)]
        for thread in busy:
            thread.start()
        _until(lambda: len(inside) == 2)
        assert client.ask(str(path), "ping") is None
        leave.set()
        for thread in busy:
            thread.join(20)
        _until(lambda: client.ask(str(path), "ping") is not None)
    assert replies == [{"status": b"ok"}, {"status": b"ok"}]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_request_that_is_being_served_is_finished_when_the_agent_stops(path: Path) -> None:
    begun = threading.Event()

    def slow(_: Fields, __: Conversation) -> Fields:
        begun.set()
        time.sleep(0.3)
        return {"status": b"ok"}

    replies: list[Fields | None] = []
    with serving(path, sign=slow) as server:
        thread = threading.Thread(target=lambda: replies.append(client.try_sign(str(path), {})))
        thread.start()
        begun.wait(5)
        server.stop()
        thread.join(5)
    assert replies == [{"status": b"ok"}]


def test_an_agent_ends_when_it_is_no_longer_wanted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.agent.server.TICK_SECONDS", 0.02)
    opened = endpoint.open_endpoint(path)
    assert opened is not None
    idle: list[float] = []

    def still_wanted(seconds: float) -> bool:
        idle.append(seconds)
        return seconds < 0.2

    AgentServer(opened.listeners, {}, still_wanted=still_wanted).serve()
    opened.remove()
    assert 0.2 <= idle[-1] < 2


def test_what_has_to_be_dropped_is_dropped_before_a_connection_is_served(path: Path) -> None:
    """A machine that wakes up may be asked before the next tick."""
    opened = endpoint.open_endpoint(path)
    assert opened is not None
    held = ["key"]

    def count(_: Fields, __: Conversation) -> Fields:
        return {"status": b"ok", "held": str(len(held)).encode()}

    server = AgentServer(opened.listeners, {"ping": count}, before_each=held.clear)
    thread = threading.Thread(target=server.serve)
    thread.start()
    assert client.ask(str(path), "ping") == {"status": b"ok", "held": b"0"}
    server.stop()
    thread.join(10)
    opened.remove()


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
