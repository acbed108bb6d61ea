"""A socket that listens, and uvicorn over it: for the stack, and for whatever else this program serves."""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from gitsign_py.errors import ConfigError
from gitsign_py.localstack import connections
from gitsign_py.localstack.connections import Limits

_SHUTDOWN_SECONDS = 3
_BACKLOG = 128


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it re-raises what it caught, and a stopped server should just end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch nothing."""
        yield


def server(app: Starlette, limits: Limits) -> Server:
    """The server of an application; its clients cannot hold it, nor fill its log."""
    connections.keep_the_log_short()
    return Server(
        uvicorn.Config(
            app,
            http=connections.protocol(limits),
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in its queue until the server is up.

    Raises ConfigError ``stack-port-busy``, ``stack-port-unusable``.
    """
    # With the protocol named asyncio sets TCP_NODELAY; without, each answer waits 40 ms for a delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two programs have one port (Winsock, SO_EXCLUSIVEADDRUSE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        busy = error.errno == errno.EADDRINUSE
        raise ConfigError(
            "stack-port-busy" if busy else "stack-port-unusable",
            f"port {port} of {host} is in use" if busy else f"cannot use port {port} of {host}: {error.strerror}",
            hint="give another with --port, or --port 0 for any free one",
        ) from error
    return sock
