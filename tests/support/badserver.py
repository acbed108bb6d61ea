"""A loopback HTTP server that misbehaves on order: each request takes the next action of a script.

Actions speak HTTP by hand over the socket, so that a header can drip, a body can end early and a connection can die.
``requests`` keeps what came in: method, path, lower-case headers, body. A script that runs out repeats its last action.
"""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO, Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


Action = Callable[["Exchange"], bool]  # True keeps the connection open


@dataclass(slots=True)
class Exchange:
    """One request being answered."""

    request: Received
    connection: socket.socket
    stopping: threading.Event
    url: str

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def wait(self, seconds: float) -> None:
        self.stopping.wait(seconds)


def reply(status: int, value: object = b"", headers: dict[str, str] | None = None) -> Action:
    """Answer with bytes as they are, or with the JSON of anything else."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()

    def act(exchange: Exchange) -> bool:
        exchange.send(status, body, headers)
        return True

    return act


def computed(answer: Callable[[Received], tuple[int, object, dict[str, str]]]) -> Action:
    """Answer with what a function makes of the request."""

    def act(exchange: Exchange) -> bool:
        status, value, headers = answer(exchange.request)
        return reply(status, value, headers)(exchange)

    return act


Change = Callable[[int, bytes, dict[str, str]], tuple[int, bytes, dict[str, str]]]


def forward(upstream: str, change: Change = lambda status, body, headers: (status, body, headers)) -> Action:
    """Pass the request on to a real server and its answer back, changed or as it is."""

    def act(exchange: Exchange) -> bool:
        status, body, headers = change(*_ask(upstream, exchange.request))
        exchange.send(status, body, headers)
        return True

    return act


def _ask(upstream: str, request: Received) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=20)
    try:
        connection.request(request.method, request.path, request.body or None, _passed_on(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read(), _passed_on({name.lower(): value for name, value in answer.getheaders()})
    finally:
        connection.close()


def _passed_on(headers: dict[str, str]) -> dict[str, str]:
    hop_by_hop = ("host", "connection", "content-length", "transfer-encoding", "date", "server")
    return {name: value for name, value in headers.items() if name not in hop_by_hop}


def changed_json(change: Callable[[Any], Any]) -> Change:
    """A change to the JSON of a successful answer."""

    def apply(status: int, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        return (
            (status, json.dumps(change(json.loads(body))).encode(), headers)
            if status < 300
            else (status, body, headers)
        )

    return apply


def slow(seconds: float, then: Action | None = None) -> Action:
    """Say nothing for a while."""

    def act(exchange: Exchange) -> bool:
        exchange.wait(seconds)
        return (then or reply(200, {}))(exchange)

    return act


def drip(head: bytes, pause: float, count: int) -> Action:
    """Send ``head`` and then one byte after each pause."""

    def act(exchange: Exchange) -> bool:
        exchange.connection.sendall(head)
        for _ in range(count):
            exchange.wait(pause)
            exchange.connection.sendall(b"x")
        return False

    return act


def huge(size: int) -> Action:
    """Send a body of ``size`` bytes without saying how long it will be."""

    def act(exchange: Exchange) -> bool:
        exchange.connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(size // 65536):
            exchange.connection.sendall(b"x" * 65536)
        return False

    return act


def raw(data: bytes) -> Action:
    """Send these bytes and hang up."""

    def act(exchange: Exchange) -> bool:
        exchange.connection.sendall(data)
        return False

    return act


def drop() -> Action:
    """Hang up without a word."""
    return raw(b"")


@dataclass(slots=True)
class BadServer:
    """Runs until the ``with`` block ends."""

    script: list[Action]
    tls: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list)
    url: str = field(init=False)
    _listener: socket.socket = field(init=False, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _open: set[socket.socket] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._lock:
            for connection in (self._listener, *self._open):
                _shut(connection)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):  # the client hung up, as some tests want it to
            connection = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
            with self._lock:
                self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while (request := _read_request(stream)) is not None and self._act(request, connection):
                    pass
                _shut(connection)
                with self._lock:
                    self._open.discard(connection)

    def _act(self, request: Received, connection: socket.socket) -> bool:
        with self._lock:
            action = self.script[min(len(self.requests), len(self.script) - 1)]
            self.requests.append(request)
        return action(Exchange(request, connection, self._stopping, self.url))


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _read_request(stream: BinaryIO) -> Received | None:
    first = stream.readline()
    if not first:
        return None
    if not first.endswith(b" HTTP/1.1\r\n"):
        return Received("?", "", {}, first)
    method, path, _ = first.decode("ascii").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        if not line:
            return None  # it hung up in the middle
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Received(method, path, headers, stream.read(int(headers.get("content-length", "0"))))


@contextmanager
def serving(*script: Action, tls: ssl.SSLContext | None = None) -> Iterator[BadServer]:
    """Serve a script on a free loopback port."""
    with BadServer(list(script), tls) as server:
        yield server


def routed(routes: dict[str, Iterable[Action]]) -> Action:
    """Choose by ``METHOD /path``: each path has a script of its own, whose last action repeats."""
    scripts = {name: list(actions) for name, actions in routes.items()}
    counts: dict[str, int] = {}

    def act(exchange: Exchange) -> bool:
        name = f"{exchange.request.method} {exchange.request.path.partition('?')[0]}"
        script = scripts.get(name, [reply(404, {"message": f"nothing at {name}"})])
        at = counts.get(name, 0)
        counts[name] = at + 1
        return script[min(at, len(script) - 1)](exchange)

    return act


@cache
def unused_url() -> str:
    """A loopback URL at which nobody listens: its port is taken as long as this process lives, and by no listener.

    A port that was let go of would be the next one's, of another worker's server say.
    """
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    holder.detach()
    return f"http://127.0.0.1:{port}"
