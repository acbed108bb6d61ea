"""The jobs that go to the verifying processes. Apart from ``verify.py``, which loads cryptography: a run whose facts
are all in the cache never does.
"""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from gitsign_py.core.frozen import frozen

if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
    from gitsign_py.core.trust.root import TrustedRoot

NOT_EMBEDDED = "log-entry-not-embedded"
"""Reason of an online-mode signature whose entry nobody has shown (step 4.1)."""


class Job(NamedTuple):
    """A signed object to verify, split; ``entries`` are log entries (protobuf, with bodies) kept from a fetch.

    ``form`` is ``sigstore`` or ``ssh``; the answer to the second is a fingerprint (``sshjobs.py``).
    """

    oid: str
    payload: bytes
    signature: bytes
    entries: tuple[bytes, ...] = ()
    form: str = "sigstore"


@frozen
class VerifySettings:
    """The settings that every verification of a run shares. Without a trust root every signature is unchecked."""

    trusted_root: "TrustedRoot | None"
    now: datetime
    require_sct: bool = True
    require_timestamp: bool = False
    witnesses: "WitnessPolicy | None" = None
