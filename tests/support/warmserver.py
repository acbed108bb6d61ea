"""A Python that has read the program and forks it for each call: ``-m tests.support.warmserver SOCKET [WORD...]``.

Half of what a test process costs is to start Python and to import. What is forked is a process of its own: with the
caller's streams, environment, folder and arguments, an exit status, and nothing left of what another call did. It lacks
what belongs to a start: Python's own variables, and that a command imports only what it needs.

A caller connects, and sends the request's length with the three streams, then texts that each end in a zero byte:
umask, whether it is to be a session of its own, the process that is to be seen as its parent, folder, number of
arguments, arguments, environment. It gets the process id, then the status as :mod:`subprocess` has it; where it goes
away before, the process is killed. The server ends when its stdin does. The words start an agent where a program that
was forked here does: another one that is forked here.
"""

import atexit
import gc
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import gitsign_py
from gitsign_py.agent import lifecycle
from gitsign_py.cli import main as program_main

if TYPE_CHECKING:
    from tests.support.warmcoverage import Measured

_ROOT = str(Path(__file__).resolve().parents[2])
_MODULE = f"{_ROOT}/gitsign_py/__main__.py"
_INSTALLED = str(Path(sys.executable).with_name("gitsign-py"))
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What tests/support/front.c passes on to the program."""
_NOT_READ = ("gitsign_py.__main__", "gitsign_py.host.windows")  # the second is for Windows alone


def _read_program() -> None:
    """Import everything but the local stack, whose libraries are many and whose start is rare."""
    for found in pkgutil.walk_packages(gitsign_py.__path__, "gitsign_py."):
        if not found.name.startswith(("gitsign_py.localstack", *_NOT_READ)):
            import_module(found.name)
    for name in ("requests", "keyring", "secretstorage"):
        with suppress(ImportError):  # the last is Linux's
            import_module(name)


class Server:
    """Takes requests, forks, and reports how each of them ended."""

    def __init__(self, path: str, measured: "Measured | None") -> None:
        self.measured = measured
        self.selector = selectors.DefaultSelector()
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(f"{path}.new")
        self.listening.listen(64)
        Path(f"{path}.new").rename(path)  # so that a caller who finds it can connect
        self.running: dict[int, socket.socket] = {}
        self.ended, wakes = socket.socketpair()
        for one in (self.ended, wakes):
            one.setblocking(False)
        self.wakes = wakes
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for readable in (self.listening, self.ended, 0):
            self.selector.register(readable, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until nothing more comes from stdin."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listening:
                    self._take()
                elif key.fileobj is self.ended:
                    self.ended.recv(4096)
                    self._report()
                elif key.fileobj == 0:
                    return
                elif key.data in self.running:
                    self._kill(key.data)

    def _take(self) -> None:
        caller, _ = self.listening.accept()
        request, streams = _received(caller)
        # A signal may come as soon as the caller knows the process id. Python forgets those that arrive before it has
        # finished its own part of the fork (_PySignal_AfterFork), and here some have a handler: they wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        pid = os.fork()
        if pid == 0:
            if self.measured is not None:
                self.measured.begin()
            _become(request, streams)  # which does not come back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        for stream in streams:
            os.close(stream)
        self.running[pid] = caller
        with suppress(OSError):  # a caller that is gone is found out below
            caller.sendall(b"%d\n" % pid)
        self.selector.register(caller, selectors.EVENT_READ, pid)

    def _kill(self, pid: int) -> None:
        """The caller is gone: what it called goes as well. It says nothing more, so this is its end."""
        self.selector.unregister(self.running[pid])
        os.kill(pid, signal.SIGKILL)

    def _report(self) -> None:
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if self.measured is not None:
                self.measured.take(pid)
            caller = self.running.pop(pid)
            with suppress(KeyError):
                self.selector.unregister(caller)
            with suppress(OSError):  # a caller may wait no longer
                caller.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            caller.close()


def _received(caller: socket.socket) -> tuple[list[bytes], list[int]]:
    head, streams, _, _ = socket.recv_fds(caller, 8, 3)
    missing, parts = int.from_bytes(head, "big"), []
    while missing:
        parts.append(caller.recv(missing))
        assert parts[-1], "the caller is gone"
        missing -= len(parts[-1])
    return b"".join(parts).split(b"\0")[:-1], streams


def _become(request: list[bytes], streams: list[int]) -> None:
    """The program, in the place of this process."""
    status = 70
    umask, session, parent, cwd, count, *words = request
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 256)
        _forget_the_server()
        os.umask(int(umask))
        os.chdir(cwd)
        _take_environment(words[int(count) :])
        if session == b"1":
            os.setsid()
        _open_streams()
        sys.argv = [os.fsdecode(word) for word in words[: int(count)]]
        if sys.argv[0] == "module":  # of a program that git starts
            sys.argv[0] = _MODULE
            os.environ["PYTHONPATH"] = _ROOT
        elif sys.argv[0] == "installed":
            sys.argv[0] = _INSTALLED
        _be_child_of(int(parent))
        _change_constants(os.environ.get("WARM_CONSTANTS", ""))
        status = _status_of_program()
    except BaseException:  # noqa: BLE001 - the end of a process, whatever it is
        traceback.print_exc()
        status = 1
    finally:
        os._exit(status)


def _take_environment(pairs: list[bytes]) -> None:
    os.environ.clear()
    os.environb.update(dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair))
    time.tzset()


def _be_child_of(parent: int) -> None:
    """Name as the parent the process that started this program, git say; what this one forks has it for a parent."""
    own, really = os.getpid(), os.getppid
    os.getppid = lambda: parent if os.getpid() == own else really()


def _change_constants(changes: str) -> None:
    """As pytest's monkeypatch does it: ``package.module.NAME=SECONDS``, with spaces between (warm.constants)."""
    for change in changes.split():
        name, _, value = change.partition("=")
        module, _, attribute = name.rpartition(".")
        assert hasattr(sys.modules[module], attribute), name
        setattr(sys.modules[module], attribute, float(value))


def _forget_the_server() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    atexit._clear()
    sys.modules["__main__"] = ModuleType("__main__")


def _open_streams() -> None:
    """As Python has them in the locale C: UTF-8, whatever bytes come in go out."""
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _status_of_program() -> int:
    """What Python makes of the end of a program."""
    try:
        status: object = program_main()
    except SystemExit as end:
        status = end.code
    if not isinstance(status, int):
        if status is not None:
            print(status, file=sys.stderr)
        status = 0 if status is None else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    return status & 0xFF


def _measured(folder: Path) -> "Measured | None":
    """What is measured, where this process is; in the forks it is cheaper than coverage alone would have it."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage is not None else None
    if coverage is None or current is None:
        return None
    coverage.Coverage._post_save_work = lambda _self: None  # looks for files that nothing runs, as the tests do
    from tests.support.warmcoverage import Measured  # noqa: PLC0415 - a server that is not measured goes without

    import_module("coverage.collector").short_stack = str  # type: ignore[attr-defined]  # of each new one
    return Measured(current, folder)


def _start_agents_here(words: list[str]) -> None:
    """Have the program start its agent with these words; as it does it itself, where there are none."""
    if words:
        setattr(lifecycle, "own_command", lambda: words)  # noqa: B010 - a name that it imports


if __name__ == "__main__":
    _read_program()
    _start_agents_here(sys.argv[2:])
    gc.collect()
    gc.freeze()  # what was read stays: each fork's collector would look through it, and have it copied
    server = Server(sys.argv[1], _measured(Path(sys.argv[1]).parent))
    server.serve()
    if server.measured is not None:
        server.measured.write()
