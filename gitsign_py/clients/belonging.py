"""Does this Fulcio belong to the trust root? Asked before a token is fetched: no other's certificate verifies.

A Fulcio is known by its address, where the trust root names one for a certificate authority; else by a certificate that
both its own trust bundle and the trust root have. That bundle is a plain GET without a token, and no proof of anything:
it keeps a private instance's token from a server that honestly is another one, as with a setting left at its default.
"""

from urllib.parse import urlsplit

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, ServiceError

_PORTS = {"http": 80, "https": 443}
_known: set[tuple[str, str]] = set()
"""Address and trust root of those whose bundle was compared: an agent asks once."""


def check_fulcio(session: HttpSession, url: str, root: TrustedRoot, *, named: bool) -> None:
    """Refuse a Fulcio that the trust root does not know; one that nobody ``named`` is known by its address alone.

    Raises ConfigError ``instance-mismatch``, ServiceError ``service-unreachable`` and the like.
    """
    key = (url, root.digest)
    if any(same_address(url, one.uri) for one in root.certificate_authorities) or (root.digest and key in _known):
        return
    if not named or not _shares_certificate(session, url, root):
        raise mismatch("Fulcio", url, [one.uri for one in root.certificate_authorities], "gitsign.fulcio")
    _known.add(key)


def check_default_log(url: str, root: TrustedRoot) -> None:
    """Refuse the log that is asked for want of another, where the trust root has not its address: it would publish who
    signs, and what it answers would verify nothing. Raises ConfigError ``instance-mismatch``.
    """
    if not any(same_address(url, log.base_url) for log in root.tlogs):
        raise mismatch("the log", url, [log.base_url for log in root.tlogs], "gitsign.rekor")


def same_address(one: str, other: str) -> bool:
    """Tell whether two URLs name the same service: scheme, host, port and path, by RFC 3986 §6.2."""
    return bool(other) and _address(one) == _address(other)


def _address(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), parts.path.rstrip("/")
    except ValueError:
        return "", url, 0, ""


def _shares_certificate(session: HttpSession, url: str, root: TrustedRoot) -> bool:
    trusted = {certificate.raw for one in root.certificate_authorities for certificate in one.chain}
    try:
        bundle = FulcioClient(session, url).trust_bundle()
    except ServiceError as error:
        if error.reason in ("service-status", "service-answer-invalid"):
            return False
        raise
    return any(certificate in trusted for chain in bundle for certificate in chain)


def mismatch(what: str, url: str, known: list[str], key: str) -> ConfigError:
    """Make the error for a service of another instance than the trust root's."""
    named = ", ".join(dict.fromkeys(one for one in known if one)) or "none by its address"
    return ConfigError(
        "instance-mismatch",
        f"the trust root does not know {what} at {url}, so nothing was sent there; it knows {named}",
        hint=f"set {key} (gitsign-py setup --instance sets matching services), or use that instance's trust root",
        facts={"expected": named, "got": url},
    )
