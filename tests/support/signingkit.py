"""Everything that the signing flow needs, on the local stack or on a server that stands before it."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.rekor import RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.ports import CertificateAuthority, TimestampAuthority, TokenSource, TransparencyLog
from gitsign_py.signing.credential import CredentialRequest
from gitsign_py.signing.flow import SigningOptions, SigningServices
from tests.support.stack import RunningStack

PERSON = b"Alice <alice@example.com> 1767225600 +0000"
COMMIT = b"tree " + b"4b825dc642cb6eb9a060e54bf8d69288fbee4904" + b"\nauthor " + PERSON + b"\ncommitter " + PERSON
COMMIT += b"\n\nhello\n"
TAG = b"object " + b"4b825dc642cb6eb9a060e54bf8d69288fbee4904" + b"\ntype tree\ntag v1\ntagger " + PERSON + b"\n\nv1\n"


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token source with one token."""

    raw: str

    def token(self) -> IdentityToken:
        return IdentityToken(self.raw)


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """The real time, so much off."""

    offset: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass(slots=True)
class SigningKit:
    """Services on ``stack``; a test replaces what it wants to be wrong."""

    stack: RunningStack
    session: HttpSession

    def services(
        self,
        *,
        token: str | TokenSource | None = None,
        authority: CertificateAuthority | str | None = None,
        log: TransparencyLog | str | None = None,
        offset: timedelta = timedelta(0),
        timestamps: TimestampAuthority | None = None,
    ) -> SigningServices:
        """Texts are a token or the URLs of other servers."""
        tokens = FixedToken(token or self.stack.token()) if token is None or isinstance(token, str) else token
        if authority is None or isinstance(authority, str):
            authority = FulcioClient(self.session, authority or self.stack.url)
        if log is None or isinstance(log, str):
            log = RekorClient(self.session, log or self.stack.url)
        return SigningServices(tokens, authority, log, ShiftedClock(offset), os.urandom, timestamps)

    @property
    def trusted_root(self) -> TrustedRoot:
        return parse_trusted_root(self.stack.trusted_root.read_bytes())

    def options(self, **changes: object) -> SigningOptions:
        return SigningOptions(CredentialRequest(self.trusted_root), **changes)  # type: ignore[arg-type]
