"""One revision judged: read the object, cut out the signature, verify, and keep what passed and what failed.

The front that git calls has the payload and the signature already; ``verify`` has a revision. Both end in the same
verifier, and both need to tell PGP and SSH signatures from ours.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gitsign_py.core.certificate import Certificate
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.gitobject import SignedObject, signature_format, split_object
from gitsign_py.core.logentry import LogEntry
from gitsign_py.core.trust import TrustedRoot
from gitsign_py.errors import FormatError, GitsignError, ServiceError, UncheckedError, VerificationError
from gitsign_py.host.repository import Revision
from gitsign_py.ports import ObjectSource
from gitsign_py.verification import ExpectedIdentity, Report, Step, VerifiedSignature, verify_signature
from gitsign_py.verification.result import LoggedEntry, ProvenTime
from gitsign_py.verification.signature import FindEntries, open_signature


@frozen
class Question:
    """What is asked about every revision of one call."""

    trusted_root: TrustedRoot
    expected: ExpectedIdentity | None
    now: datetime
    find_entries: FindEntries | None = None
    noted: Callable[[str], Sequence[LogEntry]] | None = None
    """Entries that git notes hold for an object id: nobody's word, verified like any other."""
    require_sct: bool = True
    require_timestamp: bool = False


@frozen
class Judgement:
    """The answer: either ``verified`` or ``error``, and the steps that were made."""

    revision: Revision
    verified: VerifiedSignature | None
    error: GitsignError | None
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that docs/schemas/verify.json describes."""
        verified = self.verified
        result: dict[str, Any] = {
            "revision": self.revision.name,
            "oid": self.revision.oid,
            "kind": self.revision.kind,
            "verdict": verdict(self.error),
            "steps": [step_object(step) for step in self.steps],
        }
        if self.error is not None:
            result |= refusal_object(self.error)
        return result | (signature_object(verified) if verified is not None else {})


def verdict(error: GitsignError | None) -> str:
    """``verified``, ``not-verified`` or ``unchecked``."""
    if error is None:
        return "verified"
    return "unchecked" if isinstance(error, UncheckedError | ServiceError) else "not-verified"


def refusal_object(error: GitsignError) -> dict[str, Any]:
    """What was refused and why, as JSON."""
    return {
        "verdict": verdict(error),
        "reason": error.reason,
        "message": error.message,
        "hint": error.hint,
        "step": getattr(error, "step", ""),
        "facts": dict(error.facts),
    }


def time_object(proven: ProvenTime) -> dict[str, Any]:
    """One proven time as JSON."""
    return {"time": format_rfc3339(proven.time), "source": proven.source, "authority": proven.authority}


def log_object(entry: LoggedEntry) -> dict[str, Any]:
    """One verified log entry as JSON."""
    return {
        "index": entry.log_index,
        "id": entry.log_id,
        "url": entry.base_url,
        "version": entry.version,
        "embedded": entry.embedded,
    }


def step_object(step: Step) -> dict[str, Any]:
    """One step as JSON."""
    value: dict[str, Any] = {"number": step.number, "title": step.title, "outcome": step.outcome}
    if step.reason:
        value["reason"] = step.reason
    if step.message:
        value["message"] = step.message
    return value | {"facts": dict(step.facts)}


def signature_object(verified: VerifiedSignature) -> dict[str, Any]:
    """What was proven, as JSON."""
    return {
        "identity": verified.identity,
        "san_type": verified.san_type,
        "issuer": verified.issuer,
        "identity_checked": verified.identity_checked,
        "claims": dict(verified.claims),
        "certificate": verified.fingerprint,
        "time": format_rfc3339(verified.time),
        "times": [time_object(proven) for proven in verified.times],
        "log": log_object(verified.log),
        "trusted_root": verified.trusted_root_digest,
    }


def judge(revision: Revision, objects: ObjectSource, question: Question) -> Judgement:
    """Read and verify one commit or tag. What fails ends up in the judgement, not in an exception."""
    report = Report()
    try:
        stored = objects.read(revision.oid)
        # Which signature counts is said by the repository's algorithm, not by the length of the names in the object.
        signed = split_object(stored.kind, stored.data, "sha256" if len(revision.oid) == 64 else "sha1")
        verified = verify_object(signed, revision.oid, question, report)
    except GitsignError as error:
        return Judgement(revision, None, error, tuple(report.steps))
    return Judgement(revision, verified, None, tuple(report.steps))


def verify_object(signed: SignedObject, oid: str, question: Question, report: Report) -> VerifiedSignature:
    """Verify an object that was split. Raises VerificationError ``unsigned`` or ``signature-format-unsupported``."""
    if signed.signature is None:
        raise VerificationError("unsigned", f"{signed.kind} {oid} has no signature")
    form = signature_format(signed.signature)
    if form != "x509":
        raise VerificationError(
            "signature-format-unsupported",
            f"{signed.kind} {oid} is signed in another format ({form})",
            hint="git verify-commit and git verify-tag check OpenPGP and SSH signatures",
        )
    return verify_payload(signed.payload, signed.signature, oid, question, report)


def verify_payload(
    payload: bytes, signature: bytes, oid: str | None, question: Question, report: Report
) -> VerifiedSignature:
    """Verify payload and armored signature; ``oid`` names the object for online-mode entries.

    Entries in git notes come first, so that such a history verifies without a network. Notes that do not hold are as
    good as none: then the log is asked.
    """
    noted = _noted(signature, oid, question)
    if noted:
        attempt = Report()
        try:
            verified = _verify(payload, signature, oid, question, attempt, find=lambda _digest, _certificate: noted)
        except VerificationError as error:
            if not error.step.startswith("4."):
                report.steps += attempt.steps
                raise
        else:
            report.steps += attempt.steps
            return verified
    return _verify(payload, signature, oid, question, report, find=_checkable(question.find_entries))


def _noted(signature: bytes, oid: str | None, question: Question) -> Sequence[LogEntry]:
    """What notes hold for an online-mode signature; one that carries its entry needs none."""
    if question.noted is None or oid is None:
        return ()
    try:
        return () if open_signature(signature).entry is not None else question.noted(oid)
    except VerificationError:
        return ()


def _verify(
    payload: bytes, signature: bytes, oid: str | None, question: Question, report: Report, *, find: FindEntries | None
) -> VerifiedSignature:
    return verify_signature(
        payload,
        signature,
        trusted_root=question.trusted_root,
        now=question.now,
        object_id=oid,
        expected=question.expected,
        find_entries=find,
        require_sct=question.require_sct,
        require_timestamp=question.require_timestamp,
        report=report,
    )


def _checkable(find: FindEntries | None) -> FindEntries | None:
    """A log that does not answer leaves a signature unchecked; it does not make it a bad one."""
    if find is None:
        return None

    def checked(digest: bytes, certificate: Certificate) -> Sequence[LogEntry]:
        try:
            return find(digest, certificate)
        except (ServiceError, FormatError) as error:
            raise UncheckedError(
                "log-unreachable",
                f"log entry not embedded, log unreachable: {error.message}",
                hint=error.hint,
                facts={"cause": error.reason},
            ) from error

    return checked
