"""The demands of the pure flows on the outside world: one Protocol for each thing that can be slow, wrong or absent.

``policy``, ``verification`` and ``signing`` know these and nothing behind them; ``clients`` and ``host`` fill them;
``cli.wiring`` chooses. The implementation of a port raises :class:`gitsign_py.errors.ServiceError` when the other side
does not answer or answers something unusable, and never returns a half-checked value without saying so below.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Protocol

from gitsign_py.core.frozen import frozen

TYPE_CHECKING = False  # 6 ms of each verification, which needs none of them
if TYPE_CHECKING:
    from gitsign_py.core.dsse import Envelope
    from gitsign_py.core.sigstore.mapping import IssuerConfiguration
    from gitsign_py.core.sigstore.token import IdentityToken
    from gitsign_py.core.tlog.entrytypes import LogEntry

ObjectKind = Literal["commit", "tag", "tree", "blob"]

Sign = Callable[[bytes], bytes]
"""Signs a message with the ephemeral key: message bytes in, DER ``ECDSA-Sig-Value`` (SHA-256) out."""

Agree = Callable[["IssuerConfiguration"], None]
"""Hears how an authority treats the issuer of a token; raises PolicyError to end the matter."""


@frozen
class RawObject:
    """A git object as it is stored: ``data`` is the content without git's ``kind SP size NUL`` header."""

    kind: ObjectKind
    oid: str  # lower-case hex, 40 (SHA-1) or 64 (SHA-256) digits
    data: bytes


@frozen
class IssuedCertificate:
    """A certificate authority's answer, not checked yet.

    ``chain`` is DER, leaf first. ``detached_sct`` is the SCT as the server sent it beside the chain (the JSON of
    RFC 6962 §4.1), or None when the leaf carries its SCTs itself, as the public servers' leaves do.
    """

    chain: tuple[bytes, ...]
    detached_sct: bytes | None = None


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...


class TokenSource(Protocol):
    """Knows where an identity token comes from: a flag, a file, the environment, a browser."""

    def token(self) -> "IdentityToken":
        """Return a token; raises ConfigError (a source that cannot be used) or ServiceError (issuer trouble)."""
        ...


class CertificateAuthority(Protocol):
    """Gives a short-lived certificate to whoever holds an identity token and a key."""

    def issue(
        self, *, token: "IdentityToken", public_key_spki: bytes, sign: Sign, agree: Agree | None = None
    ) -> IssuedCertificate:
        """Ask for a certificate over ``public_key_spki`` (DER SubjectPublicKeyInfo).

        ``sign`` makes the proof of possession over the challenge that the authority expects (the e-mail address or
        the subject of the token); the private key itself never passes this port. ``agree`` is called, and may raise,
        before a certificate of another name is asked for than the token alone suggests. The answer is unchecked.
        """
        ...

    def configuration_of(self, issuer: str, *, ask: bool = True) -> "IssuerConfiguration | None":
        """Say how it treats tokens of ``issuer``, None where it does not say; without ``ask`` as far as is known."""
        ...


class TransparencyLog(Protocol):
    """An append-only log of signatures."""

    def submit(self, *, digest: bytes, signature: bytes, certificate: bytes) -> "LogEntry":
        """Log a hashedrekord and return its entry, ``body`` included.

        ``digest`` is 32 bytes of SHA-256, ``signature`` the DER ECDSA signature over what was hashed, ``certificate``
        the leaf's DER. The entry's body has been compared with what was sent; its promise and proof have not been
        checked.
        """
        ...

    def submit_envelope(self, *, envelope: "Envelope", certificate: bytes) -> "LogEntry":
        """Log a DSSE envelope with one signature, as clients of this version of the log look for it.

        ``certificate`` is the leaf's DER. The entry's body has been compared with what was sent; see ``submit``.
        """
        ...

    def find(self, *, digest: bytes | None = None, certificate: bytes | None = None) -> "tuple[LogEntry, ...]":
        """Return the entries (``body`` included, unchecked) for a SHA-256 digest, a leaf's DER, or both together.

        No entry is an empty tuple; a log that cannot search raises ServiceError.
        """
        ...


class TimestampAuthority(Protocol):
    """An RFC 3161 time-stamping server."""

    def timestamp(self, request_der: bytes) -> bytes:
        """Send a DER TimeStampReq, return the DER TimeStampResp, unchecked."""
        ...


class ObjectSource(Protocol):
    """Reads git objects."""

    def read(self, oid: str) -> RawObject:
        """Return the object named ``oid`` (full lower-case hex); raises UncheckedError when it is not there."""
        ...


class SecretStore(Protocol):
    """Keeps small secrets between runs (the system's keyring)."""

    def get(self, name: str) -> str | None:
        """Return the secret, or None when there is none."""
        ...

    def set(self, name: str, value: str) -> None:
        """Store the secret, replacing what was there."""
        ...

    def delete(self, name: str) -> None:
        """Forget the secret; one that is not there is no error."""
        ...
