"""The signing agent on loopback: one for all, for as long as it lives, and only for who knows the secret."""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from gitsign_py.agent.protocol import pack_fields, pack_frame
from tests.support.windowskit import EMAIL, WindowsUser


def log(user: WindowsUser) -> list[dict[str, str]]:
    signed: list[dict[str, str]] = json.loads(user.gitsign("agent", "log", "--json"))
    return signed


def test_it_starts_by_itself_signs_verifies_and_ends(user: WindowsUser) -> None:
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    user.commit("one")
    assert user.agent.is_file()
    before = log(user)
    user.commit("Zoë 😀")
    assert len(log(user)) == len(before) + 1
    assert user.git("log", "--format=%G? %GS").splitlines() == [f"G {EMAIL}"] * 2
    assert EMAIL in user.gitsign("agent", "status")
    assert EMAIL in user.gitsign("whoami")
    user.gitsign("agent", "lock")
    user.commit("after the lock")
    assert "ended" in user.gitsign("agent", "stop")
    end = time.monotonic() + 10
    while user.agent.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert user.tool("agent", "status").returncode == 3
    user.commit("with a new one")
    assert user.agent.exists()


def test_six_clients_at_once_start_one_agent(user: WindowsUser) -> None:
    """LockFileEx decides between them."""
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: user.tool("agent", "start"), range(6)))
    assert [one.returncode for one in done] == [0] * 6, [one.stderr for one in done]
    pids = {json.loads(user.gitsign("agent", "status", "--json"))["pid"] for _ in range(2)}
    assert len(pids) == 1
    listing = user.run("python.exe", "-c", _AGENTS).stdout.split()
    assert listing == [str(*pids)]


_AGENTS = """
import ctypes, ctypes.wintypes as w
class Entry(ctypes.Structure):
    _fields_ = [("size", w.DWORD), ("usage", w.DWORD), ("pid", w.DWORD), ("heap", ctypes.c_size_t), ("module", w.DWORD),
                ("threads", w.DWORD), ("parent", w.DWORD), ("priority", w.LONG), ("flags", w.DWORD),
                ("name", w.WCHAR * 260)]
kernel = ctypes.windll.kernel32
kernel.CreateToolhelp32Snapshot.restype = w.HANDLE
snapshot = w.HANDLE(kernel.CreateToolhelp32Snapshot(2, 0))
entry = Entry(); entry.size = ctypes.sizeof(entry)
found = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
while found:
    if entry.name == "python.exe" and entry.pid != kernel.GetCurrentProcessId():
        print(entry.pid)
    found = kernel.Process32NextW(snapshot, ctypes.byref(entry))
"""


def test_an_agent_that_was_killed_is_followed_by_another(user: WindowsUser) -> None:
    user.gitsign("agent", "start")
    pid = json.loads(user.gitsign("agent", "status", "--json"))["pid"]
    user.run("python.exe", "-c", f"import os, signal; os.kill({pid}, signal.SIGTERM)")  # TerminateProcess
    assert user.tool("agent", "status").returncode == 3
    assert user.agent.exists(), "it had no time to clear up"
    user.gitsign("agent", "start")
    assert json.loads(user.gitsign("agent", "status", "--json"))["pid"] != pid


def test_a_stranger_at_its_port_gets_nothing(user: WindowsUser) -> None:
    user.gitsign("agent", "start")
    port, secret = user.agent.read_bytes().split()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as stranger:
        stranger.sendall(pack_frame({"request": b"sign", "payload": b"x", "environment": pack_fields({})}))
        answer = b""
        while piece := stranger.recv(1000):
            answer += piece
    assert b"BEGIN SIGNED" not in answer
    assert b"signature" not in answer
    assert len(secret) == 64
    assert log(user) == []


def test_whoever_listens_at_a_dead_agents_port_is_not_believed(user: WindowsUser) -> None:
    user.git("config", "gitsign.allowedSigner", f"{EMAIL} {user.stack.url}")
    user.git("config", "gitsign.agent", "off")
    user.agent.parent.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as impostor:
        user.agent.write_bytes(b"%d %s\n" % (impostor.getsockname()[1], os.urandom(32).hex().encode()))
        user.commit("one")
    assert user.git("log", "-1", "--format=%G?") == "G"
    user.agent.unlink()
