"""A whole stack: directory, services, one loopback port. Runs in the foreground, or in a thread for tests and demos."""

import contextlib
import json
import logging
import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.localstack import assembly, clientfiles, http, integrity, server
from gitsign_py.localstack.assembly import Choices
from gitsign_py.localstack.clockguard import ClockGuard
from gitsign_py.localstack.context import Context, Hook, Sources
from gitsign_py.localstack.directory import INFO, prepare_directory
from gitsign_py.localstack.keyring import Keyring
from gitsign_py.localstack.placement import Placement
from gitsign_py.localstack.process import Lock, StackInfo, limit_log
from gitsign_py.localstack.requestlog import Meter
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service, json_response, plain_errors
from gitsign_py.localstack.state import State, unusable

DEFAULT_PORT = 18400
_log = logging.getLogger("gitsign_py.localstack")
_PLACE, _CHOICES, _SOURCES = Placement(), Choices(), Sources()


def _guard_of(sources: Sources, state: State) -> ClockGuard:
    def keep_the_log_short() -> None:
        limit_log(state.directory)

    return ClockGuard(sources.clock, state, believed=sources.clock_is_right, also=keep_the_log_short)


class Stack:
    """Opens a directory and a port; ``serve`` blocks until ``stop``. As a context manager it serves from a thread."""

    def __init__(
        self,
        directory: Path,
        port: int = DEFAULT_PORT,
        *,
        hook: Hook | None = None,
        further: tuple[Service, ...] = (),
        place: Placement = _PLACE,
        choices: Choices = _CHOICES,
        sources: Sources = _SOURCES,
    ) -> None:
        """Take the lock, bind the ``place`` (``port`` 0: any free one), open state and keys, write the client files.

        ``further`` services are those of whoever starts the stack, such as the fault control.

        Raises ConfigError ``stack-already-running``, ``stack-port-busy``, ``stack-directory-...`` or
        ``stack-database-...``.
        """
        self._closing = contextlib.ExitStack()
        try:
            directory = prepare_directory(directory)
            self._closing.enter_context(Lock(directory))
            self._socket = self._closing.enter_context(server.bind(place.host, port))
            self.port: int = self._socket.getsockname()[1]
            self.url = place.url_at(self.port)
            self._place, self._meter = place, Meter()
            state = State(directory)
            self._closing.callback(state.close)
            with state.reading() as db:
                state.damaged = integrity.damaged_logs(db)
            for fault in state.damaged.values():
                _log.error("damaged log, it signs nothing: %s; see: gitsign-py stack fsck", fault)
            hook = hook or Hook()
            self._guard = _guard_of(sources, state)
            keyring = Keyring(state, sources.make_key)
            self.context = Context(self.url, state, keyring, self._guard.now, sources.random, hook)
            self.context.keyring.sweep()
            made = assembly.parts(self.context, choices, place.services)
            self.services = (*assembly.services_of(made, place.services), self._own_service(), *further)
            self._files: dict[str, str] = {}
            self.context.keyring.publish(self._write_client_files)
            self.info = self._write_info()
            app = http.application(self.services, hook, place, self._meter, state.together)
        except BaseException as error:
            self._closing.close()
            if isinstance(error, sqlite3.Error | Refusal):
                raise unusable(directory, error) from error
            raise
        self._server = server.make(app, place.limits)
        self._thread: threading.Thread | None = None

    def _write_client_files(self) -> None:
        self._files = clientfiles.write(self.context.state, self.services)

    def _write_info(self) -> StackInfo:
        """Write stack.json after the client files: whoever finds that one finds the others."""
        directory = self.context.state.directory
        started = format_rfc3339(self.context.clock().replace(microsecond=0))
        place = self._place
        info = StackInfo(self.url, self.port, os.getpid(), directory, started, self._files, place.host, place.services)
        self.context.state.write_file(INFO, json.dumps(info.to_json(), indent=2).encode() + b"\n", 0o644)
        return info

    def _own_service(self) -> Service:
        routes = [
            Route("GET", "/healthz", self._health),
            Route("GET", "/livez", lambda _: json_response({"status": "ok"})),
            Route("GET", "/readyz", self._ready),
            Route("GET", "/metrics", self._metrics),
        ]
        if not self._place.exposed:  # it names this machine's paths
            routes.append(Route("GET", "/stack.json", self._describe))
        return Service("stack", tuple(routes), plain_errors, start=self._guard.start, stop=self._guard.stop)

    def _ready(self, request: Request) -> Response:
        """``GET /readyz``: 200 when everything works; a disk, a clock or a log that does not is 503."""
        self.context.clock()
        answer = self._health(request)
        return replace(answer, status=503) if self.context.state.damaged else answer

    def _metrics(self, _: Request) -> Response:
        """``GET /metrics``, for Prometheus."""
        state = self.context.state
        with state.reading() as db:
            sizes = {name: integrity.head(db, tree_id)[0] for name, tree_id in integrity.logs(db)}
        text = self._meter.exposition(sizes, damaged=len(state.damaged))
        return Response(200, text, "text/plain; version=0.0.4; charset=utf-8")

    def _health(self, _: Request) -> Response:
        """``GET /healthz``: the database is read and written; logs that sign nothing are named."""
        state = self.context.state
        state.check_writes()
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
            server.run(self._server, self._socket)
        finally:
            self.close()

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
