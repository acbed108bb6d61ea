"""Steps 4.1 to 4.4: the log entry is there, is of this very signature, stands in a log of the trust root, witnessed.

An embedded entry comes without its body. The body is rebuilt from the signature, the certificate and the hash of the
signed attributes, so an entry of another signature can't fit: its promise and its proof are over other bytes.
Entries that a log was asked for are several at times (one key, many commits); each must prove itself alone, and the
first that does so counts. One that belongs to another commit is never enough (CVE-2024-51746).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gitsign_py.core import digests
from gitsign_py.core.encoding import format_rfc3339, pem_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.cms import SignerInfo
from gitsign_py.core.tlog.hashedrekord import KIND
from gitsign_py.core.tlog.logentry import LogEntry, hashedrekord_v001_body, hashedrekord_v002_body, parse_hashedrekord
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.core.trust.root import TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import FormatError, GitsignError, InvalidSignatureError, UncheckedError, VerificationError
from gitsign_py.verification.result import CLOCK_SKEW, LoggedEntry, ProvenTime
from gitsign_py.verification.steps import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy

_KEY_DETAILS = {
    "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
    "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
    "ecdsa-p521": "PKIX_ECDSA_P521_SHA_512",
    "ed25519": "PKIX_ED25519",
}


@frozen
class Logged:
    """A verified entry, and the times that it proves (none for Rekor v2, whose entries state no time).

    ``witnessed`` is when a quorum of witnesses had seen it, where a policy asks for one.
    """

    entry: LoggedEntry
    times: tuple[ProvenTime, ...]
    log: TransparencyLogInstance
    witnessed: tuple[ProvenTime, ...] = ()


@frozen
class _Proof:
    """What the proof of an entry is held against besides the trust root."""

    now: datetime
    witnesses: "WitnessPolicy | None"
    embedded: bool = False


def check_embedded_entry(
    report: Report,
    entry: LogEntry,
    signer: SignerInfo,
    certificate: Certificate,
    trusted_root: TrustedRoot,
    *,
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> Logged:
    """Check the entry that the signature carries: over the signed attributes, with the CMS signature itself.

    Raises VerificationError with the step that failed.
    """
    with report.step("4.1") as facts:
        facts["log_index"], facts["embedded"] = entry.log_index, True
    digest = digests.sha256(signer.signed_bytes).digest()
    with report.step("4.2") as facts:
        bodies = candidate_bodies(digest, signer.signature, certificate)
        facts["hash"] = digest.hex()
        if entry.body and entry.body not in bodies.values():
            raise VerificationError("log-entry-mismatch", "log entry is not over this signature")
    return _prove(report, entry, bodies, trusted_root, _Proof(now, witnesses, embedded=True))


def candidate_bodies(digest: bytes, signature: bytes, certificate: Certificate) -> dict[str, bytes]:
    """The canonical bodies of an entry over ``digest`` (32 bytes), by version: hashedrekord 0.0.1 and 0.0.2.

    The Go client stores entries of Rekor v2 under the version 0.0.1. Trying both is safe: the proof decides.
    """
    bodies = {"0.0.1": hashedrekord_v001_body(digest, signature, pem_encode(certificate.raw, "CERTIFICATE"))}
    if details := _KEY_DETAILS.get(certificate.public_key.kind):
        bodies["0.0.2"] = hashedrekord_v002_body(digest, signature, certificate.raw, details)
    return bodies


def check_found_entries(
    report: Report,
    entries: Sequence[LogEntry],
    message: bytes,
    certificate: Certificate,
    trusted_root: TrustedRoot,
    *,
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> Logged:
    """Check entries that a log gave for ``message``, the object id as hex text: one must prove itself in full.

    Raises UncheckedError ``log-entry-not-found``, or ``log-entry-unproven`` with the refusal of the entry that came
    furthest: an entry from elsewhere that does not hold shows nothing about the signature.
    """
    best: tuple[str, GitsignError, Report] | None = None
    for entry in entries:
        attempt = Report()
        try:
            with attempt.step("4.2") as facts:
                facts["log_index"] = entry.log_index
                version = _check_body(entry.body, message, certificate)
            logged = _prove(attempt, entry, {version: entry.body}, trusted_root, _Proof(now, witnesses))
        except VerificationError as error:
            if best is None or error.step > best[0]:
                best = (error.step, error, attempt)
            continue
        report.steps += attempt.steps
        return logged
    if best is None:
        raise UncheckedError("log-entry-not-found", "log has no entry for this commit", step="4.1")
    step, refusal, attempt = best
    report.steps += attempt.steps[:-1]
    with report.step(step) as facts:
        facts.update(refusal.facts)
        raise UncheckedError(
            "log-entry-unproven",
            f"no log entry that was found proves this signature: {refusal.message}",
            hint=refusal.hint,
            facts={"cause": refusal.reason, "found": len(entries)},
        )


def _check_body(body: bytes, message: bytes, certificate: Certificate) -> str:
    """The entry names our certificate, the hash of our message, and a signature by our key over it; the version."""
    record = parse_hashedrekord(body)
    if record.verifier_der != certificate.raw:
        raise VerificationError("log-entry-other-certificate", "log entry is by another certificate")
    if record.digest != digests.new(record.algorithm, message).digest():
        raise VerificationError("log-entry-other-hash", "log entry is over another commit")
    try:
        certificate.public_key.verify(record.signature, message, record.algorithm)
    except InvalidSignatureError as error:
        raise VerificationError("log-entry-other-signature", "log entry's signature is not over this commit") from error
    return record.version


def _prove(
    report: Report,
    entry: LogEntry,
    bodies: Mapping[str, bytes],
    trusted_root: TrustedRoot,
    asked: _Proof,
) -> Logged:
    """Step 4.3: promise, inclusion proof and checkpoint, by a log of the trust root. Step 4.4: its witnesses."""
    with report.step("4.3") as facts:
        proven = verify_entry(entry, tuple(bodies.values()), trusted_root.tlogs)
        facts["log"], facts["log_id"] = proven.log.base_url, proven.log.log_id.hex()
        facts["log_index"] = entry.log_index
        facts["tree_size"] = proven.checkpoint.size
        version = next(version for version, body in bodies.items() if body == proven.body)
        _check_version(entry, version, promised=proven.promised)
        times = integrated_times(entry, proven.log.base_url, asked.now) if proven.promised else ()
        if times:
            facts["integrated_time"] = format_rfc3339(times[0].time)
    witnessed: tuple[ProvenTime, ...] = ()
    if asked.witnesses is not None:
        from gitsign_py.verification.witnessed import check_witnesses  # noqa: PLC0415 - for those who have a policy

        witnessed = check_witnesses(report, asked.witnesses, entry, proven, now=asked.now)
    logged = LoggedEntry(
        log_index=entry.log_index,
        log_id=proven.log.log_id.hex(),
        base_url=proven.log.base_url,
        kind=KIND,
        version=version,
        integrated_time=times[0].time if times else None,
        embedded=asked.embedded,
    )
    return Logged(logged, times, proven.log, witnessed)


def _check_version(entry: LogEntry, version: str, *, promised: bool) -> None:
    """Kind and version are the body's, the Go client's 0.0.1 for 0.0.2 aside. Rekor v1 always gives a promise.

    Neither the promise nor the proof covers what the entry itself says about its kind and version.
    """
    if entry.kind != KIND:
        raise VerificationError("entry-kind-mismatch", f"log entry says it is a {entry.kind}, its body is a {KIND}")
    if entry.version != version and (entry.version, version) != ("0.0.1", "0.0.2"):
        raise VerificationError(
            "entry-version-mismatch", f"log entry says it has version {entry.version}, its body has {version}"
        )
    if version == "0.0.1" and not promised:
        raise VerificationError("set-missing", "log entry has no signed promise (SET), so nothing dates it")


def integrated_times(entry: LogEntry, authority: str, now: datetime) -> tuple[ProvenTime, ...]:
    """Give the time of an entry whose SET was verified; without a SET it is hearsay, and must not be asked for.

    Raises VerificationError ``log-time-in-future``, FormatError ``log-time-invalid``.
    """
    if not entry.integrated_time:
        return ()
    try:
        time = datetime.fromtimestamp(entry.integrated_time, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise FormatError("log-time-invalid", "log entry's time is not a time of the calendar") from error
    if time > now + CLOCK_SKEW:
        raise VerificationError(
            "log-time-in-future",
            f"log entry claims the time {format_rfc3339(time)}, which is to come: "
            f"it is now {format_rfc3339(now.replace(microsecond=0))}",
            hint="check this machine's clock",
        )
    return (ProvenTime(time, "log", authority),)
