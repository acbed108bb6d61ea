"""The verifier: one order of steps for a signature over a git object, for every caller (docs/verification.md).

From the trust root outwards: the certificate is believed first, then the signature by its key, then the log entry
and the times, and only then the name in it is compared with the one that was asked for. Pure: the time, the trust
root and the ways to find log entries are arguments.
"""

from datetime import datetime

from gitsign_py.core.frozen import frozen
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.renewal import Renew, checked
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.signature import (
    Sources,
    check_cms,
    check_logged,
    logged_names,
    open_signature,
    proven_times,
)
from gitsign_py.verification.signer import check_expected, check_signer, check_validity
from gitsign_py.verification.steps import Report, Requirements


@frozen
class Verifier:
    """Verifies signatures against one trust root.

    ``now`` is an aware datetime, for log times in the future alone. ``find`` serves online-mode signatures, whose log
    entry is not in the object. ``renew`` may give a newer trust root where this one lacks an authority.
    """

    trusted_root: TrustedRoot
    now: datetime
    requirements: Requirements = Requirements()
    find: Sources = Sources()
    renew: Renew | None = None

    def verify(
        self,
        payload: bytes,
        signature: bytes,
        *,
        object_id: str | None = None,
        expected: ExpectedIdentity | None = None,
        report: Report | None = None,
    ) -> VerifiedSignature:
        """Verify the armored ``signature`` of a commit or tag over its ``payload``, the stored bytes without it.

        ``object_id`` (hex) names the object of an online-mode signature. Without ``expected`` steps 6.1 and 6.2 are
        left out and the caller must judge the identity. ``report`` collects the steps, those of a refusal too.

        Raises VerificationError with step and reason for a bad signature, UncheckedError for one that could not be
        checked (verdict.py has the table).
        """
        steps = report if report is not None else Report()
        required, names = self.requirements, logged_names(payload, signature, object_id)

        def once(root: TrustedRoot) -> VerifiedSignature:
            opened = open_signature(signature, steps)
            signer = check_signer(steps, opened.certificate, opened.signed.certificates, root, require_sct=required.sct)
            signing_time = check_cms(steps, opened, payload)
            logged = check_logged(
                steps, opened, root, self.find, names=names, now=self.now, witnesses=required.witnesses
            )
            times = proven_times(steps, opened, logged, root, require_timestamp=required.timestamp)
            check_validity(steps, signer, times, logged.log if logged is not None else None)
            check_expected(steps, signer, expected)
            return VerifiedSignature(
                identity=signer.identity.value,
                san_type=signer.identity.san_type,
                issuer=signer.identity.issuer,
                claims=signer.identity.claims,
                certificate=opened.certificate,
                log=logged.entry if logged is not None else None,
                times=times,
                signing_time=signing_time,
                identity_checked=expected is not None,
                trusted_root_digest=root.digest,
                steps=tuple(steps.steps),
            )

        return checked(self.trusted_root, self.renew, once, steps)


def verify_signature(
    payload: bytes,
    signature: bytes,
    *,
    trusted_root: TrustedRoot,
    now: datetime,
    expected: ExpectedIdentity | None = None,
    requirements: Requirements | None = None,
    report: Report | None = None,
) -> VerifiedSignature:
    """Verify one signature in one call, with its log entry in it; for others, and for several, make a Verifier.

    Raises as ``Verifier.verify`` does.
    """
    verifier = Verifier(trusted_root, now, requirements or Requirements())
    return verifier.verify(payload, signature, expected=expected, report=report)
