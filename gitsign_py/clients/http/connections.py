"""Connections of our own: HTTP/1.1 over TCP and TLS, direct or by a plain or SOCKS proxy, kept for the next request.

``socket`` (enum, selectors) and ``ssl`` are loaded where TLS is spoken: a service on this machine needs neither.
"""

import _socket  # the C core alone, as agent/client.py has it
import select
import sys
import time
from binascii import b2a_base64
from urllib.parse import quote, unquote, urlsplit

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.http.message import Incoming, has_length, read_body, read_head, request_bytes
from gitsign_py.clients.http.request import (
    USER_AGENT,
    BrokenAnswer,
    Patience,
    Request,
    timed_out,
    too_large,
    unaskable,
    unreachable,
    untrusted,
)
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import GitsignError

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from gitsign_py.clients.http.request import Transport
    from gitsign_py.host.network import Network, TlsTrust

_PORTS = {"http": 80, "https": 443}
_PROXIES = ("http", "socks5", "socks5h", "socks4", "socks4a", "socks")
_KEPT = 8  # idle connections to one place
_PATH_SIGNS = "!#$%&'()*+,/:;=?@[]~"  # RFC 3986 §2.2, and the sign of what is encoded already


@frozen
class _Route:
    """The place that a connection leads to, and what it is trusted by: connections are kept by it. ``through`` is where
    the proxy listens, or none, and ``socks`` its scheme where it is a SOCKS proxy.
    """

    scheme: str
    host: str
    port: int
    through: tuple[str, int] | None
    socks: str
    password: str  # the proxy's, as name:password
    trust: "TlsTrust | None"  # None without TLS

    @property
    def name(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class _Connection:
    """One connection; ``patience`` of the request that it serves bounds each wait."""

    def __init__(self, route: _Route, patience: Patience, network: "Network") -> None:
        self.patience = patience
        try:
            self._socket: _socket.socket = _dialled(route.through or (route.host, route.port), patience)
        except OSError:
            if route.trust is not None:
                network.context(route.trust)  # where this cannot be made, that is what to say
            raise
        self._incoming = Incoming(self._receive)
        try:
            if route.socks:
                from gitsign_py.clients.http.socks import open_socks  # noqa: PLC0415 - for those who have such a proxy

                open_socks(route.socks, self._send, self._incoming, (route.host, route.port), route.password)
            if route.trust is not None:
                self._secure(route, network.context(route.trust))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    @property
    def reusable(self) -> bool:
        """Whether the other side is still there and has said nothing unasked."""
        try:
            return self._incoming.idle and not select.select([self._socket.fileno()], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def ask(self, request: Request, data: bytes) -> tuple[int, "Mapping[str, str]", bytes | None, bool]:
        """Send, and read status, headers, body (None: too large), and whether the connection may be kept."""
        self._send(data)
        status, headers, kept = read_head(self._incoming)
        body = read_body(self._incoming, request.method, status, headers, request.max_bytes)
        return status, headers, body, kept and has_length(request.method, status, headers)

    def _secure(self, route: _Route, context: "ssl.SSLContext") -> None:
        import socket  # noqa: PLC0415 - 5 ms, and ssl's 8, for who speaks TLS

        if route.through is not None and not route.socks:
            self._tunnel(route)
        plain = socket.socket(fileno=self._socket.detach())
        self._socket = plain
        plain.settimeout(_left(self.patience))
        self._socket = context.wrap_socket(plain, server_hostname=route.host)
        self._incoming = Incoming(self._receive)

    def _tunnel(self, route: _Route) -> None:
        """RFC 9110 §9.3.6."""
        host = f"[{route.host}]" if ":" in route.host else route.host
        place = f"{host}:{route.port}"
        headers = [("Host", place), ("User-Agent", USER_AGENT), *_password(route)]
        self._send(request_bytes("CONNECT", place, headers, None))
        status, _, _ = read_head(self._incoming)
        if not 200 <= status < 300:
            raise OSError(f"the proxy answered {status}")
        if not self._incoming.idle:
            raise BrokenAnswer("the proxy says more than was asked")

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.patience))
        try:  # noqa: SIM105 - contextlib costs 3 ms of every commit
            self._socket.sendall(data)
        except BrokenPipeError:
            pass  # a server that has read enough may have said why

    def _receive(self, count: int) -> bytes:
        self._socket.settimeout(_left(self.patience))
        return self._socket.recv(count)


class Connections:
    """Sends requests and keeps connections (port ``Transport``).

    What is rare goes through ``requests``: a proxy that is reached by TLS, a host name that is not ASCII.
    """

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._idle: dict[_Route, list[_Connection]] = {}
        self._others: Transport | None = None
        self._closed = False

    def close(self) -> None:
        """Drop the connections."""
        self._closed = True
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()
        if self._others is not None:
            self._others.close()

    def prepare(self, url: str) -> None:
        """Load TLS and the authorities (20 ms) where they are needed; see ``Transport``."""
        if url.startswith("https:"):
            try:
                self._network.context(self._network.trust_for(url))  # it is made here
            except GitsignError:
                return  # the connection says so

    def send(self, request: Request, patience: Patience) -> Answer:
        """Send one request and read its answer; see ``Transport``."""
        parts = urlsplit(request.url)
        trust = self._network.trust_for(request.url) if parts.scheme == "https" else None
        proxy = self._network.proxy(request.url)
        route = _route(parts, proxy, trust)
        if route is None:
            return self._other().send(request, patience)
        try:
            return self._sent(request, patience, route, _data(request, parts, route))
        except TimeoutError as error:
            raise timed_out(request, patience.budget, proxy) from error
        except (OSError, BrokenAnswer) as error:  # a certificate's error is a ValueError too
            if _is_tls(error):
                raise untrusted(request, self._network, error) from error
            raise unreachable(request, error, proxy) from error
        except ValueError as error:
            raise unaskable(request, error, proxy) from error

    def _sent(self, request: Request, patience: Patience, route: _Route, data: bytes) -> Answer:
        connection = self._taken(route, patience) or _Connection(route, patience, self._network)
        keep = False
        try:
            status, headers, body, keep = connection.ask(request, data)
            if body is None:
                keep = False
                raise too_large(request)
        finally:
            if keep and not self._closed and len(idle := self._idle.setdefault(route, [])) < _KEPT:
                idle.append(connection)
            else:
                connection.close()
        return Answer(request.service, request.method, request.url, status, headers, body)

    def _taken(self, route: _Route, patience: Patience) -> _Connection | None:
        """An idle connection that still stands: a server may have closed it meanwhile."""
        idle = self._idle.get(route, [])
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread took it
                return None
            if connection.reusable:
                connection.patience = patience
                return connection
            connection.close()
        return None

    def _other(self) -> "Transport":
        if self._others is None:
            from gitsign_py.clients.http.byrequests import ByRequests  # noqa: PLC0415 - 60 ms, see above

            self._others = ByRequests(self._network)
        return self._others


def _route(parts: "SplitResult", proxy: str, trust: "TlsTrust | None") -> _Route | None:
    """How to go there; None where ``requests`` is to."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if not host.isascii():
        return None
    if not proxy:
        return _Route(parts.scheme, host, port, None, "", "", trust)
    try:
        by = urlsplit(proxy)
        is_odd = not proxy.isascii() or not proxy.isprintable() or " " in proxy
        if is_odd or by.scheme not in _PROXIES or not by.hostname or by.port is None:
            return None
        through, socks = (by.hostname, by.port), by.scheme.removeprefix("http")
        password = f"{unquote(by.username)}:{unquote(by.password or '')}" if by.username is not None else ""
        return _Route(parts.scheme, host, port, through, socks, password, trust)
    except ValueError:
        return None


def _data(request: Request, parts: "SplitResult", route: _Route) -> bytes:
    """The request in bytes; a plain proxy is told the whole address (RFC 9112 §3.2.2)."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = quote(target, safe=_PATH_SIGNS)
    headers = {"host": ("Host", route.name), "user-agent": ("User-Agent", USER_AGENT)}
    headers |= {"accept-encoding": ("Accept-Encoding", "identity"), "accept": ("Accept", "*/*")}
    headers |= {name.lower(): (name, value) for name, value in request.headers.items()}
    if request.body is not None or request.method != "GET":
        headers["content-length"] = ("Content-Length", str(len(request.body or b"")))
    fields = list(headers.values())
    if route.through is not None and not route.socks and parts.scheme == "http":
        target, fields = f"http://{route.name}{target}", [*fields, *_password(route)]
    return request_bytes(request.method, target, fields, request.body)


def _password(route: _Route) -> list[tuple[str, str]]:
    """RFC 7617, as the proxy's URL has it."""
    if not route.password:
        return []
    return [("Proxy-Authorization", "Basic " + b2a_base64(route.password.encode(), newline=False).decode("ascii"))]


def _dialled(place: tuple[str, int], patience: Patience) -> _socket.socket:
    """A connection to the first address of a name that answers. The name goes as bytes: text loads the IDNA codec."""
    last: OSError | None = None
    for family, kind, protocol, _, address in _socket.getaddrinfo(place[0].encode(), place[1], 0, _socket.SOCK_STREAM):
        made = _socket.socket(family, kind, protocol)
        try:
            made.settimeout(min(patience.connect, _left(patience)))
            made.connect(address)
        except OSError as error:
            made.close()
            last = error
        else:
            return made
    raise last or OSError("the name has no address")


def _left(patience: Patience) -> float:
    """The seconds that are left. Raises TimeoutError when there are none."""
    left = patience.deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_tls(error: BaseException) -> bool:
    """Whether TLS failed. Where ssl was not loaded nothing of it can have."""
    tls = sys.modules.get("ssl")
    return tls is not None and isinstance(error, tls.SSLError)
