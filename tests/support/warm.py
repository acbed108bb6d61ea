"""Calls of the program without starting Python anew for each of them (tests/support/warmserver.py).

conftest puts :func:`run` in the place of :func:`subprocess.run`. It takes over what calls our program with arguments,
files and captured streams, and leaves everything else alone: other programs, Popen, terminals, and tests with the mark
``cold``, which are about the start itself. What git starts in tests, gpg's stand-in and hooks, is a file by
:func:`program`, which hands the call to the same server. An agent that a warm program starts is forked there as well;
a small process with its command line lives and ends with it. GITSIGN_TEST_COLD=1 starts Python for every call.
"""

import atexit
import hashlib
import os
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MODULE = str(ROOT / "gitsign_py" / "__main__.py")
INSTALLED = Path(sys.executable).with_name("gitsign-py")
_OPTIONS = {"cwd", "env", "input", "stdin", "capture_output", "text", "timeout", "check", "start_new_session"}
_LASTING = ("demo", "login", "stack")
"""Commands that leave processes behind, or last until a signal comes."""
_LOCALES = (None, "", "C", "C.UTF-8")
_USUAL = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
_OF_LIBRARIES = ("PYTHON", "LD_", "FAKETIME", "OPENSSL_", "MALLOC_")

_children: "dict[str, subprocess.Popen[bytes]]" = {}
_FRONT = Path(__file__).with_name("front.c")
_OWN = """#!{python} -P
import sys
sys.path.insert(0, {root!r})
from gitsign_py.cli import main
if __name__ == "__main__":
    sys.argv = sys.argv[{words}:]
    sys.exit(main())
"""

really_run = subprocess.run
is_cold = os.environ.get("GITSIGN_TEST_COLD") == "1" or os.name != "posix"


def run(*given: Any, **options: Any) -> "subprocess.CompletedProcess[Any]":
    """As :func:`subprocess.run` does it, sooner where it can be."""
    argv = _own_argv(given[0]) if len(given) == 1 else None
    env = options.get("env") or os.environ
    if argv is None or is_cold or not _is_plain(options) or not _can_be_warm(env):
        return really_run(*given, **options)
    session = "1" if options.get("start_new_session") else "0"
    cwd = os.fspath(options.get("cwd") or Path.cwd())
    pairs = [f"{name}={value}" for name, value in env.items()]
    request = [str(_umask()), session, str(os.getpid()), cwd, str(len(argv)), *argv, *pairs]
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


def _call(request: list[str], stdin: bytes | None, timeout: float | None, command: Any) -> tuple[int, bytes, bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        is_measured = any(text.startswith("COVERAGE_PROCESS_CONFIG=") for text in request)
        server.connect(_server(is_measured))
        talk = _Talk(server, stdin or b"")
        try:
            talk.order(request, has_stdin=stdin is not None)
            deadline = None if timeout is None else time.monotonic() + timeout
            while talk.goes_on():
                if not talk.step(None if deadline is None else max(0.0, deadline - time.monotonic())):
                    os.kill(int(talk.answer), 9)
                    raise subprocess.TimeoutExpired(command, timeout or 0)
        finally:
            talk.close()
    return int(talk.answer.split()[1]), bytes(talk.out), bytes(talk.err)


class _Talk:
    """The streams of one call, and the server's word about it, in one loop.

    Threads would do as well, but each of them begins with sys.settrace while coverage measures.
    """

    def __init__(self, server: socket.socket, stdin: bytes) -> None:
        self.selector = selectors.DefaultSelector()
        self.server, self.left = server, memoryview(stdin)
        self.answer, self.out, self.err = bytearray(), bytearray(), bytearray()

    def order(self, request: list[str], *, has_stdin: bool) -> None:
        """Send the request with the program's three streams."""
        reads, writes = os.pipe() if has_stdin else (os.open(os.devnull, os.O_RDONLY), -1)
        outs = [os.pipe(), os.pipe()]
        theirs = [reads, outs[0][1], outs[1][1]]
        self.selector.register(self.server, selectors.EVENT_READ, self.answer)
        for (stream, _), found in zip(outs, (self.out, self.err), strict=True):
            self.selector.register(stream, selectors.EVENT_READ, found)
        if has_stdin:
            os.set_blocking(writes, False)
            self.selector.register(writes, selectors.EVENT_WRITE)
        body = b"".join(os.fsencode(text) + b"\0" for text in request)
        socket.send_fds(self.server, [len(body).to_bytes(8, "big")], theirs)
        self.server.sendall(body)
        for stream in theirs:
            os.close(stream)

    def goes_on(self) -> bool:
        """Whether a stream is open or the status is missing."""
        return bool(self.selector.get_map())

    def step(self, seconds: float | None) -> bool:
        """Move what can be moved; False when nothing could be within these seconds."""
        ready = self.selector.select(seconds)
        for key, events in ready:
            if events & selectors.EVENT_WRITE:
                self._write(key.fd)
            elif key.fileobj is self.server:
                more = self.server.recv(100)
                assert more, "the warm server is gone"
                self.answer += more
                if self.answer.count(b"\n") == 2:
                    self.selector.unregister(self.server)
            elif more := os.read(key.fd, 1 << 16):
                key.data.extend(more)
            else:
                self._end(key.fd)
        return bool(ready)

    def _write(self, stream: int) -> None:
        try:
            self.left = self.left[os.write(stream, self.left[: 1 << 16]) :] if self.left else self.left
        except BrokenPipeError:
            self.left = self.left[:0]  # not read: its own affair
        if not self.left:
            self._end(stream)

    def _end(self, stream: int) -> None:
        self.selector.unregister(stream)
        os.close(stream)

    def close(self) -> None:
        """End the streams that are left of a call that was given up."""
        for key in list(self.selector.get_map().values()):
            if key.fileobj is not self.server:
                self._end(key.fd)
        self.selector.close()


@cache
def _server(measured: bool) -> str:
    """The socket of a server that ends with this process; one is measured by coverage and one is not."""
    path = str(_folder() / ("measured" if measured else "plain"))
    env = {name: value for name, value in os.environ.items() if measured or name != "COVERAGE_PROCESS_CONFIG"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warmserver", path, *agents_command()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        env={**env, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    _children[path] = child
    wait_until(lambda: Path(path).exists() or child.poll() is not None)
    assert child.poll() is None, "the warm server did not start"
    return path


def end() -> None:
    """End the servers, which write what coverage has measured; another call starts another one."""
    _server.cache_clear()
    while _children:
        path, child = _children.popitem()
        assert child.stdin is not None
        child.stdin.close()
        child.wait(60)
        Path(path).unlink(missing_ok=True)


atexit.register(end)


@cache
def _folder() -> Path:
    """The sockets, and the scripts that start the program anew: their names say what it finds in sys.argv[0]."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    module = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m gitsign_py"
    scripts = {
        "module": f'#!/bin/sh\n{module} "$@"\n',
        "installed": f'#!/bin/sh\nexec {shlex.quote(str(INSTALLED))} "$@"\n',
        "own": _own(words=1),  # its first argument is the program's name
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def _own(*, words: int) -> str:
    return _OWN.format(python=sys.executable, root=str(ROOT), words=words)


def agents_command() -> list[str]:
    """The words before ``agent run`` of an agent that a warm program starts; none where programs start anew."""
    front = None if is_cold else _front()
    return [] if front is None else [str(front), str(_folder() / "module"), "gitsign-py"]


def program(path: Path, *, installed: bool = False, own: bool = False) -> Path:
    """Write a program that git can start: ours, from a warm Python where that can be.

    It finds in sys.argv[0] that it is the installed program, this very file (``own``), or a module that runs from here.
    """
    front = None if is_cold else _front()
    anew = _folder() / ("own" if own else "installed" if installed else "module")
    text = _own(words=0) if own else anew.read_text()
    if front is not None:
        _server("COVERAGE_PROCESS_CONFIG" in os.environ)
        text = f"#!{front} {anew}\n"
    path.write_text(text)
    path.chmod(0o755)
    return path


def constants(**seconds: float) -> dict[str, str]:
    """The variable that gives these constants of the program other values in warm processes, and in agents of theirs.

    Each is named by its module below gitsign_py and itself: ``host__keystore__TIMEOUT_SECONDS``. A program that starts
    anew keeps its own, so this may shorten what a test waits for, and not what it shows. Empty where all do.
    """
    if is_cold or _front() is None:
        return {}
    changes = (f"gitsign_py.{name.replace('__', '.')}={value}" for name, value in seconds.items())
    return {"WARM_CONSTANTS": " ".join(changes)}


@cache
def _front() -> Path | None:
    """The program front.c, compiled once on this machine; None without a C compiler."""
    source = _FRONT.read_bytes() + str(ROOT).encode()
    folder = Path(tempfile.gettempdir(), f"gitsign-py-tests-{os.getuid()}")
    path = folder / f"front-{hashlib.sha256(source).hexdigest()[:16]}"
    compiler = shutil.which("cc")
    if compiler is None or path.exists():
        return path if path.exists() else None
    folder.mkdir(mode=0o700, exist_ok=True)
    made = path.with_suffix(f".{os.getpid()}")
    command = [compiler, "-O1", f'-DROOT="{ROOT}"', "-o", str(made), str(_FRONT)]
    done = really_run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    made.rename(path)  # whole, whoever else makes it
    return path
