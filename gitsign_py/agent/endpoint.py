"""Where the agent listens: a Unix socket that only its user can reach, one that systemd or launchd made, or loopback.

One agent listens at a path: it holds a lock on PATH.lock for its life, so a killed agent leaves a socket that the next
one may replace, and a living one is never replaced.
"""

import contextlib
import os
import socket
import stat
import sys
from pathlib import Path

from gitsign_py.agent.place import UnsafePlaceError, check_directory
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import ConfigError
from gitsign_py.host.filelock import FileLock, hold
from gitsign_py.host.privatefile import open_private

FORWARD_NAME = "forward.sock"
_LISTEN_FDS_START = 3  # sd_listen_fds(3)
_BACKLOG = 128
_LONGEST_PATH = 103  # sockaddr_un: 108 bytes on Linux, 104 on macOS, one for the NUL


@frozen
class Listener:
    """A listening socket; ``restricted`` for the forwarding one, ``secret`` for loopback (empty: a Unix socket)."""

    socket: socket.socket
    restricted: bool = False
    secret: bytes = b""


@frozen
class Endpoint:
    """The place where the agent listens; ``owned`` are the files to remove at the end, with device and inode."""

    listeners: tuple[Listener, ...]
    path: Path
    owned: tuple[tuple[Path, int, int], ...] = ()
    lock: FileLock | None = None

    def still_ours(self) -> bool:
        """Say whether the files are still the ones that were made here (a cleaner may have removed them)."""
        return all(_identity(path) == (device, inode) for path, device, inode in self.owned)

    def remove(self) -> None:
        """Remove what was made here and let the next agent in."""
        for path, device, inode in self.owned:
            if _identity(path) == (device, inode):
                path.unlink(missing_ok=True)
        if self.lock is not None:
            self.lock.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def open_endpoint(path: Path, *, loopback: bool = False, forward: bool = True) -> Endpoint | None:
    """Listen at ``path`` and, with ``forward``, on the forwarding socket beside it; None when a living agent is there.

    On ``loopback``, and where there are no Unix sockets, it listens on 127.0.0.1 alone.

    Raises ConfigError ``agent-directory-...``, ``agent-socket-...``.
    """
    prepare_directory(path.parent)
    lock = lock_beside(path, "lock")
    if lock is None:
        return None
    try:
        if loopback or not hasattr(socket, "AF_UNIX"):
            return _open_loopback(path, lock)
        places = {path: False, **({path.with_name(FORWARD_NAME): True} if forward else {})}
        listeners = tuple(Listener(_bind(place), restricted=restricted) for place, restricted in places.items())
    except BaseException:
        lock.close()
        raise
    return Endpoint(listeners, path, tuple(map(_owned, places)), lock)


def prepare_directory(directory: Path) -> None:
    """Make the directory, or make sure that nobody else can put a socket into it. Mode 0700 for one made here."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_directory(str(directory))
    except UnsafePlaceError as error:
        raise ConfigError(
            "agent-directory-unsafe",
            f"the agent's directory {directory} is not safe: {error}",
            hint=f"chmod 700 {directory}, or let GITSIGN_CREDENTIAL_CACHE name a socket in a directory of your own",
            facts={"path": str(directory)},
        ) from error
    except OSError as error:
        raise ConfigError(
            "agent-directory-unusable", f"cannot use the agent's directory {directory}: {error.strerror}"
        ) from error


def open_beside(path: Path | str, suffix: str) -> int:
    """Open PATH.SUFFIX, a file of our own beside the socket, mode 0600; a link there would lead to somebody else's.

    Raises ConfigError ``agent-directory-unusable``.
    """
    name = f"{path}.{suffix}"
    try:
        return open_private(name, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise _unusable(name, error) from error


def lock_beside(path: Path | str, suffix: str, seconds: float = 0.0) -> FileLock | None:
    """Lock PATH.SUFFIX; None when others hold it for all of ``seconds``. Raises as :func:`open_beside` does."""
    name = f"{path}.{suffix}"
    try:
        return hold(Path(name), seconds)
    except OSError as error:
        raise _unusable(name, error) from error


def _unusable(name: str, error: OSError) -> ConfigError:
    return ConfigError(
        "agent-directory-unusable",
        f"cannot write the agent's file {name}: {(error.strerror or 'error').lower()}",
        hint="remove it, or let GITSIGN_CREDENTIAL_CACHE name a socket elsewhere",
        facts={"path": name},
    )


def _bind(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigError(
            "agent-socket-path-too-long",
            f"the agent's socket path {path} is too long for a Unix socket",
            hint="let GITSIGN_CREDENTIAL_CACHE name a shorter one",
        )
    if sys.platform == "win32":  # for the type checker, as below
        raise ConfigError("agent-socket-kind", "there are no Unix sockets here")
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)  # the file is 0600 from its first moment
    try:
        listening.bind(str(path))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigError(
            "agent-socket-unusable", f"cannot listen at {path}: {error.strerror}", facts={"path": str(path)}
        ) from error
    finally:
        os.umask(old)
    return listening


def _remove_stale(path: Path) -> None:
    """Remove what a killed agent left. Somebody who listens there without our lock is another program: leave it."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    ours = not _somebody_listens(path) if stat.S_ISSOCK(mode) else stat.S_ISREG(mode) and _is_loopback_file(path)
    if not ours:
        raise ConfigError(
            "agent-socket-taken",
            f"{path} belongs to another program",
            hint="stop it (the Go client's gitsign-credential-cache?), or name another path",
            facts={"path": str(path)},
        )
    path.unlink(missing_ok=True)


def _somebody_listens(path: Path) -> bool:
    if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def _is_loopback_file(path: Path) -> bool:
    words = path.read_bytes()[:256].split()
    return len(words) == 2 and words[0].isdigit() and len(words[1]) == 64


def _owned(path: Path) -> tuple[Path, int, int]:
    facts = path.lstat()
    return path, facts.st_dev, facts.st_ino


def _open_loopback(path: Path, lock: FileLock) -> Endpoint:
    """For systems without Unix sockets: a port of 127.0.0.1, and a secret that only this user can read."""
    _remove_stale(path)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(_BACKLOG)
    secret = os.urandom(32).hex().encode()
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(b"%d %s\n" % (listening.getsockname()[1], secret))
    return Endpoint((Listener(listening, secret=secret),), path, (_owned(path),), lock)


def activated_endpoint() -> Endpoint | None:
    """Take the sockets that systemd (LISTEN_FDS) or launchd opened for us; None when there are none."""
    descriptors = _from_systemd() or _from_launchd()
    listeners, path = [], Path()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        listening = socket.socket(fileno=descriptor)
        if listening.family != getattr(socket, "AF_UNIX", None):
            raise ConfigError("agent-socket-kind", "the socket handed over at the start is no Unix socket")
        name = Path(os.fsdecode(listening.getsockname()))
        restricted = name.name == FORWARD_NAME
        path = path if restricted else name
        listeners.append(Listener(listening, restricted=restricted))
    return Endpoint(tuple(listeners), path) if listeners else None


def _from_systemd() -> list[int]:
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    return list(range(_LISTEN_FDS_START, _LISTEN_FDS_START + int(count)))


def _from_launchd() -> list[int]:
    """launch_activate_socket(3): the names are the keys of Sockets in the property list."""
    if sys.platform != "darwin":
        return []
    import ctypes  # noqa: PLC0415 - for launchd alone

    found: list[int] = []
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for name in (b"Agent", b"Forward"):
            array, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
            if library.launch_activate_socket(name, ctypes.byref(array), ctypes.byref(count)) == 0:
                found += [array[index] for index in range(count.value)]
                library.free(array)
    return found
