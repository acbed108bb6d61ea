"""Parts of a trust root out of PEM files: a CA's chain, a log's key, a timestamp authority's chain.

A PEM file says which keys to believe and nothing else: what the trust root knows of the same key (its window, its
address) is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from gitsign_py.core.digests import sha256
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.sigstore.pemtrust import authorities_from_pem, logs_from_pem, timestamp_authorities_from_pem
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance, TrustedRoot, format_trusted_root
from gitsign_py.errors import ConfigError, FormatError

T = TypeVar("T")


@frozen
class PemFile:
    """A PEM file that a setting names: both in words, and how its text is read. That raises ConfigError."""

    named: str
    read: Callable[[], bytes]


def with_parts(root: TrustedRoot, files: Mapping[str, PemFile], *, rekor_url: str, keeps_tiled: bool) -> TrustedRoot:
    """Put each part in the place of the trust root's own; ``files`` by the names of their settings' fields.

    The variables are older than tiled logs and speak of Rekor v1, at ``rekor_url``: ``keeps_tiled`` lets the tiled logs
    stay beside it. Raises ConfigError ``trust-root-file``.
    """
    if file := files.get("fulcio_root"):
        found = _parsed(file, authorities_from_pem)
        root = replace(root, certificate_authorities=_known_authorities(found, root.certificate_authorities))
    if file := files.get("rekor_public_key"):
        logs = _known_logs(_parsed(file, lambda text: logs_from_pem(text, rekor_url)), root.tlogs)
        tiled = [log for log in root.tlogs if log.log_id != log.public_key.key_id] if keeps_tiled else []
        root = replace(root, tlogs=(*logs, *tiled))
    if file := files.get("ctlog_public_key"):
        root = replace(root, ctlogs=_known_logs(_parsed(file, logs_from_pem), root.ctlogs))
    if file := files.get("timestamp_cert_chain"):
        found = _parsed(file, timestamp_authorities_from_pem)
        root = replace(root, timestamp_authorities=_known_authorities(found, root.timestamp_authorities))
    # Another content has another digest: reports and caches must not take it for the whole one.
    return replace(root, digest=sha256(format_trusted_root(root)).hexdigest())


def _parsed(file: PemFile, parse: Callable[[bytes], T]) -> T:
    text = file.read()
    try:
        return parse(text)
    except FormatError as error:
        raise ConfigError("trust-root-file", f"{file.named}: {error.message}") from error


def _known_logs(
    named: Sequence[TransparencyLogInstance], known: Sequence[TransparencyLogInstance]
) -> tuple[TransparencyLogInstance, ...]:
    """The entries that are known for these keys, else the bare keys."""
    found: list[TransparencyLogInstance] = []
    for log in named:
        found += [one for one in known if one.public_key == log.public_key and one.log_id == log.log_id] or [log]
    return tuple(dict.fromkeys(found))


def _known_authorities(
    named: Sequence[CertificateAuthority], known: Sequence[CertificateAuthority]
) -> tuple[CertificateAuthority, ...]:
    """The entries that are known for these chains, else the bare chains."""
    found: list[CertificateAuthority] = []
    for authority in named:
        found += [one for one in known if one.chain == authority.chain] or [authority]
    return tuple(dict.fromkeys(found))
