"""S/MIME signatures by the CAs of companies, through gpgsm: one way for audits, hooks, verify and git."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gitsign_py.audit.scan import Scanned
from gitsign_py.errors import FormatError, UncheckedError, VerificationError
from gitsign_py.host.gpgsm import ask_gpgsm
from gitsign_py.policy.facts import SignatureFacts
from gitsign_py.verification.smime import SmimeSignature, VerifiedSmime, judged

if TYPE_CHECKING:
    from gitsign_py.core.trust.root import TrustedRoot

UNSEEN = {"x509": b""}
"""What such verdicts rest on, as ``state_of_keys`` has it: trust list, CRLs and dirmngr cannot be seen."""
_LASTING = ("program-missing", "gpgsm-failed")
"""What the next signature would meet as well, a time-out perhaps."""


def check_smime(
    signature: SmimeSignature,
    armored: bytes,
    payload: bytes,
    *,
    environment: Mapping[str, str],
    root: "TrustedRoot | None",
) -> VerifiedSmime:
    """Ask gpgsm about one signature, and judge by its words. Raises what ``ask_gpgsm`` and ``judged`` raise."""
    return judged(signature, ask_gpgsm(armored, payload, environment), root)


class SmimeChecks:
    """The S/MIME signatures of one run: some at a time, and none once gpgsm is known to be missing or silent."""

    def __init__(self, environment: Mapping[str, str], jobs: int = 0) -> None:
        self._environment = environment
        self._jobs = jobs or os.cpu_count() or 1
        self._failed: UncheckedError | None = None

    def verify(
        self, items: Sequence[tuple[Scanned, SmimeSignature]], root: "TrustedRoot | None"
    ) -> dict[str, SignatureFacts]:
        """The facts of each, by id; raises nothing."""
        with ThreadPoolExecutor(self._jobs) as pool:
            found = pool.map(lambda one: self._facts(one[0], one[1], root), items)
            return dict(zip((item.oid for item, _ in items), found, strict=True))

    def _facts(self, item: Scanned, signature: SmimeSignature, root: "TrustedRoot | None") -> SignatureFacts:
        from gitsign_py.policy.verified import facts_of_refused_smime, facts_of_smime  # noqa: PLC0415 - cryptography

        try:
            return facts_of_smime(self._checked(item, signature, root))
        except (VerificationError, FormatError) as error:
            return facts_of_refused_smime(signature, error)

    def _checked(self, item: Scanned, signature: SmimeSignature, root: "TrustedRoot | None") -> VerifiedSmime:
        if self._failed is not None:
            raise self._failed
        assert item.split is not None  # noqa: S101 - only what was split has a signature
        armored, payload = item.split.signature or b"", item.split.payload
        try:
            return check_smime(signature, armored, payload, environment=self._environment, root=root)
        except UncheckedError as error:
            self._failed = error if error.reason in _LASTING else None
            raise
