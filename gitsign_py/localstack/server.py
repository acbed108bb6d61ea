"""The HTTP server below a stack and below a witness: a socket, and uvicorn with bounded connections."""

import asyncio
import contextlib
import errno
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn
from starlette.routing import Router

from gitsign_py.errors import ConfigError
from gitsign_py.host.endings import ended_by
from gitsign_py.localstack import connections
from gitsign_py.localstack.placement import Limits

_SHUTDOWN_SECONDS = 3
_BACKLOG = 128


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it re-raises what it caught, and a stopped server should just end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to ``run``."""
        yield


def make(app: Router, limits: Limits) -> Server:
    """A server for an application; it does not listen yet."""
    connections.keep_the_log_short()
    return Server(
        uvicorn.Config(
            app,
            http=connections.protocol(limits),
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,  # the application reads them
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )


def run(server: Server, sock: socket.socket) -> None:
    """Answer requests until ``should_exit`` is set or, in the main thread, SIGINT or SIGTERM comes."""
    asyncio.run(_run(server, sock))


async def _run(server: Server, sock: socket.socket) -> None:
    def stop() -> None:
        server.should_exit = True

    in_main_thread = threading.current_thread() is threading.main_thread()
    with ended_by(("SIGINT", "SIGTERM", "SIGBREAK") if in_main_thread else (), stop):
        await server.serve(sockets=[sock])


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in its queue until the server is up.

    Raises ConfigError ``stack-port-busy`` or ``stack-port-unusable``.
    """
    # With the protocol named asyncio sets TCP_NODELAY; without, each answer waits 40 ms for a delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two programs have one port (Winsock, SO_EXCLUSIVEADDRUSE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OverflowError as error:
        sock.close()
        raise ConfigError(
            "stack-port-unusable",
            f"{port} is no port number",
            hint="give one of 0 to 65535 (each worker of xdist counts one up)",
        ) from error
    except OSError as error:
        sock.close()
        busy = error.errno == errno.EADDRINUSE
        raise ConfigError(
            "stack-port-busy" if busy else "stack-port-unusable",
            f"port {port} of {host} is in use" if busy else f"cannot use port {port} of {host}: {error.strerror}",
            hint="give another with --port, or --port 0 for any free one",
        ) from error
    return sock
