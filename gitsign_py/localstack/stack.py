"""A whole stack: directory, services, one loopback port. Runs in the foreground, or in a thread for tests and demos."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import uvicorn

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.errors import ConfigError
from gitsign_py.host.endings import ended_by
from gitsign_py.localstack import assembly, clientfiles, connections, http, integrity
from gitsign_py.localstack.clockguard import ClockGuard
from gitsign_py.localstack.connections import Limits
from gitsign_py.localstack.context import Context, Hook, system_clock
from gitsign_py.localstack.directory import INFO, prepare_directory
from gitsign_py.localstack.keyring import Keyring, PrivateKey, new_key
from gitsign_py.localstack.process import Lock, StackInfo
from gitsign_py.localstack.service import Request, Response, Route, Service, json_response, plain_errors
from gitsign_py.localstack.state import State

DEFAULT_PORT = 18400
_log = logging.getLogger("gitsign_py.localstack")
_LIMITS = Limits()
_SHUTDOWN_SECONDS = 3
_BACKLOG = 128


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: it re-raises what it caught, and a stopped stack should just end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Stack:
    """Opens a directory and a port; ``serve`` blocks until ``stop``. As a context manager it serves from a thread."""

    def __init__(
        self,
        directory: Path,
        port: int = DEFAULT_PORT,
        *,
        hook: Hook | None = None,
        clock: Callable[[], datetime] = system_clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
        further: tuple[Service, ...] = (),
        rekor2_key: str = "ed25519",
        clock_is_right: bool = False,
        make_key: Callable[[str], PrivateKey] = new_key,
        limits: Limits = _LIMITS,
    ) -> None:
        """Take the lock, bind 127.0.0.1 (``port`` 0: any free one), open state and keys, write the client files.

        ``further`` services are those of whoever starts the stack, such as the fault control;
        ``rekor2_key`` is the kind of key that Rekor v2 gets when it has none yet (ed25519 or ecdsa-p256);
        ``clock_is_right`` lets it start with a clock that is behind what it was before; ``make_key`` makes server keys.

        Raises ConfigError ``stack-already-running``, ``stack-port-busy`` or ``stack-directory-...``.
        """
        self._closing = contextlib.ExitStack()
        try:
            directory = prepare_directory(directory)
            self._closing.enter_context(Lock(directory))
            self._socket = self._closing.enter_context(_bind(port))
            self.port: int = self._socket.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
            state = State(directory)
            self._closing.callback(state.close)
            with state.reading() as db:
                state.damaged = integrity.damaged_logs(db)
            for fault in state.damaged.values():
                _log.error("damaged log, it signs nothing: %s; see: gitsign-py stack fsck", fault)
            hook = hook or Hook()
            self._guard = ClockGuard(clock, state, believed=clock_is_right)
            self.context = Context(self.url, state, Keyring(state, make_key), self._guard.now, random, hook)
            self.context.keyring.sweep()
            self.services = (*assembly.services(self.context, rekor2_key), self._own_service(), *further)
            self._files: dict[str, str] = {}
            self.context.keyring.publish(self._write_client_files)
            self.info = self._write_info()
            app = http.application(self.services, hook)
        except BaseException:
            self._closing.close()
            raise
        connections.keep_the_log_short()
        self._server = _Server(
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
        self._thread: threading.Thread | None = None

    def _write_client_files(self) -> None:
        self._files = clientfiles.write(self.context.state, self.services)

    def _write_info(self) -> StackInfo:
        """Write stack.json after the client files: whoever finds that one finds the others."""
        directory = self.context.state.directory
        started = format_rfc3339(self.context.clock().replace(microsecond=0))
        info = StackInfo(self.url, self.port, os.getpid(), directory, started, self._files)
        self.context.state.write_file(INFO, json.dumps(info.to_json(), indent=2).encode() + b"\n", 0o644)
        return info

    def _own_service(self) -> Service:
        routes = (Route("GET", "/healthz", self._health), Route("GET", "/stack.json", self._describe))
        return Service("stack", routes, plain_errors, start=self._guard.start, stop=self._guard.stop)

    def _health(self, _: Request) -> Response:
        """``GET /healthz``: the database is read and written; logs that sign nothing are named."""
        state = self.context.state
        with state.transaction() as db:
            db.execute("INSERT INTO marks VALUES ('health', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
        if not state.damaged:
            return json_response({"status": "ok"})
        return json_response({"status": "degraded", "damaged": sorted(state.damaged.values())})

    def _describe(self, _: Request) -> Response:
        return json_response(self.info.to_json())

    def serve(self) -> None:
        """Answer requests until ``stop`` or, in the main thread, SIGINT or SIGTERM; then let go of everything."""
        try:
            for service in self.services:
                service.start()
                self._closing.callback(service.stop)
            asyncio.run(self._run())
        finally:
            self.close()

    async def _run(self) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        with ended_by(("SIGINT", "SIGTERM", "SIGBREAK") if in_main_thread else (), self.stop):
            await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Make ``serve`` return; from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Let go of port, database and lock; twice does no harm."""
        self._closing.close()

    def __enter__(self) -> "Stack":
        self._thread = threading.Thread(target=self.serve, name="local-stack", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()


def _bind(port: int) -> socket.socket:
    """A listening socket on loopback; connections wait in its queue until the server is up."""
    # With the protocol named asyncio sets TCP_NODELAY; without, each answer waits 40 ms for a delayed acknowledgement.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two programs have one port (Winsock, SO_EXCLUSIVEADDRUSE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        busy = error.errno == errno.EADDRINUSE
        raise ConfigError(
            "stack-port-busy" if busy else "stack-port-unusable",
            f"port {port} of 127.0.0.1 is in use" if busy else f"cannot use port {port}: {error.strerror}",
            hint="give another with --port, or --port 0 for any free one",
        ) from error
    return sock
