"""Is a stack of this directory running, and who is it: lock file, stack.json, background start, stop.

The server holds a lock on ``stack.lock`` as long as it lives (the system lets go when the process dies), so a stale pid
is never believed. Light to import: ``stack env`` and ``stack status`` load nothing of the server.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.background import let_go, start_in_background
from gitsign_py.host.filelock import LOCKS_DIRECTORIES, FileLock, hold, is_held
from gitsign_py.host.ownprogram import own_command
from gitsign_py.host.privatefile import open_private, put_in_place, read_whole, write_whole
from gitsign_py.localstack.directory import INFO, LOCK, LOG, prepare_directory
from gitsign_py.localstack.placement import LOOPBACK, SERVICES, reach

START_SECONDS = 60.0  # one that ends is noticed at once
STOP_SECONDS = 10.0
LOG_BYTES = 1 << 20
"""A log that is longer is put aside at the next start, as stack.log.1."""
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.2  # more than anybody's is_locked takes


@dataclass(frozen=True, slots=True)
class StackInfo:
    """The contents of stack.json: where a stack of this directory serves or served, and the files that it wrote."""

    url: str
    port: int
    pid: int
    directory: Path
    started: str
    files: Mapping[str, str]
    host: str = LOOPBACK
    services: tuple[str, ...] = SERVICES

    @property
    def trusted_root(self) -> Path:
        """The trusted root in the JSON of protobuf-specs."""
        return Path(self.files["trusted_root.json"])

    def to_json(self) -> dict[str, Any]:
        """The object in stack.json; every service is at the one URL."""
        places = {
            "idp": {"issuer": self.url},
            "fulcio": {"fulcio": self.url},
            "rekor1": {"rekor": self.url},
            "ctlog": {"ctlog": f"{self.url}/ct/v1"},
            "tsa": {"tsa": f"{self.url}/api/v1/timestamp"},
            "tuf": {"tuf": f"{self.url}/tuf"},
        }
        served = {name: url for service in self.services for name, url in places.get(service, {}).items()}
        return {
            "version": 1,
            "url": self.url,
            "port": self.port,
            "pid": self.pid,
            "directory": str(self.directory),
            "started": self.started,
            "host": self.host,
            "services": list(self.services),
            **served,
            "files": dict(self.files),
        }


class Lock:
    """Held while a stack serves from a directory; a context manager."""

    def __init__(self, directory: Path) -> None:
        """Take it. Raises ConfigError ``stack-already-running``."""
        self._locks: list[FileLock] = []
        for path in _lockable(directory):
            lock = hold(path, _LOOK_SECONDS)
            if lock is None:
                self.__exit__()
                raise already_running(directory)
            self._locks.append(lock)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.close()


def _lockable(directory: Path) -> tuple[Path, ...]:
    """The lock file, and the directory itself: a file can be deleted under its lock (on Windows it cannot)."""
    return (directory / LOCK, directory) if LOCKS_DIRECTORIES else (directory / LOCK,)


def already_running(directory: Path) -> ConfigError:
    """The error of a second start."""
    info = read_info(directory)
    where = f" at {info.url} (pid {info.pid})" if info else ""
    return ConfigError(
        "stack-already-running",
        f"the local Sigstore in {directory} is running already{where}",
        hint="stop it with: gitsign-py stack down",
    )


def is_locked(directory: Path) -> bool:
    """Whether some process serves from ``directory``."""
    return any(is_held(path) for path in _lockable(directory))


def read_info(directory: Path) -> StackInfo | None:
    """The contents of stack.json, whether the stack runs or not; None without a readable one."""
    try:
        value = json.loads(read_whole(directory / INFO))
        return StackInfo(
            str(value["url"]),
            int(value["port"]),
            int(value["pid"]),
            directory,
            str(value["started"]),
            value["files"],
            str(value.get("host", LOOPBACK)),
            tuple(value.get("services", SERVICES)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def require_reach(directory: Path) -> None:
    """Where this user may not look, it is not known what is there: ConfigError ``stack-directory-unusable``."""
    try:
        with (directory / INFO).open("rb"):
            pass
    except PermissionError as error:
        raise ConfigError(
            "stack-directory-unusable", f"cannot use the directory {directory}: {error.strerror}"
        ) from error
    except OSError:
        pass


def running(directory: Path) -> StackInfo | None:
    """The stack that serves from ``directory`` now, None when none does."""
    return read_info(directory) if is_locked(directory) else None


def answers(info: StackInfo, seconds: float = 2.0) -> bool:
    """Whether the server behind ``info`` answers."""
    try:
        return exchange(info, "GET", "/healthz", seconds=seconds)[0] == 200
    except ServiceError:
        return False


def exchange(
    info: StackInfo, method: str, path: str, *, body: bytes = b"", media_type: str = "", seconds: float = 10.0
) -> tuple[int, bytes]:
    """One request to the stack, past any proxy: status and body. Raises ServiceError ``stack-unreachable``."""
    connection = http.client.HTTPConnection(reach(info.host), info.port, timeout=seconds)
    try:
        connection.request(method, path, body or None, {"Content-Type": media_type} if media_type else {})
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError("stack-unreachable", f"the local Sigstore at {info.url} does not answer: {error}") from error
    finally:
        connection.close()


def start_detached(directory: Path, arguments: Sequence[str]) -> StackInfo:
    """Start ``stack up`` in the background and wait until it answers.

    ``-P`` keeps the working directory out of the module path, where a repository could plant a module. Raises
    ServiceError ``stack-not-started``, ConfigError ``stack-directory-...``.
    """
    directory = prepare_directory(directory)
    log = directory / LOG
    _rotate_log(log)
    command = [*own_command(), "stack", "up", "--dir", str(directory), *arguments]
    descriptor = open_private(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begins = os.fstat(descriptor).st_size
    try:
        child = start_in_background(command, stdout=descriptor, stderr=descriptor)
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        info = read_info(directory)
        if info is not None and info.pid == child.pid and answers(info):
            let_go(child)
            return info
        time.sleep(_POLL_SECONDS)
    return _give_up(child, log, begins)


def _rotate_log(log: Path) -> None:
    """Put a long log aside; what a crash said before this start stays readable in either file."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        put_in_place(log, log.with_name(f"{LOG}.1"))


def limit_log(directory: Path, output: int = 2) -> None:
    """Keep the end of a log that has grown long under a running stack, whose ``output`` it is, as stack.log.1.

    The stack goes on appending to the same file, which begins anew. Raises OSError.
    """
    log = directory / LOG
    if not log.exists() or log.stat().st_size <= LOG_BYTES or not os.path.samestat(log.stat(), os.fstat(output)):
        return
    with log.open("rb") as file:
        file.seek(-LOG_BYTES, os.SEEK_END)
        write_whole(log.with_name(f"{LOG}.1"), file.read())
    os.truncate(log, 0)


def _give_up(child: "subprocess.Popen[bytes]", log: Path, begins: int) -> StackInfo:
    status = child.poll()
    if status is None:
        child.terminate()
    lines = log.read_bytes()[begins:].decode(errors="replace").strip().splitlines()
    silent = f"no answer within {START_SECONDS:.0f} s" if status is None else f"it ended with status {status}, no word"
    why = lines[-1].removeprefix("gitsign-py: ") if lines else silent
    raise ServiceError("stack-not-started", f"the local Sigstore did not start: {why}", hint=f"its log is {log}")


def stop(directory: Path, seconds: float = STOP_SECONDS) -> bool:
    """Ask the stack of ``directory`` to end and wait until it has; False when none runs.

    Raises ServiceError ``stack-not-stopped`` when it is still there after ``seconds``.
    """
    info = running(directory)
    if info is None:
        return False
    os.kill(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while is_locked(directory):
        if time.monotonic() > deadline:
            raise ServiceError(
                "stack-not-stopped",
                f"the local Sigstore (pid {info.pid}) did not end within {seconds:.0f} s",
                hint=f"end it with: {'taskkill /F /PID' if sys.platform == 'win32' else 'kill -9'} {info.pid}",
            )
        time.sleep(_POLL_SECONDS)
    return True
