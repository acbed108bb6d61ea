"""URLs of services: checked before they are used, put together, told apart from this machine's own."""

from urllib.parse import urlsplit

from gitsign_py.clients.answer import one_line
from gitsign_py.core.printing import without_password
from gitsign_py.errors import ConfigError

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_url(service: str, url: str) -> None:
    """Refuse what is not an absolute http or https URL. Raises ConfigError ``service-url-invalid``."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        good = good and "@" not in parts.netloc  # user:password@host would end in logs and messages
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise bad_url(service, url)


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine by name or address."""
    return (urlsplit(url).hostname or "") in _LOOPBACK


def join_url(base: str, path: str) -> str:
    """Append an absolute path to a base URL that may or may not end in a slash."""
    return base.rstrip("/") + path


def bad_url(service: str, url: str) -> ConfigError:
    """Make the error for a URL that cannot be used. A password in it is not repeated."""
    shown = without_password(one_line(url), "***@")
    return ConfigError(
        "service-url-invalid",
        f"the URL of {service} is not an http or https URL without user and password: {shown}",
        hint="give it as in https://host or https://host:port/path",
        facts={"service": service, "url": shown},
    )
