"""Calls of the program without starting Python anew for each of them (tests/support/warmserver.py).

conftest puts :func:`run` in the place of :func:`subprocess.run`. It takes over what calls our program with arguments,
files and captured streams, and leaves everything else alone: other programs, Popen, terminals, what git starts, and
tests with the mark ``cold``, which are about the start itself. GITSIGN_TEST_COLD=1 starts Python for every call.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MODULE = str(ROOT / "gitsign_py" / "__main__.py")
INSTALLED = Path(sys.executable).with_name("gitsign-py")
_OPTIONS = {"cwd", "env", "input", "stdin", "capture_output", "text", "timeout", "check", "start_new_session"}
_LASTING = ("agent", "demo", "login", "stack")
"""Commands that leave processes behind, or last until a signal comes."""
_LOCALES = (None, "", "C", "C.UTF-8")
_USUAL = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
_OF_LIBRARIES = ("PYTHON", "LD_", "FAKETIME", "OPENSSL_", "MALLOC_")

really_run = subprocess.run
is_cold = os.environ.get("GITSIGN_TEST_COLD") == "1" or os.name != "posix"


def run(*given: Any, **options: Any) -> "subprocess.CompletedProcess[Any]":
    """As :func:`subprocess.run` does it, sooner where it can be."""
    argv = _own_argv(given[0]) if len(given) == 1 else None
    env = options.get("env") or os.environ
    if argv is None or is_cold or not _is_plain(options) or not _can_be_warm(env):
        return really_run(*given, **options)
    request = {
        "argv": argv,
        "cwd": os.fspath(options.get("cwd") or Path.cwd()),
        "env": dict(env),
        "umask": _umask(),
        "session": options.get("start_new_session", False),
    }
    stdin = options.get("input")
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    status, *streams = _call(request, stdin, options.get("timeout"), given[0])
    out, err = (_text(stream) for stream in streams) if options.get("text") else streams
    done = subprocess.CompletedProcess(given[0], status, out, err)
    if options.get("check"):
        done.check_returncode()
    return done


def _own_argv(command: object) -> list[str] | None:
    """What the program finds in sys.argv, for a command line that starts our program and nothing lasting."""
    if not isinstance(command, Sequence) or isinstance(command, str | bytes):
        return None
    words = [os.fspath(word) for word in command]
    if words[:3] == [sys.executable, "-m", "gitsign_py"]:
        argv = [MODULE, *words[3:]]
    elif words[:1] == [str(INSTALLED)]:
        argv = words
    else:
        return None
    return None if argv[1:2] and argv[1] in _LASTING else argv


def _is_plain(options: Mapping[str, Any]) -> bool:
    known = options.keys() <= _OPTIONS and options.get("stdin") in (None, subprocess.DEVNULL)
    return known and options.get("capture_output") is True


def _can_be_warm(env: Mapping[str, str]) -> bool:
    """Whether nothing in the environment is for the start of Python or of its libraries."""
    unusual = [name for name in env if name.startswith(_OF_LIBRARIES) and _USUAL.get(name) != env[name]]
    return not unusual and all(env.get(name) in _LOCALES for name in ("LC_ALL", "LC_CTYPE", "LANG"))


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def _text(data: bytes) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def _call(
    request: dict[str, Any], stdin: bytes | None, timeout: float | None, command: Any
) -> tuple[int, bytes, bytes]:
    reads, writes = (os.open(os.devnull, os.O_RDONLY), -1) if stdin is None else os.pipe()
    outs = [os.pipe(), os.pipe()]
    theirs = [reads, outs[0][1], outs[1][1]]
    found: dict[int, bytes] = {}
    threads = [threading.Thread(target=_read, args=(stream, found)) for stream, _ in outs]
    threads += [threading.Thread(target=_write, args=(writes, stdin))] if stdin is not None else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(_server("COVERAGE_PROCESS_CONFIG" in request["env"]))
        body = json.dumps(request).encode()
        socket.send_fds(server, [len(body).to_bytes(8, "big")], theirs)
        server.sendall(body)
        for stream in theirs:
            os.close(stream)
        for thread in threads:
            thread.start()
        server.settimeout(timeout)
        answer = b""
        try:
            while answer.count(b"\n") < 2:
                more = server.recv(100)
                assert more, "the warm server is gone"
                answer += more
        except TimeoutError:
            os.kill(int(answer), 9)
            raise subprocess.TimeoutExpired(command, timeout or 0) from None
    for thread in threads:
        thread.join()
    return int(answer.split()[1]), found[outs[0][0]], found[outs[1][0]]


def _write(stream: int, data: bytes) -> None:
    with open(stream, "wb") as file:
        try:
            file.write(data)
            file.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)  # not read: its own affair


def _read(stream: int, found: dict[int, bytes]) -> None:
    with open(stream, "rb") as file:
        found[stream] = file.read()


@cache
def _server(measured: bool) -> str:
    """The socket of a server that ends with this process; one is measured by coverage and one is not."""
    folder = tempfile.mkdtemp(prefix="warm-")
    path = f"{folder}/socket"
    env = {name: value for name, value in os.environ.items() if measured or name != "COVERAGE_PROCESS_CONFIG"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warmserver", path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        env={**env, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    atexit.register(_end, child, folder)
    wait_until(lambda: Path(path).exists() or child.poll() is not None)
    assert child.poll() is None, "the warm server did not start"
    return path


def _end(child: "subprocess.Popen[bytes]", folder: str) -> None:
    assert child.stdin is not None
    child.stdin.close()
    child.wait(20)
    shutil.rmtree(folder, ignore_errors=True)
