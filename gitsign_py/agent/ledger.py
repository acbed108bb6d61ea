"""The signatures that the agent made since it started, for ``agent log``: kept in memory, the last 500."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gitsign_py.core.git.gittext import subject_line
from gitsign_py.signing.credential import Credential

LENGTH = 500
MAX_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """One line of ``agent log``: what was signed, of a commit or tag its subject, never the payload itself."""

    when: datetime
    identity: str
    issuer: str
    log_index: int | None
    fingerprint: str
    kind: str
    directory: str
    forwarded: bool
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Where a signature was asked for, and for what: a commit, a tag, an attestation or other data."""

    kind: str
    directory: str
    forwarded: bool
    subject: str = ""


class Ledger:
    """The signatures, oldest first; ``now`` tells the time. Methods may be called from any thread."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._signed: deque[Signed] = deque(maxlen=LENGTH)

    def record(self, credential: Credential, log_index: int | None, request: Request) -> None:
        """Note one signature."""
        identity, fingerprint = credential.identity, credential.certificate.fingerprint
        where = (request.kind, request.directory, request.forwarded, request.subject)
        with self._lock:
            self._signed.append(Signed(self._now(), identity.value, identity.issuer, log_index, fingerprint, *where))

    def signed(self) -> tuple[Signed, ...]:
        """Every signature that is still known."""
        with self._lock:
            return tuple(self._signed)


def kind_of(payload: bytes) -> str:
    """Name what git has signed: a commit, a tag, or other data."""
    if payload.startswith(b"tree "):
        return "commit"
    return "tag" if payload.startswith(b"object ") else "data"


def subject_of(payload: bytes) -> str:
    """The first line of a commit's or tag's message, cut; nothing of other data."""
    if kind_of(payload) == "data":
        return ""
    head, _, message = payload.partition(b"\n\n")
    _, _, after = head.partition(b"\nencoding ")
    return subject_line(message, after.partition(b"\n")[0].decode("ascii", "replace"))[:MAX_SUBJECT]
