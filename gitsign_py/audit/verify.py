"""Verifies signatures for an audit, in the worker processes: stored bytes in, facts out, nothing raised.

What a refusal means for the history is decided here once: ``bad`` when a check failed, ``unchecked`` when one could
not be made. An object that cannot be split does not come here (``scan.py``).
"""

from collections.abc import Sequence

from gitsign_py.audit.codec import dump_facts
from gitsign_py.audit.jobs import Job, Settings
from gitsign_py.core.certificate import Certificate
from gitsign_py.core.frozen import frozen
from gitsign_py.core.fulcio import certificate_identity
from gitsign_py.core.logentry import LogEntry, decode_entry
from gitsign_py.errors import FormatError, GitsignError, UncheckedError
from gitsign_py.policy.facts import SignatureFacts, SignatureStatus
from gitsign_py.policy.verified import facts_of
from gitsign_py.verification.signature import FindEntries, open_signature, verify_signature
from gitsign_py.verification.steps import Report

# Refusals that say that we cannot judge, not that the signature is wrong: unknown logs, forms that nobody specified.
_CANNOT_JUDGE = frozenset({"log-unknown", "entry-kind-unsupported", "sct-log-unknown", "signature-prerelease"})


@frozen
class Verifier:
    """Verifies one object after the other by the same settings."""

    settings: Settings

    def verify(self, job: Job) -> SignatureFacts:
        """Verify one object."""
        report = Report()
        try:
            if self.settings.trusted_root is None:
                raise UncheckedError("trust-root-missing", "there is no trust root to verify with")
            verified = verify_signature(
                job.payload,
                job.signature,
                trusted_root=self.settings.trusted_root,
                now=self.settings.now,
                object_id=job.oid,
                find_entries=_stored(job.entries),
                require_sct=self.settings.require_sct,
                require_timestamp=self.settings.require_timestamp,
                report=report,
            )
        except GitsignError as error:
            return _refused(error, job.signature, report, kept=bool(job.entries))
        return facts_of(verified)

    def verify_batch(self, jobs: Sequence[Job]) -> list[str]:
        """Verify several objects and give their facts as text."""
        return [dump_facts(self.verify(job)) for job in jobs]


def _stored(entries: tuple[bytes, ...]) -> FindEntries | None:
    """Entries from the store instead of a log; all of them are verified like any other, junk is left out."""
    readable: list[LogEntry] = []
    for entry in entries:
        try:
            readable.append(decode_entry(entry))
        except FormatError:
            continue

    def find(_digest: bytes, _certificate: Certificate) -> Sequence[LogEntry]:
        return readable

    return find if readable else None


def _refused(error: GitsignError, signature: bytes, report: Report, *, kept: bool) -> SignatureFacts:
    """``kept`` entries that do not fit leave the log's word open: anybody can write a note, so it is not ``bad``."""
    status: SignatureStatus = "bad"
    step = getattr(error, "step", "")
    if isinstance(error, UncheckedError) or error.reason in _CANNOT_JUDGE or (kept and step.startswith("4.")):
        status = "unchecked"
    identity, issuer = _claimed(signature) if status == "unchecked" else ("", "")
    return SignatureFacts(
        status,
        "sigstore",
        identity=identity,
        issuer=issuer,
        steps=tuple(made.number for made in report.steps if made.outcome == "passed"),
        reason=error.reason,
        message=f"{error.message} (step {step})" if step else error.message,
    )


def _claimed(signature: bytes) -> tuple[str, str]:
    """Whom the certificate names, for people who look at what could not be checked. No verdict rests on it."""
    try:
        found = certificate_identity(open_signature(signature).certificate)
    except GitsignError:
        return "", ""
    return found.value, found.issuer
