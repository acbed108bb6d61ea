"""One request as the session hands it to a transport, and the errors that say why it got no answer."""

from gitsign_py import __version__
from gitsign_py.clients.answer import one_line
from gitsign_py.clients.urls import is_loopback
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.printing import without_password
from gitsign_py.errors import ConfigError, ServiceError

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    from gitsign_py.clients.answer import Answer
    from gitsign_py.host.network import Network

    class Transport(Protocol):
        """Sends requests over connections that it keeps; any thread may call it."""

        def send(self, request: "Request", limit: "Patience") -> Answer:
            """Send one request and read its answer, whatever its status. Raises ServiceError, ConfigError."""
            ...

        def prepare(self, url: str) -> None:
            """Load what a connection there needs, while another thread looks up the name. Raises nothing."""
            ...

        def close(self) -> None:
            """Drop the connections."""
            ...


USER_AGENT = f"gitsign-py/{__version__}"
_UNREACHABLE = "check the network, the proxy settings and the URL, and that the service is running"
_STACK_DOWN = (
    "nothing listens there: start the local Sigstore with gitsign-py stack up --detach, or check the URL and the proxy "
    "settings"
)
_SILENT = "try again; if it repeats, check the network, the proxy settings and the service"
_PROXY_DOWN = (
    "check the proxy that the settings name (http.proxy, https_proxy, http_proxy, all_proxy; gitsign-py doctor shows "
    "it), or let no_proxy list the host"
)
_PROXY_ODD = (
    "correct the proxy's URL (http.proxy, https_proxy, http_proxy, all_proxy): SCHEME://HOST:PORT, where SCHEME is "
    "http, https, socks4, socks4a, socks5 or socks5h"
)
_AUTHORITIES = (
    "let SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) name a PEM file with its certificate (gitsign-py doctor says which "
    "setting counts)"
)
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
)  # OpenSSL's words for plain text


@frozen
class Request:
    """One question to one service. ``max_bytes`` bounds the body of the answer."""

    service: str
    method: str
    url: str
    body: bytes | None
    headers: "Mapping[str, str]" = field(repr=False)  # may hold a bearer token
    expected: "Collection[int]"
    max_bytes: int


@frozen
class Patience:
    """How long it may take: seconds for one attempt to connect, and the end of all of it by ``time.monotonic``.

    ``budget`` is the number of seconds that people are told.
    """

    connect: float
    deadline: float
    budget: float


class BrokenAnswer(Exception):  # noqa: N818 - what happened on a connection; it becomes a ServiceError at once
    """The answer is no HTTP, or ends before it is whole."""


class UnusableHeader(ValueError):  # noqa: N818 - as above
    """A header of ours that none may have; its value may be a token, so it is not said."""


def unreachable(request: Request, error: Exception, proxy: str = "") -> ServiceError:
    """Make the error for a server that cannot be reached, or broke off; ``proxy`` is the one that was asked."""
    hint = _proxy_hint(error) if proxy else _STACK_DOWN if _is_down(request.url, error) else _UNREACHABLE
    facts = {"service": request.service, "url": request.url}
    return ServiceError(
        "service-unreachable",
        f"{request.service} at {request.url} cannot be reached{_through(proxy)}: {_cause(error)}",
        hint=hint,
        facts={**facts, "proxy": without_password(proxy)} if proxy else facts,
    )


def _proxy_hint(error: Exception) -> str:
    """What to do where a proxy fails: it may be one whose own TLS is not trusted, or that has none."""
    words = _cause(error)
    if any(sign in words for sign in _NO_TLS):
        return "the proxy speaks no TLS on that port: write http:// in the setting, or its port for TLS"
    return f"for a proxy with a private CA: {_AUTHORITIES}" if words.startswith("[SSL") else _PROXY_DOWN


def _through(proxy: str) -> str:
    return f" through the proxy {without_password(proxy)}" if proxy else ""


def _is_down(url: str, error: BaseException) -> bool:
    """Whether nothing listens at an address of this machine."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ConnectionRefusedError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None and is_loopback(url)


def _cause(error: BaseException) -> str:
    """Find the plainest words in a chain of wrapped errors: the operating system's, when it has some."""
    seen: BaseException | None = error
    words = str(error)
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            words = getattr(seen, "verify_message", "") or seen.strerror
        elif isinstance(seen, BrokenAnswer) or type(seen).__name__ == "ProtocolError":  # urllib3's
            words = "the connection broke off"
        elif type(seen).__name__ == "ProxyError" and hasattr(seen, "original_error"):  # urllib3's: TLS to the proxy
            words = str(seen.original_error)
        seen = seen.__cause__ or seen.__context__
    words = one_line(words).rstrip(".")
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def untrusted(request: Request, network: "Network", error: Exception) -> ServiceError:
    """Make the error for a server whose TLS failed."""
    trust = network.trust_for(request.url)
    cause = _cause(error)
    if any(sign in cause for sign in _NO_TLS):
        hint = "nothing there speaks TLS: check the port of the URL, or write http:// for a service without TLS"
    else:
        hint = f"behind a proxy that reads TLS, or for a private CA: {_AUTHORITIES}; else check the URL and this "
        hint += "machine's clock"
    return ServiceError(
        "service-untrusted",
        f"{request.service} at {request.url} is not trusted: TLS failed ({cause}); "
        f"the authorities that count are those of {trust}",
        hint=hint,
        facts={"service": request.service, "url": request.url, "authorities": trust.name or "system"},
    )


def unaskable(request: Request, error: ValueError, proxy: str = "") -> ConfigError:
    """Make the error for what cannot be sent. A header's value is not repeated: it may be a token."""
    bad_header = isinstance(error, UnusableHeader) or type(error).__name__ == "InvalidHeader"  # requests'
    why = "a header has characters that none may have" if bad_header else one_line(str(error))
    return ConfigError(
        "service-request-invalid",
        f"{request.service} at {request.url} cannot be asked{one_line(_through(proxy))}: {why}",
        hint=_PROXY_ODD if proxy else "check the URL and the proxy settings (https_proxy, http_proxy, all_proxy)",
        facts={"service": request.service, "url": request.url},
    )


def timed_out(request: Request, budget: float, proxy: str = "") -> ServiceError:
    """Make the error for an answer that is not there in time."""
    return ServiceError(
        "service-timeout",
        f"{request.service} at {request.url} did not answer within {round(budget, 2):g} s{_through(proxy)}",
        hint=_PROXY_DOWN if proxy else _SILENT,
        facts={"service": request.service, "url": request.url, "seconds": f"{round(budget, 2):g}"},
    )


def too_large(request: Request) -> ServiceError:
    """Make the error for an answer with more bytes than may be read."""
    return ServiceError(
        "service-answer-too-large",
        f"{request.service} at {request.url} answers more than {request.max_bytes} bytes, reading stopped",
        hint="check that the URL is that service's",
        facts={"service": request.service, "url": request.url, "limit": request.max_bytes},
    )
