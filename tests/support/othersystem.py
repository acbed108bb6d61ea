"""Makes the Python that runs this file look like one of another system, as far as a program can tell.

``sitecustomize.py`` of a test (see :func:`installed`) runs it at the start of every Python below a test: git's signing
program, the agent, a verifying process. Parts of the standard library and other people's packages are loaded as on the
system below: they have their own ways on the real ones, and those are not what is tested.

    windows  no module, function, constant or signal that CPython has on POSIX systems alone; file modes mean nothing;
             Unix sockets, descriptors in children, poll and fork are gone; exec ends the caller; text is CR LF and
             cp1252; ``sys.platform`` says win32
    nameless the same names are gone, and ``sys.platform`` says what it is: who asks for that alone is found out
    macos    no /proc, no fork; LOCAL_PEERCRED (unix(4) of macOS) in place of SO_PEERCRED; ``sys.platform``: darwin

It is no Windows: paths, consoles and process groups are those of the system below, and locks go by them.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import builtins
import importlib
import io
import os
import stat
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "termios", "tty", "pty", "resource", "pwd", "grp", "syslog", "readline", "curses")
OS = (
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgrp", "getpgid", "setpgid",
    "setsid", "getsid", "killpg", "tcgetpgrp", "tcsetpgrp", "set_blocking", "get_blocking", "chown", "fchown",
    "lchown", "fchmod", "chroot", "mkfifo", "mknod", "nice", "openpty", "pipe2", "pidfd_open", "lockf", "uname",
    "posix_spawn", "posix_spawnp", "wait", "wait3", "wait4", "waitid", "sysconf", "confstr", "ctermid", "ttyname",
    "getloadavg", "statvfs", "fstatvfs", "sync", "sched_getaffinity", "register_at_fork", "memfd_create", "setuid",
    "setgid", "seteuid", "setegid", "pread", "pwrite", "sendfile", "splice", "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY",
    "O_NONBLOCK", "O_DIRECTORY", "O_TMPFILE", "O_SYNC", "O_DSYNC", "O_NOATIME", "O_PATH",
)  # fmt: skip
SIGNALS = (
    "SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGTSTP", "SIGTTOU", "SIGTTIN", "SIGPIPE",
    "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGWINCH", "setitimer", "getitimer", "alarm", "pause", "pthread_sigmask",
    "pthread_kill", "sigwait", "sigpending", "siginterrupt", "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF",
    "SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK",
)  # fmt: skip
SOCKETS = (
    "AF_UNIX", "SO_PEERCRED", "SCM_RIGHTS", "SCM_CREDENTIALS", "SO_PASSCRED", "MSG_DONTWAIT", "MSG_NOSIGNAL",
    "send_fds", "recv_fds",
)  # fmt: skip
SELECT = ("poll", "epoll", "PIPE_BUF", "POLLIN", "POLLOUT", "POLLERR", "POLLHUP")
CLOCKS = ("clock_gettime", "clock_gettime_ns", "CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_REALTIME")
# They import fcntl and the like, or choose by sys.platform, when they are loaded: for that time all is as it was.
OTHERS = (
    "asyncio", "multiprocessing", "concurrent", "ctypes", "platform", "ssl", "urllib", "uuid", "requests", "urllib3",
    "platformdirs", "dulwich", "keyring", "rich", "tuf", "uvicorn", "starlette", "anyio", "coverage", "tempfile",
)  # fmt: skip
GONE: list[tuple[Any, str, Any]] = []

SYSTEMS = ("windows", "nameless", "macos")


def installed(folder: Path, system: str) -> dict[str, str]:
    """Write a ``sitecustomize.py`` into ``folder``; gives the variables that have it run by every Python."""
    folder.mkdir(exist_ok=True)
    here = Path(__file__)
    text = f"exec(compile(open({str(here)!r}).read(), {str(here)!r}, 'exec'), {{'__name__': {system!r}}})\n"
    (folder / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{here.parents[2]}"}


def take_away(module: Any, names: "tuple[str, ...] | list[str]") -> None:
    for name in names:
        if hasattr(module, name):
            GONE.append((module, name, getattr(module, name)))
            delattr(module, name)


def let_others_load(platform: str) -> None:
    """Set ``sys.platform``, and put everything back for as long as one of the others is being loaded."""
    load, real, own = builtins.__import__, sys.platform, [True]

    def load_as_on(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] not in OTHERS or not own[0]:
            return load(name, *arguments, **options)
        own[0] = False
        for module, gone, value in GONE:
            setattr(module, gone, value)
        hidden = {missing: sys.modules.pop(missing) for missing in MODULES if sys.modules.get(missing, 0) is None}
        sys.platform = real
        try:
            loaded = load(name, *arguments, **options)
            start_processes_anew(can_fork="fork" not in {gone for _, gone, _ in GONE})
            return loaded
        finally:
            sys.platform, own[0] = platform, True
            for missing in hidden:
                sys.modules[missing] = None  # type: ignore[assignment]
            for module, gone, _ in GONE:
                delattr(module, gone)

    import sysconfig

    sysconfig.get_config_vars()  # read once, from a file of the system below that is named for it
    sys.platform = platform
    builtins.__import__ = load_as_on


class SystemBelow:
    """Stands for ``sys`` where a module asks for the platform while it works, and has to hear of the real one."""

    platform = sys.platform

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(sys, name, value)


def start_processes_anew(*, can_fork: bool) -> None:
    """Windows knows no other way, and on macOS it is the default (multiprocessing, "Contexts and start methods")."""
    package: Any = sys.modules.get("multiprocessing")
    for name, module in list(sys.modules.items()):
        if name.startswith("multiprocessing.") and hasattr(module, "sys"):
            setattr(module, "sys", SystemBelow())  # noqa: B010
    if (
        package is not None
        and package.context._default_context._default_context is not package.context._concrete_contexts["spawn"]
    ):
        from multiprocessing import popen_spawn_posix, resource_tracker, spawn  # noqa: F401 - by sys.platform, as loaded

        setattr(resource_tracker, "_HAVE_SIGMASK", False)  # noqa: B010
        if not can_fork:
            package.get_all_start_methods = lambda: ["spawn"]
        package.context._default_context._default_context = package.context._concrete_contexts["spawn"]


def become_windows(name: str) -> None:
    number, mkdir, chmod, user = _signal.SIGKILL, os.mkdir, os.chmod, os.getuid()
    lock_files_as_windows()
    del os.O_TMPFILE  # asked for when tempfile is loaded, used later
    del _socket.socketpair  # socket has one of its own then, as on Windows
    import select
    import shutil
    import signal
    import socket
    import subprocess
    import time

    setattr(shutil, "sys", SystemBelow())  # noqa: B010 - it asks where programs end in .exe
    modules = ((os, OS), (signal, SIGNALS), (select, SELECT), (time, CLOCKS), (socket, SOCKETS), (_socket, SOCKETS))
    for module, names in modules:
        take_away(module, names)
    for missing in MODULES:
        sys.modules[missing] = None  # type: ignore[assignment]
    subprocess.Popen.kill = lambda self: self.send_signal(number)  # type: ignore[method-assign]
    os.umask(0)
    os.mkdir = lambda path, mode=0o777, **more: mkdir(path, 0o777, **more)
    keep_read_only_files()
    os.chmod = lambda path, mode, **more: chmod(path, mode | 0o777, **more)
    refuse_descriptors(subprocess)
    setattr(os, "execve", lambda path, words, env: subprocess.Popen([path, *words[1:]], env=env) and os._exit(0))  # noqa: B010
    keep_access_lists(user)
    if name == "nameless":
        read_access_lists_by_name()
    if name == "windows":
        write_text_as_windows()
        setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200)  # noqa: B010 - winbase.h
        setattr(subprocess, "CREATE_NO_WINDOW", 0x8000000)  # noqa: B010
        import ctypes

        kernel = types.SimpleNamespace(QueryUnbiasedInterruptTime=lambda _pointer: 1)
        setattr(signal, "SIGBREAK", signal.SIGTERM)  # noqa: B010 - a name that this system does not have
        setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel))  # noqa: B010
    let_others_load("win32" if name == "windows" else sys.platform)


def lock_files_as_windows() -> None:
    """msvcrt for the package alone: the standard library takes a system that has it for Windows."""
    load = importlib.import_module
    locks = load("tests.support.msvcrtlike")

    def load_as_windows(name: str, package: str | None = None) -> types.ModuleType:
        return locks if name == "msvcrt" else load(name, package)

    importlib.import_module = load_as_windows


def keep_read_only_files() -> None:
    """DeleteFile refuses a file that nobody may write to."""
    unlink = os.unlink

    def delete(path: Any, *, dir_fd: int | None = None) -> None:
        facts = os.lstat(path, dir_fd=dir_fd)
        if stat.S_ISREG(facts.st_mode) and not facts.st_mode & stat.S_IWUSR:
            raise PermissionError(13, "Access is denied", path)
        unlink(path, dir_fd=dir_fd)

    os.unlink = os.remove = delete


def keep_access_lists(own: int) -> None:
    """Give a file the owner that it has below, and a list that grants all to that one, the system and administrators.

    It is what a profile's files have. Modes mean nothing here, so no other list can be told from them.
    """
    import ctypes

    kept: list[Any] = []

    def sid(*numbers: int) -> bytes:
        return bytes([1, len(numbers), 0, 0, 0, 0, 0, 5]) + b"".join(one.to_bytes(4, "little") for one in numbers)

    def of_user(number: int) -> bytes:
        return sid(21, number) if number else sid(32, 544)

    def keep(data: bytes) -> int:
        kept.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(kept[-1])

    def information(path: str, _kind: int, _what: int, owner: Any, _group: None, access: Any, *_more: Any) -> int:
        try:
            user = of_user(Path(path).stat().st_uid)
        except OSError as error:
            return error.errno or 1
        entries = [
            bytes([0, 0]) + (8 + len(who)).to_bytes(2, "little") + (0x1F01FF).to_bytes(4, "little") + who
            for who in (sid(18), sid(32, 544), user)
        ]
        head = [2, 8 + sum(map(len, entries)), len(entries), 0]
        owner._obj.value = keep(user)
        access._obj.value = keep(b"".join(one.to_bytes(2, "little") for one in head) + b"".join(entries))
        return 0

    def token_information(_token: Any, _kind: int, buffer: Any, _length: int, _needed: Any) -> int:
        buffer.raw = keep(of_user(own)).to_bytes(8, sys.byteorder).ljust(len(buffer), b"\0")
        return 1

    library = types.SimpleNamespace(
        GetNamedSecurityInfoW=information,
        GetTokenInformation=token_information,
        OpenProcessToken=lambda *_: 1,
        GetCurrentProcess=lambda: -1,
        LocalFree=lambda _: None,  # another thread may be reading
        CloseHandle=lambda _: 1,
    )
    setattr(ctypes, "WinDLL", lambda *_, **__: library)  # noqa: B010
    setattr(ctypes, "WinError", lambda code: OSError(code, os.strerror(code)))  # noqa: B010


def read_access_lists_by_name() -> None:
    """Where only the names are gone, owners can be asked for by the ways of Windows alone, whatever it is called."""
    load = builtins.__import__

    def load_as_windows(name: str, *arguments: Any, **options: Any) -> Any:
        if name != "gitsign_py.host.windowsacl":
            return load(name, *arguments, **options)
        platform, sys.platform = sys.platform, "win32"
        try:
            return load(name, *arguments, **options)
        finally:
            sys.platform = platform

    builtins.__import__ = load_as_windows


def write_text_as_windows() -> None:
    """CR LF and the system's code page, for streams and files, unless something else is asked for."""
    begin = io.open

    def open_text(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None,
        closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if "b" not in mode:
            encoding = encoding or "cp1252"
            newline = "\r\n" if newline is None and set(mode) & set("wax+") else newline
        return begin(file, mode, buffering, encoding, errors, newline, closefd, opener)

    io.open = builtins.open = open_text
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="cp1252", newline="\r\n")


def refuse_descriptors(subprocess: Any) -> None:
    """As subprocess does on Windows, and a select that takes sockets alone."""
    import select

    begin, execute, keep = subprocess.Popen.__init__, subprocess.Popen._execute_child, subprocess.Popen._save_input
    wait = select.select

    def popen(self: Any, *arguments: Any, **options: Any) -> None:
        if options.get("pass_fds") or options.get("preexec_fn"):
            raise ValueError("pass_fds and preexec_fn are not supported on Windows platforms")
        options.pop("creationflags", None)
        begin(self, *arguments, **options)

    def start(self: Any, *arguments: Any) -> None:
        try:
            execute(self, *arguments)
        except OSError as error:
            error.filename = None  # CreateProcess says what is wrong, and not with which name
            raise

    def keep_text(self: Any, given: Any) -> None:
        keep(self, given.replace("\n", "\r\n") if isinstance(given, str) else given)

    def select_sockets(*arguments: Any) -> Any:
        for one in (*arguments[0], *arguments[1], *arguments[2]):
            number = one if isinstance(one, int) else one.fileno()
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(10038, "an operation was attempted on something that is not a socket")
        return wait(*arguments)

    subprocess.Popen.__init__ = popen
    subprocess.Popen._execute_child = start
    subprocess.Popen._save_input = keep_text
    select.select = select_sockets


def become_macos() -> None:
    credentials, unix, plain = _socket.SO_PEERCRED, _socket.SOL_SOCKET, _socket.socket

    def getsockopt(self: Any, level: int, name: int, size: int = 0) -> Any:
        """Answer LOCAL_PEERCRED with a struct xucred: version, uid, number of groups, sixteen groups."""
        if (level, name) != (0, 1):
            return plain.getsockopt(self, level, name, size)
        told = plain.getsockopt(self, unix, credentials, 12)
        return (bytes(4) + told[4:8] + bytes(size))[:size]

    _socket.socket = type("socket", (plain,), {"__slots__": (), "getsockopt": getsockopt})  # type: ignore[assignment,misc]
    del os.O_TMPFILE
    import socket
    import time

    os.fork = refuse_to_fork
    take_away(os, ["pidfd_open", "memfd_create", "sched_getaffinity", "pipe2"])
    take_away(time, ["CLOCK_BOOTTIME"])
    for module in (socket, _socket):
        take_away(module, ["SO_PEERCRED", "SCM_CREDENTIALS", "SO_PASSCRED"])
    for owner, name in ((builtins, "open"), (io, "open"), (os, "open")):
        setattr(owner, name, without_proc(getattr(owner, name)))
    let_others_load("darwin")


def refuse_to_fork() -> int:
    raise OSError("the system's libraries may crash after a fork, says multiprocessing")


def without_proc(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function open what is not below /proc."""

    def opened(file: Any, *given: Any, **options: Any) -> Any:
        if str(file).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", file)
        return function(file, *given, **options)

    return opened


for early in ("socket", "tempfile"):  # a measurement of coverage may have loaded them
    if __name__ in ("windows", "nameless", "macos"):
        sys.modules.pop(early, None)
if __name__ in ("windows", "nameless"):
    become_windows(__name__)
elif __name__ == "macos":
    become_macos()
