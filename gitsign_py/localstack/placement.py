"""Where a stack listens, what clients call it, and which services it has.

On loopback the stack's issuer believes whoever reaches it. A stack that is reachable from elsewhere has no such issuer:
its Fulcio takes the tokens of issuers that its configuration names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from gitsign_py.errors import UsageError

SERVICES = ("idp", "fulcio", "ctlog", "rekor1", "rekor2", "tsa", "tuf")
ALIASES = {"rekor": "rekor1", "ca": "fulcio", "issuer": "idp"}
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost", "::1"})
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """``request_seconds`` for headers and body together, and for each pause in which the client reads no answer.

    ``idle_seconds`` between two requests of a connection.
    """

    connections: int = 512
    request_seconds: float = 20.0
    idle_seconds: int = 10


_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Placement:
    """``host`` to listen at, ``url`` that clients use (empty: host and port), ``services`` in their usual order.

    ``limits`` hold for its connections. ``proxies`` say who their clients are, as those of this machine do.
    """

    host: str = LOOPBACK
    url: str = ""
    services: tuple[str, ...] = SERVICES
    limits: Limits = _LIMITS
    proxies: tuple[Network, ...] = ()

    def is_proxy(self, peer: str) -> bool:
        """Whether what ``peer`` says of its client is believed."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address  # as a socket for both has it (RFC 4291 §2.5.5.2)
        return address.is_loopback or any(address in one for one in self.proxies)

    @property
    def exposed(self) -> bool:
        """Whether others than this machine's users can reach it, perhaps through a proxy."""
        return not _is_loopback(self.host) or bool(self.url and not _is_loopback(urlsplit(self.url).hostname or ""))

    def url_at(self, port: int) -> str:
        """The URL that clients call it by; without a slash at its end."""
        return self.url or f"http://{bracketed(self.host)}:{port}"

    @property
    def names(self) -> frozenset[str]:
        """Host names that requests may be for."""
        named = LOOPBACK_NAMES | {self.host.lower(), (urlsplit(self.url).hostname or LOOPBACK)}
        return frozenset(named - {"0.0.0.0", "::"})  # noqa: S104 - those are no names

    @property
    def origin(self) -> str:
        """Host and port of the external URL, as the Origin header of its own pages has them; empty without one."""
        return urlsplit(self.url).netloc


def bracketed(host: str) -> str:
    """A host as a URL writes it (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def reach(host: str) -> str:
    """The address by which this machine reaches a server that listens at ``host``."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - what any address means here


def placement(
    host: str, url: str, only: Sequence[str], without: Sequence[str], proxies: Sequence[str] = ()
) -> Placement:
    """Check and put together what a person chose. Raises UsageError ``stack-...``."""
    trusted = tuple(_network(one) for one in proxies)
    made = Placement(host or LOOPBACK, external_url(url), _chosen(only, without), proxies=trusted)
    if not made.exposed:
        return made
    if not made.url:
        raise UsageError(
            "stack-url-missing",
            f"a stack that listens at {made.host} is reached by others, and clients must know its URL",
            hint="give it with --url, such as https://sigstore.example.com",
        )
    if "idp" in made.services:
        raise UsageError(
            "stack-issuer-exposed",
            "the stack's issuer gives a token to anybody who asks, and others can reach this stack",
            hint="leave it out with --without idp, and name issuers with --issuers FILE (or --without idp,fulcio)",
        )
    return made


def external_url(url: str) -> str:
    """A URL of scheme, host and port, checked; an empty one stays empty. Raises UsageError ``stack-url-invalid``."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = parts.hostname and not parts.username and not parts.query and not parts.fragment and port != 0
    if parts.scheme not in {"http", "https"} or not plain or parts.path not in {"", "/"} or not url.isascii():
        raise UsageError("stack-url-invalid", "the URL is not https://HOST[:PORT]", hint="it has no path, and no user")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(
            "stack-proxy-invalid", f"{text!r:.80} is no address and no network", hint="such as 10.0.0.7 or 10.0.0.0/24"
        ) from error


def _chosen(only: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    wanted, left_out = ({ALIASES.get(name, name) for name in names} for names in (only, without))
    for name in sorted((wanted | left_out) - set(SERVICES)):
        raise UsageError("stack-service-unknown", f"there is no service {name}", hint=f"one of: {', '.join(SERVICES)}")
    chosen = tuple(name for name in SERVICES if (not wanted or name in wanted) and name not in left_out)
    if not chosen:
        raise UsageError("stack-service-unknown", "no service is left", hint=f"of: {', '.join(SERVICES)}")
    if "fulcio" in chosen and "ctlog" not in chosen:
        raise UsageError("stack-service-needs", "fulcio writes to ctlog", hint="leave out both, or neither")
    return chosen


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
