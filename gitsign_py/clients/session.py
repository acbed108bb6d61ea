"""One HTTP exchange that ends: in time, within a size, with an answer or with one ServiceError that says why not.

``requests`` does the protocol; ``host.network`` says by which authorities and which proxy. What neither does is here: a
budget for the whole exchange (the timeouts of requests are per read, so a server that drips bytes, or a name server
that is silent, can hold it for hours), a cap on the body, a single retry where a retry can help, and error messages a
person can act on.
"""

import json
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from gitsign_py import __version__
from gitsign_py.clients.answer import REDIRECTS, Answer, one_line, status_error
from gitsign_py.clients.urls import check_url
from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.errors import ConfigError, GitsignError, ServiceError
from gitsign_py.host.network import Network

USER_AGENT = f"gitsign-py/{__version__}"
_CLOCK_SECONDS = 60.0  # later this machine's clock may have been set
_CHUNK = 64 * 1024
_MAXREDIRECTS = 5
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


@frozen
class Limits:
    """What an exchange may cost. Times in seconds, sizes in bytes.

    ``total`` covers everything from name look-up to the last byte, retry and pause included; ``connect`` one attempt
    to connect. ``backoff`` is the pause before the one retry (up to as much again is added at random, so that many
    clients do not come back at once); a server's Retry-After is honoured up to ``retry_after``.
    """

    total: float = 10.0
    connect: float = 5.0
    max_bytes: int = 4 * 1024 * 1024
    backoff: float = 0.3
    retry_after: float = 3.0


@frozen
class _Request:
    service: str
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str] = field(repr=False)  # may hold a bearer token
    expected: Collection[int]
    max_bytes: int


class HttpSession(Closeable):
    """Keeps warm connections for one run of the program; close it, or use it as a context manager.

    ``network`` says how to connect (without it the variables of this process do); ``jitter`` gives a number in [0, 1);
    ``sleep`` waits that many seconds.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        network: Network | None = None,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits or Limits()
        self._network = network or Network(os.environ)
        self._jitter = jitter
        self._sleep = sleep
        self._session = _new_session(self._network)
        self._measured: tuple[float, timedelta] | None = None

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

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
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = (200,),
        total: float | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Send one request and return the whole answer when its status is ``expected``.

        ``service`` is the name for messages ("Fulcio"); ``total`` and ``max_bytes`` override the session's limits.
        A failed connection and the statuses 429, 500, 502, 503 and 504 are tried once more. Raises ServiceError
        ``service-unreachable``, ``service-untrusted`` (TLS), ``service-timeout``, ``service-status``,
        ``service-answer-too-large`` or ``service-answer-invalid``; ConfigError ``service-url-invalid`` or
        ``service-request-invalid`` (the proxy settings), ``tls-authorities-unreadable``.
        """
        check_url(service, url)
        budget = self._limits.total if total is None else total
        limit = self._limits.max_bytes if max_bytes is None else max_bytes
        request = _Request(service, method, url, body, dict(headers or {}), expected, limit)
        deadline = time.monotonic() + budget
        answer = self._first(request, deadline, budget)
        if answer is None:
            answer = self._follow(request, deadline, budget)
        if answer.status not in expected:
            raise status_error(answer)
        return answer

    def _first(self, request: _Request, deadline: float, budget: float) -> Answer | None:
        """Try once; None means that a second try may help, and the pause before it is over."""
        try:
            answer = self._follow(request, deadline, budget)
        except ServiceError as error:
            if error.reason != "service-unreachable" or not self._pause(self._backoff(), deadline):
                raise
            return None
        if answer.status in request.expected or answer.status not in _TRANSIENT:
            return answer
        asked = _retry_after(answer)
        if asked is not None and asked > self._limits.retry_after:
            return answer
        return None if self._pause(max(asked or 0.0, self._backoff()), deadline) else answer

    def _backoff(self) -> float:
        return self._limits.backoff * (1 + self._jitter())

    def _pause(self, seconds: float, deadline: float) -> bool:
        if time.monotonic() + seconds >= deadline:
            return False
        self._sleep(seconds)
        return True

    def _follow(self, request: _Request, deadline: float, budget: float) -> Answer:
        for _ in range(_MAXREDIRECTS):
            answer = self._within(request, deadline, budget)
            target = _redirect_target(request, answer)
            if target is None:
                return answer
            request = replace(request, url=target)
        raise answer.invalid(f"it redirects more than {_MAXREDIRECTS} times")

    def _within(self, request: _Request, deadline: float, budget: float) -> Answer:
        """Run one request in a thread of its own and wait for it no longer than the deadline.

        Name look-up has no timeout, and a server may drip its header byte by byte; a thread can be left behind. It is
        a daemon, works on connections that are given up with it, and ends by itself at its next read.
        """
        outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        session, network = self._session, self._network

        def work() -> None:
            try:
                outcome.put(_send(session, network, request, (self._limits.connect, deadline, budget)))
            except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
                outcome.put(error)

        threading.Thread(target=work, name=f"http-{request.service}", daemon=True).start()
        try:
            result = outcome.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            self._session = _new_session(self._network)
            raise _timeout(request, budget) from None
        if isinstance(result, Exception):
            raise result
        if (date := result.date()) is not None:
            self._measured = (time.monotonic(), datetime.now(UTC) - date)
        return result


class _Adapter(HTTPAdapter):
    """Lets TLS verify by the one context of this program; requests would load the authorities of its own package."""

    def __init__(self, network: Network) -> None:
        self._network = network
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            pool = {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._network.context}
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the connection as it is: its context verifies."""

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        if proxy.lower().startswith("https:"):
            proxy_kwargs["proxy_ssl_context"] = self._network.context
        return super().proxy_manager_for(proxy, **proxy_kwargs)


def _new_session(network: Network) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # proxies and authorities come from the network, credentials from nowhere else
    session.mount("https://", _Adapter(network))
    session.mount("http://", _Adapter(network))
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _send(session: requests.Session, network: Network, request: _Request, times: tuple[float, float, float]) -> Answer:
    connect, deadline, budget = times
    left = max(deadline - time.monotonic(), 0.001)
    try:
        response = session.request(
            request.method,
            request.url,
            data=request.body,
            headers=dict(request.headers),
            timeout=(min(connect, left), left),
            allow_redirects=False,
            stream=True,
            proxies=_proxies(network, request),
        )
        with response:
            body = _read(request, response.raw, deadline, budget)
            headers = {name.lower(): value for name, value in response.headers.items()}
    except requests.exceptions.SSLError as error:
        raise _untrusted(request, network, error) from error
    except GitsignError:
        raise
    except ValueError as error:  # requests' InvalidURL, InvalidProxyURL, InvalidHeader and their kin
        raise _unaskable(request, error) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _timeout(request, budget) from error
    except (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(request, error) from error
    return Answer(request.service, request.method, request.url, response.status_code, headers, body)


def _proxies(network: Network, request: _Request) -> dict[str, str]:
    proxy = network.proxy(request.url)
    return {urlsplit(request.url).scheme: proxy} if proxy else {}


def _read(request: _Request, raw: urllib3.HTTPResponse, deadline: float, budget: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := raw.read1(_CHUNK, decode_content=False):
        size += len(part)
        if size > request.max_bytes:
            raise ServiceError(
                "service-answer-too-large",
                f"{request.service} at {request.url} answers more than {request.max_bytes} bytes, reading stopped",
                hint="check that the URL is that service's",
                facts={"service": request.service, "url": request.url, "limit": request.max_bytes},
            )
        if time.monotonic() > deadline:
            raise _timeout(request, budget)
        parts.append(part)
    return b"".join(parts)


def _redirect_target(request: _Request, answer: Answer) -> str | None:
    """Where to go on, or None when the answer stands.

    A body or a token is never carried to another scheme or host, nor is anything from https down to http.
    """
    location = answer.headers.get("location")
    if answer.status not in REDIRECTS or not location:
        return None
    target = urljoin(request.url, location)
    old, new = urlsplit(request.url), urlsplit(target)
    same_place = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    if request.method == "GET" and "Authorization" not in request.headers:
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


def _unreachable(request: _Request, error: Exception) -> ServiceError:
    return ServiceError(
        "service-unreachable",
        f"{request.service} at {request.url} cannot be reached: {_cause(error)}",
        hint="check the network, the proxy settings and the URL, and that the service is running",
        facts={"service": request.service, "url": request.url},
    )


def _cause(error: BaseException) -> str:
    """Find the plainest words in a chain of wrapped errors: the operating system's, when it has some."""
    seen: BaseException | None = error
    words = str(error)
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            words = getattr(seen, "verify_message", "") or seen.strerror
        elif isinstance(seen, urllib3.exceptions.ProtocolError):
            words = "the connection broke off"
        seen = seen.__cause__ or seen.__context__
    words = one_line(words).rstrip(".")
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def _untrusted(request: _Request, network: Network, error: Exception) -> ServiceError:
    trust = network.trust
    return ServiceError(
        "service-untrusted",
        f"{request.service} at {request.url} is not trusted: TLS failed ({_cause(error)}); "
        f"the authorities that count are those of {trust}",
        hint="behind a proxy that reads TLS, or for a private CA: let SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) name a "
        "PEM file with its certificate (gitsign-py doctor says which setting counts); else check the URL and this "
        "machine's clock",
        facts={"service": request.service, "url": request.url, "authorities": trust.name or "system"},
    )


def _unaskable(request: _Request, error: ValueError) -> ConfigError:
    """A header's value is not repeated: it may be a token."""
    bad_header = isinstance(error, requests.exceptions.InvalidHeader)
    why = "a header has characters that none may have" if bad_header else one_line(str(error))
    return ConfigError(
        "service-request-invalid",
        f"{request.service} at {request.url} cannot be asked: {why}",
        hint="check the URL and the proxy settings (https_proxy, http_proxy, all_proxy)",
        facts={"service": request.service, "url": request.url},
    )


def _timeout(request: _Request, budget: float) -> ServiceError:
    return ServiceError(
        "service-timeout",
        f"{request.service} at {request.url} did not answer within {budget:g} s",
        hint="try again; if it repeats, check the network, the proxy settings and the service",
        facts={"service": request.service, "url": request.url, "seconds": f"{budget:g}"},
    )
