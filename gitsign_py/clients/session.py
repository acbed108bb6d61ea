"""One HTTP exchange that ends: in time, within a size, with an answer or with one ServiceError that says why not.

A transport (``clients/http``) does the protocol, TLS and the environment's proxies. The rest is here: a
budget for the whole exchange (a name server that is silent can hold it for ever), a retry where a retry can help,
redirects, and what the program loads while it waits.
"""

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from urllib.parse import urljoin, urlsplit

from gitsign_py.clients.answer import REDIRECTS, Answer, status_error
from gitsign_py.clients.http.connections import Connections
from gitsign_py.clients.http.request import Patience, Request, timed_out
from gitsign_py.clients.urls import check_url
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ServiceError
from gitsign_py.host.network import Network

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gitsign_py.clients.http.request import Transport

_CLOCK_SECONDS = 60.0  # later this machine's clock may have been set
_MAXREDIRECTS = 5
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_CREDENTIALS = frozenset({"authorization", "job-token", "private-token"})  # headers that hold a token


@frozen
class Limits:
    """The limits of an exchange. Times in seconds, sizes in bytes.

    ``total`` covers everything from name look-up to the last byte, retry and pause included; ``connect`` one attempt
    to connect. ``tries`` is how often a request is sent at most, ``backoff`` the pause before it is sent again (up to
    as much again is added at random, so that many clients do not come back at once); a server's Retry-After is honoured
    up to ``retry_after``.
    """

    total: float = 10.0
    connect: float = 5.0
    max_bytes: int = 4 * 1024 * 1024
    backoff: float = 0.3
    retry_after: float = 3.0
    tries: int = 2


def _chance() -> float:
    """A number in [0, 1); ``random`` would load more than all of this."""
    return int.from_bytes(os.urandom(4), "big") / (1 << 32)


class HttpSession(Closeable):
    """Keeps warm connections for one run of the program; close it, or use it as a context manager.

    ``network`` says how to connect (without it the variables of this process do); ``jitter`` gives a number in [0, 1);
    ``sleep`` waits that many seconds; ``transport`` makes what sends the requests; ``meanwhile`` names modules that the
    program will need: each is loaded in a wait for an answer.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        network: Network | None = None,
        jitter: "Callable[[], float]" = _chance,
        sleep: "Callable[[float], None]" = time.sleep,
        transport: "Callable[[Network], Transport]" = Connections,
        meanwhile: "Sequence[str]" = (),
    ) -> None:
        self.limits = limits or Limits()
        self._jitter = jitter
        self._sleep = sleep
        self._network = network or Network(os.environ)
        self._new_transport = transport
        self._transport = transport(self._network)
        self._meanwhile = list(meanwhile)
        self._measured: tuple[float, timedelta] | None = None

    def close(self) -> None:
        """Drop the connections."""
        self._transport.close()

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far this machine's clock is ahead of the server that answered last; None when that was a minute ago."""
        if self._measured is None or time.monotonic() - self._measured[0] > _CLOCK_SECONDS:
            return None
        return self._measured[1]

    def exchange(
        self,
        service: str,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: "Mapping[str, str] | None" = None,
        expected: "Collection[int]" = (200,),
        limits: Limits | None = None,
    ) -> Answer:
        """Send one request and return the whole answer when its status is ``expected``.

        ``service`` is the name for messages ("Fulcio"); the ``total`` and ``max_bytes`` of ``limits`` count in place of
        the session's. A failed connection and the statuses 429, 500, 502, 503 and 504 are tried once more, unless the
        session's limits say otherwise; so is 403 with a Retry-After, with which GitHub limits rates. Raises
        ServiceError ``service-unreachable``, ``service-untrusted`` (TLS), ``service-timeout``, ``service-status``,
        ``service-answer-too-large`` or ``service-answer-invalid``; ConfigError ``service-url-invalid`` or
        ``service-request-invalid`` (the proxy settings), ``tls-authorities-unreadable``.
        """
        check_url(service, url)
        bounds = limits or self.limits
        request = Request(service, method, url, body, dict(headers or {}), expected, bounds.max_bytes)
        deadline = time.monotonic() + bounds.total
        answer = self._answered(request, deadline, bounds.total)
        if answer.status not in expected:
            raise status_error(answer)
        return answer

    def _answered(self, request: Request, deadline: float, budget: float) -> Answer:
        for _ in range(self.limits.tries - 1):
            if (answer := self._try(request, deadline, budget)) is not None:
                return answer
        return self._follow(request, deadline, budget)

    def _try(self, request: Request, deadline: float, budget: float) -> Answer | None:
        """Try once; None means that another try may help, and the pause before it is over."""
        try:
            answer = self._follow(request, deadline, budget)
        except ServiceError as error:
            if error.reason != "service-unreachable" or not self._pause(self._backoff(), deadline):
                raise
            return None
        asked = _retry_after(answer)
        may_help = answer.status in _TRANSIENT or (answer.status == 403 and asked is not None)
        if answer.status in request.expected or not may_help:
            return answer
        if asked is not None and asked > self.limits.retry_after:
            return answer
        return None if self._pause(max(asked or 0.0, self._backoff()), deadline) else answer

    def _backoff(self) -> float:
        return self.limits.backoff * (1 + self._jitter())

    def _pause(self, seconds: float, deadline: float) -> bool:
        if time.monotonic() + seconds >= deadline:
            return False
        self._sleep(seconds)
        return True

    def _follow(self, request: Request, deadline: float, budget: float) -> Answer:
        for _ in range(_MAXREDIRECTS):
            answer = self._within(request, deadline, budget)
            target = _redirect_target(request, answer)
            if target is None:
                return answer
            request = replace(request, url=target)
        raise answer.invalid(f"it redirects more than {_MAXREDIRECTS} times")

    def _within(self, request: Request, deadline: float, budget: float) -> Answer:
        """Run one request in a thread of its own and wait for it no longer than the deadline.

        Name look-up has no timeout; a thread can be left behind. It is a daemon, works on connections that are given up
        with it, and ends by itself at its next read.
        """
        outcome: list[Answer | Exception] = []
        done = threading.Event()
        transport, patience = self._transport, Patience(self.limits.connect, deadline, budget)

        def work() -> None:
            try:
                outcome.append(transport.send(request, patience))
            except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
                outcome.append(error)
            finally:
                done.set()

        threading.Thread(target=work, name=f"http-{request.service}", daemon=True).start()
        transport.prepare(request.url)
        while self._meanwhile and not done.is_set():
            import_module(self._meanwhile.pop(0))
        if not done.wait(max(deadline - time.monotonic(), 0.001)):
            self._transport = self._new_transport(self._network)
            transport.close()
            raise timed_out(request, budget, self._network.proxy(request.url))
        result = outcome[0]
        if isinstance(result, Exception):
            raise result
        if (date := result.date()) is not None:
            self._measured = (time.monotonic(), datetime.now(UTC) - date)
        return result


def _redirect_target(request: Request, answer: Answer) -> str | None:
    """Where to go on, or None when the answer stands.

    A body or a token is never carried to another scheme or host, nor is anything from https down to http.
    """
    location = answer.headers.get("location")
    if answer.status not in REDIRECTS or not location:
        return None
    target = urljoin(request.url, location)
    old, new = urlsplit(request.url), urlsplit(target)
    same_place = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    if request.method == "GET" and _CREDENTIALS.isdisjoint(name.lower() for name in request.headers):
        allowed = new.scheme == "https" or (new.scheme == "http" and old.scheme == "http")
    else:
        allowed = same_place and (request.method == "GET" or answer.status in (307, 308))
    return target if allowed else None


def _retry_after(answer: Answer) -> float | None:
    """RFC 9110 §10.2.3, the form in seconds; a date is taken as longer than we wait."""
    text = answer.headers.get("retry-after")
    if text is None:
        return None
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else float("inf")


def json_body(value: object) -> bytes:
    """Serialise a request's JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
