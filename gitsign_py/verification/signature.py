"""Verify one signature over one git object, step by step (docs/verification.md has the same numbers).

From the trust root outwards: the certificate is believed first, then the signature by its key, then the log entry
and the times, and only then the name in it is compared with the one that was asked for. Pure: the time, the trust
root and a way to ask a log are arguments.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from gitsign_py.core import armor, cms, der, oids
from gitsign_py.core.certificate import Certificate
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.logentry import LogEntry, decode_entry
from gitsign_py.core.trust import TrustedRoot
from gitsign_py.errors import UncheckedError, VerificationError
from gitsign_py.verification.identity import ExpectedIdentity, check_claims, check_identity
from gitsign_py.verification.logged import Logged, check_embedded_entry, check_found_entries
from gitsign_py.verification.result import ProvenTime, VerifiedSignature
from gitsign_py.verification.signer import Signer, check_signer, check_validity
from gitsign_py.verification.steps import Report

FindEntries = Callable[[bytes, Certificate], Sequence[LogEntry]]
"""Asks a log for the entries over a SHA-256 digest by a certificate's key. Raises ServiceError."""
_KNOWN_UNSIGNED = {oids.LOG_ENTRY, oids.TIMESTAMP_TOKEN}


@frozen
class Opened:
    """A signature that was parsed, not verified: what an inspector may show, marked as unproven."""

    signed: cms.SignedData
    signer: cms.SignerInfo
    certificate: Certificate
    entry: LogEntry | None
    timestamp: bytes | None


def verify_signature(
    payload: bytes,
    signature: bytes,
    *,
    trusted_root: TrustedRoot,
    now: datetime,
    object_id: str | None = None,
    expected: ExpectedIdentity | None = None,
    find_entries: FindEntries | None = None,
    require_sct: bool = True,
    require_timestamp: bool = False,
    report: Report | None = None,
) -> VerifiedSignature:
    """Verify the armored ``signature`` of a commit or tag over its ``payload``, the stored bytes without it.

    ``now`` is an aware datetime, for log times in the future alone. ``object_id`` (hex) and ``find_entries`` serve
    online-mode signatures, whose log entry is not in the commit. Without ``expected`` steps 6.1 and 6.2 are left out
    and the caller must judge the identity. ``report`` collects the steps, those of a refusal too.

    Raises VerificationError with step and reason when a check fails, UncheckedError when one could not be made.
    """
    steps = report if report is not None else Report()
    opened = open_signature(signature, steps)
    signer = check_signer(steps, opened.certificate, opened.signed.certificates, trusted_root, require_sct=require_sct)
    signing_time = _check_cms(steps, opened, payload)
    if opened.entry is not None:
        logged = check_embedded_entry(steps, opened.entry, opened.signer, opened.certificate, trusted_root, now=now)
    else:
        logged = _find(
            steps, signer, object_id=object_id, find_entries=find_entries, trusted_root=trusted_root, now=now
        )
    times = _proven_times(steps, opened, logged, trusted_root, require_timestamp=require_timestamp)
    check_validity(steps, signer, times, logged.log)
    _check_expected(steps, signer, expected)
    return VerifiedSignature(
        identity=signer.identity.value,
        san_type=signer.identity.san_type,
        issuer=signer.identity.issuer,
        claims=signer.identity.claims,
        certificate=opened.certificate,
        log=logged.entry,
        times=times,
        signing_time=signing_time,
        identity_checked=expected is not None,
        trusted_root_digest=trusted_root.digest,
        steps=tuple(steps.steps),
    )


def open_signature(signature: bytes, report: Report | None = None) -> Opened:
    """Steps 1.1 and 1.2: parse an armored signature. Nothing in the result is verified.

    Raises VerificationError for bytes that are not one well-formed signature by one signer.
    """
    steps = report if report is not None else Report()
    with steps.step("1.1"):
        signed = cms.parse_signed_data(armor.dearmor(signature))
    with steps.step("1.2") as facts:
        signer = cms.only_signer(signed)
        certificate = cms.signer_certificate(signed, signer)
        facts["certificate"] = certificate.fingerprint
        entry, timestamp = _unsigned(signer)
    return Opened(signed, signer, certificate, entry, timestamp)


def _unsigned(signer: cms.SignerInfo) -> tuple[LogEntry | None, bytes | None]:
    """Log entry and timestamp token. Attributes of unknown meaning are refused: nothing unsigned stands for nothing."""
    present = {attribute.oid for attribute in signer.unsigned_attributes}
    if present & oids.PRERELEASE_LOG_ATTRIBUTES:
        raise VerificationError(
            "signature-prerelease",
            "signature was made by a pre-release of gitsign, with log attributes that were never specified",
            hint="have the commit signed again",
        )
    if unknown := sorted(present - _KNOWN_UNSIGNED):
        raise VerificationError(
            "cms-attribute-unknown", f"signature has an unsigned attribute {unknown[0]} of no known use"
        )
    entry = cms.attribute_value(signer.unsigned_attributes, oids.LOG_ENTRY)
    token = cms.attribute_value(signer.unsigned_attributes, oids.TIMESTAMP_TOKEN)
    return (
        None if entry is None else decode_entry(der.read_octet_string(entry)),
        None if token is None else token.raw,
    )


def _check_cms(steps: Report, opened: Opened, payload: bytes) -> datetime | None:
    """Steps 3.1 to 3.3; what the signer claims as the time of signing, which proves nothing."""
    signer, key = opened.signer, opened.certificate.public_key
    with steps.step("3.1") as facts:
        hash_name = cms.check_algorithms(opened.signed, signer)
        cms.check_attribute_order(signer)
        signing_time = cms.signing_time(signer)  # it is shown: one that cannot be read is refused here
        facts["digest"], facts["key"] = hash_name, key.kind
    with steps.step("3.2"):
        cms.check_signature(signer, key, hash_name)
    with steps.step("3.3") as facts:
        if opened.signed.content is not None and opened.signed.content != payload:
            raise VerificationError(
                "cms-content-attached", "signature carries content of its own that is not the object's"
            )
        cms.check_message_digest(signer, payload, hash_name)
        facts["payload_bytes"] = len(payload)
    return signing_time


def _find(
    steps: Report,
    signer: Signer,
    *,
    object_id: str | None,
    find_entries: FindEntries | None,
    trusted_root: TrustedRoot,
    now: datetime,
) -> Logged:
    """Online mode: the log holds a second signature by the same key, over the object id as hex text."""
    with steps.step("4.1") as facts:
        if find_entries is None or object_id is None:
            raise UncheckedError(
                "log-entry-not-embedded",
                "log entry not embedded, log unreachable: the signature was made in online mode",
                hint="verify without --offline, with the log's URL set (gitsign.rekor)",
            )
        facts["object_id"] = object_id
        message = object_id.encode()
        entries = find_entries(hashlib.sha256(message).digest(), signer.certificate)
        facts["found"] = len(entries)
        if not entries:
            raise VerificationError("log-entry-missing", "log has no entry for this commit by this certificate")
    return check_found_entries(steps, entries, message, signer.certificate, trusted_root, now=now)


def _proven_times(
    steps: Report, opened: Opened, logged: Logged, trusted_root: TrustedRoot, *, require_timestamp: bool
) -> tuple[ProvenTime, ...]:
    """Steps 5.1 and 5.2: every time that is there must hold, and there must be one."""
    times = list(logged.times)
    if opened.timestamp is None:
        steps.skip("5.1", "signature has no timestamp")
    else:
        from gitsign_py.core.timestamp import verify_timestamp  # noqa: PLC0415 - 14 ms, for those that have one

        with steps.step("5.1") as facts:
            stamp = verify_timestamp(
                opened.timestamp, message=opened.signer.signature, authorities=trusted_root.timestamp_authorities
            )
            facts["time"], facts["authority"] = format_rfc3339(stamp.time), stamp.authority.uri
            times.append(ProvenTime(stamp.time, "timestamp", stamp.authority.uri, stamp.accuracy))
    with steps.step("5.2") as facts:
        if not times:
            raise VerificationError(
                "time-unproven",
                "nothing proves when this was signed: the log states no time and there is no timestamp",
                hint="sign with a timestamp authority (gitsign.timestampServerURL)",
            )
        if require_timestamp and opened.timestamp is None:
            raise VerificationError("timestamp-required", "a timestamp is required and the signature has none")
        facts["time"] = format_rfc3339(min(proven.time for proven in times))
        facts["sources"] = ", ".join(proven.source for proven in times)
    return tuple(times)


def _check_expected(steps: Report, signer: Signer, expected: ExpectedIdentity | None) -> None:
    if expected is None:
        steps.skip("6.1", "no identity was asked for")
        return
    with steps.step("6.1") as facts:
        facts["identity"], facts["issuer"] = signer.identity.value, signer.identity.issuer
        check_identity(signer.identity, expected)
    if expected.claims:
        with steps.step("6.2"):
            check_claims(signer.identity, expected.claims)
