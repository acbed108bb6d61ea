"""The result of a successful verification: facts that have been verified, and nothing else."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.namekind import NameKind, described
from gitsign_py.verification.steps import Step

TimeSource = Literal["log", "timestamp", "witness"]
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of a log or a witness may be ahead of ours before its time is called a time in the future."""


@frozen
class ProvenTime:
    """A time that somebody trusted vouches for: ``source`` is ``log`` (SET), ``timestamp`` (RFC 3161) or ``witness``
    (a quorum of cosignatures).

    ``accuracy`` is how far the true time may lie from ``time``; logs and witnesses state none.
    """

    time: datetime
    source: TimeSource
    authority: str
    accuracy: timedelta = timedelta(0)


@frozen
class LoggedEntry:
    """Where the signature stands in a transparency log, verified."""

    log_index: int
    log_id: str
    base_url: str
    kind: str
    version: str
    integrated_time: datetime | None
    embedded: bool


def logged_at(log_index: int | None) -> str:
    """The place in the log, in words; every output says it of an instance without one."""
    return "in no log, since the trust root lists none" if log_index is None else f"log index {log_index}"


@frozen
class VerifiedSignature:
    """A signature that passed every step asked for.

    ``identity`` of type ``san_type`` (email, uri, other) as ``issuer`` vouched for it; ``claims`` the Fulcio
    extensions by name; ``times`` are never empty.
    ``identity_checked`` tells whether step 6.1 was made or left out on the caller's wish. ``log`` is None where the
    trust root lists no log at all.
    """

    identity: str
    san_type: NameKind
    issuer: str
    claims: Mapping[str, str]
    certificate: Certificate
    log: LoggedEntry | None
    times: tuple[ProvenTime, ...]
    signing_time: datetime | None
    identity_checked: bool
    trusted_root_digest: str
    steps: tuple[Step, ...]

    @property
    def named(self) -> str:
        """The identity for people to read, with its kind where its spelling would mislead them."""
        return described(self.identity, self.san_type)

    @property
    def logged_at(self) -> str:
        """Where the signature is logged, in words."""
        return logged_at(None if self.log is None else self.log.log_index)

    @property
    def time(self) -> datetime:
        """The earliest proven time."""
        return min(proven.time for proven in self.times)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signer's certificate, hex."""
        return self.certificate.fingerprint
