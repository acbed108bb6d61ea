"""Verifies signatures for an audit, in the worker processes: stored bytes in, facts out, nothing raised.

An object that cannot be split does not come here (``scan.py``).
"""

from collections.abc import Sequence

from gitsign_py.audit.codec import dump_facts
from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.audit.sshjobs import good_ssh_key
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.fulcio import certificate_identity
from gitsign_py.core.tlog.logentry import LogEntry, decode_entry
from gitsign_py.errors import FormatError, GitsignError, UncheckedError
from gitsign_py.policy.facts import SignatureFacts, SignatureStatus
from gitsign_py.policy.verified import facts_of
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.signature import Sources, open_signature
from gitsign_py.verification.steps import Report, Requirements
from gitsign_py.verification.verdict import verdict_of
from gitsign_py.verification.verifier import Verifier


@frozen
class JobVerifier:
    """Verifies one object after the other by the same settings."""

    settings: VerifySettings

    def verify(self, job: Job) -> SignatureFacts:
        """Verify one object."""
        report = Report()
        try:
            return facts_of(self._verified(job, report))
        except GitsignError as error:
            return _refused(error, job.signature, report)

    def _verified(self, job: Job, report: Report) -> VerifiedSignature:
        settings = self.settings
        if settings.trusted_root is None:
            raise UncheckedError("trust-root-missing", "there is no trust root to verify with")
        required = Requirements(settings.require_sct, settings.require_timestamp, settings.witnesses)
        kept = _readable(job.entries)
        verifier = Verifier(settings.trusted_root, settings.now, required, Sources(kept=lambda _oid: kept))
        return verifier.verify(job.payload, job.signature, object_id=job.oid, report=report)

    def verify_batch(self, jobs: Sequence[Job]) -> list[str]:
        """Verify several objects and give their facts as text; of SSH signatures the key that they are good by."""
        return [good_ssh_key(job) if job.form == "ssh" else dump_facts(self.verify(job)) for job in jobs]


def _readable(entries: tuple[bytes, ...]) -> Sequence[LogEntry]:
    """Entries from the store instead of a log; all of them are verified like any other, junk is left out."""
    readable: list[LogEntry] = []
    for entry in entries:
        try:
            readable.append(decode_entry(entry))
        except FormatError:
            continue
    return readable


def _refused(error: GitsignError, signature: bytes, report: Report) -> SignatureFacts:
    status: SignatureStatus = "bad" if verdict_of(error) == "bad" else "unchecked"
    step = getattr(error, "step", "")
    return SignatureFacts(
        status,
        "sigstore",
        steps=tuple(made.number for made in report.steps if made.outcome == "passed"),
        reason=error.reason,
        message=f"{error.message} (step {step})" if step else error.message,
        claimed=_claimed(signature),
    )


def _claimed(signature: bytes) -> str:
    """Whom the certificate names, for people who look at what is not good. No verdict rests on it."""
    try:
        named = certificate_identity(open_signature(signature).certificate)
    except GitsignError:
        return ""
    return f"{named.value} ({named.issuer})"
