"""The thin client: asks the agent to sign or to verify, and says None when the caller has to do it himself.

git starts this for every commit, so it loads next to nothing: ``_socket`` is the C core of :mod:`socket` (which costs
8 ms more for enum and selectors), and there is no json, no argparse, no dataclass here.

A conversation is one request on one connection. The agent answers with any number of ``wait`` frames (so a busy agent
can be told from a dead one), may ask back once or more (``need``: a token, a consent), and ends with ``ok`` or
``error``. A signature arrives whole, in one frame whose length was announced first, or not at all: a connection that
breaks before that yields None, and nothing half signed can reach git.
"""

import _socket  # the C core alone: see above
import os
import stat
import sys
import time

from gitsign_py.agent.protocol import HEADER_LENGTH, ProtocolError, body_length, pack_fields, pack_frame, unpack_fields

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Answer = Callable[["Fields"], "Fields | None"]

Fields = dict[str, bytes]

CONNECT_SECONDS = 1.0
SILENCE_SECONDS = 4.0  # the agent sends a wait frame each second while it works
ASK_SECONDS = 2.0
TOTAL_SECONDS = 300.0  # two sign-ins of other clients may come first
_PREFIXES = ("GIT_", "GITSIGN_", "SIGSTORE_", "TUF_", "XDG_", "LC_")
PLACES = (  # where trust roots and consents are kept; the last three on Windows
    "HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
)  # fmt: skip
NETWORK = (  # what host.network goes by, GIT_SSL_CAINFO aside; the names of proxies in both cases
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
_WINDOWS = ("SYSTEMROOT", "PROGRAMDATA", "HOMEDRIVE", "HOMEPATH", "PATHEXT", "TEMP", "TMP")  # no git runs without
_NAMES = ("PATH", "LANG", "TZ", *PLACES, *NETWORK, *_WINDOWS)
_NONCE_BYTES = 32
_LOCAL_PEERCRED = 1  # sys/un.h of macOS and the BSDs; level 0 is SOL_LOCAL


def socket_path(environment: "os._Environ[str] | dict[str, str]") -> str:
    """Where this user's agent listens.

    GITSIGN_CREDENTIAL_CACHE names it (the Go client's variable); else ``gitsign-py/agent.sock`` in XDG_RUNTIME_DIR, in
    /run/user/UID where systemd made that, or in the user's cache directory. Without a home that is ``/.cache``, as in
    containers, and no folder ``~`` of the repository that git stands in.
    """
    if named := environment.get("GITSIGN_CREDENTIAL_CACHE"):
        return os.path.abspath(named)  # noqa: PTH100  the agent runs in another directory
    base = environment.get("XDG_RUNTIME_DIR") or ""
    if not os.path.isabs(base):  # noqa: PTH117  pathlib costs 10 ms
        base = f"/run/user/{os.getuid()}" if hasattr(os, "getuid") else ""
    if not base or not _own_directory(base):
        local = environment.get("LOCALAPPDATA") if sys.platform == "win32" else None
        home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111
        base = local or os.path.join(home if os.path.isabs(home) else "/", ".cache")  # noqa: PTH117,PTH118
    return os.path.join(base, "gitsign-py", "agent.sock")  # noqa: PTH118


def helper_path(path: str) -> str:
    """Where a short-lived verifying helper listens: beside the agent, whose place is ``path``."""
    return os.path.join(os.path.dirname(path), "verify.sock")  # noqa: PTH118,PTH120


def should_start(mode: str, environment: "Mapping[str, str]") -> bool:
    """Say whether an absent agent is to be started: gitsign.agent is ``on``, or ``auto`` outside of CI.

    A CI job signs once or twice and then its processes are killed, or waited for.
    """
    return mode == "on" or (mode == "auto" and not environment.get("CI"))


def _own_directory(path: str) -> bool:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and (not hasattr(os, "getuid") or facts.st_uid == os.getuid())


def context(environment: "os._Environ[str] | dict[str, str]", directory: str) -> Fields:
    """Return the fields that tell the agent whose settings count: the working directory and git's and our variables.

    The agent reads the configuration itself; the client would need a ``git config`` of 5 ms for it. Device and inode
    of the directory (``place``) let it notice that it would read another one: a container has paths of its own.
    """
    facts = os.stat(directory)  # noqa: PTH116
    kept = {name: value for name, value in environment.items() if name.startswith(_PREFIXES) or name in _NAMES}
    return {
        "directory": os.fsencode(directory),
        "place": b"%d %d" % (facts.st_dev, facts.st_ino),
        "environment": pack_fields({name: os.fsencode(value) for name, value in kept.items() if len(name) < 256}),
    }


def try_sign(path: str, request: Fields, *, answer: "Answer | None" = None) -> Fields | None:
    """Have ``request["payload"]`` signed by the agent at ``path``.

    ``request`` is :func:`context` with ``payload``, and ``signer`` (git's ``-u`` argument, may be empty). ``answer``
    is called with each ``need`` frame (see agent.server) and returns the fields to send back, or None to give up;
    without it a need ends the conversation and is returned as it came.

    Returns the last frame: ``status`` is ``ok`` (``signature``: the finished armor; ``status_lines``: git's; ``text``:
    for the person; ``identity``, ``issuer``, ``log_index``, ``fingerprint``, ``time`` in seconds since 1970,
    ``warnings`` one a line), ``need``, or ``error`` (``kind``: class in gitsign_py.errors, ``reason``, ``message``,
    ``hint``, ``facts``: JSON, perhaps ``step``), or ``declined`` (the caller is to do it; ``differs``: what the agent
    has otherwise than the caller, empty where gitsign.agent off keeps it out).
    None: no agent there, a foreign one, or it died or fell silent before its answer was whole.
    """
    return converse(path, {**request, "request": b"sign"}, answer=answer)


def noting(answer: "Callable[[Fields], Fields]", brought: Fields) -> "Answer":
    """Return ``answer`` such that what it brings is kept in ``brought``: if the agent dies over a token, it is used."""

    def noted(need: Fields) -> Fields:
        given = answer(need)
        brought.update(given)
        return given

    return noted


def try_verify(path: str, request: Fields) -> Fields | None:
    """Have ``request["payload"]`` and ``request["signature"]`` (as git hands them over) verified by the agent.

    Returns ``status`` ``ok`` with ``status_lines`` (git's [GNUPG:] lines), ``text`` (for people) and ``exit_status``
    (ASCII decimal); or as :func:`try_sign` does.
    """
    return converse(path, {**request, "request": b"verify"})


def ask(path: str, request: str, **fields: bytes) -> Fields | None:
    """Send one small request (ping, status, log, lock, stop) and return its answer, None as for :func:`try_sign`."""
    return converse(path, {**fields, "request": request.encode("ascii")}, silence=ASK_SECONDS)


def converse(
    path: str, request: Fields, *, answer: "Answer | None" = None, silence: float | None = None
) -> Fields | None:
    """Hold one conversation; None for every way in which it can break. ``silence``: seconds without a word."""
    try:
        connection, proof = connect(path)
    except (OSError, ValueError, ProtocolError):
        return None
    try:
        send(connection, {**request, **proof})
        return _follow(connection, answer, SILENCE_SECONDS if silence is None else silence)
    except (OSError, ProtocolError):
        return None
    finally:
        connection.close()


def distrusted(path: str) -> str:
    """Say why what is at ``path`` is passed over: who else could have put it there; empty where nobody could."""
    from gitsign_py.agent.place import UnsafePlaceError, check_endpoint  # noqa: PLC0415 - for who finds an endpoint

    try:
        check_endpoint(path)
    except UnsafePlaceError as error:
        return str(error)
    except OSError:
        pass  # nothing there
    return ""


def connect(path: str) -> tuple[_socket.socket, Fields]:
    """Connect to the endpoint if it is our own user's by its place and peer; gives what the first request has to bring.

    Where there are no Unix sockets the path is a file of this user's alone that holds a loopback port and a secret.
    Raises OSError, ValueError, ProtocolError.
    """
    from gitsign_py.agent.place import check_endpoint  # noqa: PLC0415 - as above

    if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
        check_endpoint(path)
        return _connect_loopback(path)
    if sys.platform == "win32" or not hasattr(_socket, "AF_UNIX"):
        raise OSError("there are no Unix sockets here")
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(path)
        if peer_uid(connection) not in (os.getuid(), 0, None):
            raise OSError("the socket belongs to another user")
        check_endpoint(path)  # after the connection: what is connected to is then what was there in safety
    except OSError:
        connection.close()
        raise
    return connection, {}


def _connect_loopback(path: str) -> tuple[_socket.socket, Fields]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        port, secret = os.read(descriptor, 256).split()
    finally:
        os.close(descriptor)
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(("127.0.0.1", int(port)))
        return connection, _greet(connection, secret)
    except (OSError, ProtocolError):
        connection.close()
        raise


def _greet(connection: _socket.socket, secret: bytes) -> Fields:
    """Have the agent prove that it knows the secret, and give the proof that we do; the secret itself never travels.

    A port is anybody's once the agent is gone, and whoever listens there then must neither be believed nor learn it.
    """
    import hmac  # noqa: PLC0415 - 5 ms, for loopback alone

    nonce = os.urandom(_NONCE_BYTES)
    send(connection, {"request": b"hello", "nonce": nonce})
    connection.settimeout(CONNECT_SECONDS)
    reply = receive(connection)
    if not hmac.compare_digest(reply.get("proof", b""), loopback_proof(secret, b"agent", nonce)):
        raise OSError("a stranger listens at the agent's port")
    return {"proof": loopback_proof(secret, b"client", reply.get("nonce", b""))}


def loopback_proof(secret: bytes, role: bytes, nonce: bytes) -> bytes:
    """Answer ``nonce`` as ``role``, ``agent`` or ``client``: HMAC-SHA-256 (RFC 2104) under the secret."""
    import hmac  # noqa: PLC0415 - as above

    return hmac.digest(secret, role + b" " + nonce, "sha256")


def peer_uid(connection: _socket.socket) -> int | None:
    """Return the user id at the other end as the kernel knows it; None where the system does not tell."""
    credentials = getattr(_socket, "SO_PEERCRED", None)
    if credentials is not None:  # Linux, unix(7): struct ucred {pid, uid, gid}
        return int.from_bytes(connection.getsockopt(_socket.SOL_SOCKET, credentials, 12)[4:8], sys.byteorder)
    if sys.platform == "darwin":  # struct xucred {version, uid, ...}
        return int.from_bytes(connection.getsockopt(0, _LOCAL_PEERCRED, 76)[4:8], sys.byteorder)
    return None


def send(connection: _socket.socket, fields: Fields) -> None:
    """Send one frame."""
    connection.settimeout(SILENCE_SECONDS)
    connection.sendall(pack_frame(fields))


def receive(connection: _socket.socket) -> Fields:
    """Receive one frame; raises OSError (broken, silent) or ProtocolError (not ours)."""
    return unpack_fields(_receive_exactly(connection, body_length(_receive_exactly(connection, HEADER_LENGTH))))


def _receive_exactly(connection: _socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(min(count - len(data), 1 << 20))
        if not part:
            raise OSError("the agent closed the connection")
        data += part
    return bytes(data)


def _follow(connection: _socket.socket, answer: "Answer | None", silence: float) -> Fields | None:
    end = time.monotonic() + TOTAL_SECONDS
    while time.monotonic() < end:
        connection.settimeout(silence)
        reply = receive(connection)
        if reply.get("status") == b"wait":
            continue
        if reply.get("status") != b"need" or answer is None:
            return reply
        given = answer(reply)
        send(connection, {"request": b"give-up"} if given is None else given)
        if given is None:
            return reply
        end = time.monotonic() + TOTAL_SECONDS
    return None
