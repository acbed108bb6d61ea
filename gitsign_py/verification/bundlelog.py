"""Steps 4.1 to 4.4 for bundles: every log entry is of this very signature and stands in a log of the trust root.

A bundle carries the bodies of its entries. A body must agree with the bundle: the signature, the
certificate or key, and the hash of what was signed. Without that comparison any valid entry would do (CVE-2022-36056).
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from gitsign_py.core.dsse import Envelope, pae
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.pki.keydetails import key_details
from gitsign_py.core.sigstore.bundle import Bundle
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.logentry import LogEntry, leaf_hash_of, parse_hashedrekord
from gitsign_py.core.tlog.rekorbodies import LoggedSignature, parse_envelope_body
from gitsign_py.core.tlog.tlogproof import VerifiedEntry, check_log_window, verify_entry, verify_promise
from gitsign_py.core.trust.root import TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.verification.logged import integrated_times
from gitsign_py.verification.result import LoggedEntry, ProvenTime
from gitsign_py.verification.steps import Report
from gitsign_py.verification.witnessed import check_witnesses, refuse_unwitnessed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy

_ENVELOPE_KINDS = {("dsse", "0.0.1"), ("dsse", "0.0.2"), ("intoto", "0.0.2")}
_SPKI_KIND, _CERTIFICATE_KIND = "public-key", "certificate"


@frozen
class Signed:
    """The bundle's signature: its bytes, who made it, and what it is over.

    ``verifier_der`` is the leaf's DER or the managed key's SubjectPublicKeyInfo, ``verifier_kind`` ``certificate`` or
    ``public-key``, ``key_kind`` the kind of the key in it; ``envelope`` is None for a message signature; ``digest``
    gives the digest of the signed bytes (the artifact, or the envelope's PAE) under a hash's name and raises
    VerificationError when only another is known.
    """

    signature: bytes
    verifier_der: bytes
    verifier_kind: str
    key_kind: str
    envelope: Envelope | None
    digest: Callable[[str], bytes]


@frozen
class ProvenEntry:
    """A verified entry, its log, and the time that the log's promise proves, if there is one.

    ``proof`` is None for an entry of which the promise alone was checked; ``witnessed`` as ``Logged`` has it.
    """

    log: TransparencyLogInstance
    logged: LoggedEntry
    times: tuple[ProvenTime, ...]
    proof: VerifiedEntry | None = None
    witnessed: tuple[ProvenTime, ...] = ()


def check_entries(
    report: Report,
    bundle: Bundle,
    signed: Signed,
    trusted_root: TrustedRoot,
    *,
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> tuple[ProvenEntry, ...]:
    """Check all entries; one that fails is a refusal, however many others hold.

    A bundle may come without entries where the trust root lists no log: there is none to ask for. One by a certificate
    needs a timestamp then. Raises VerificationError with the step that failed.
    """
    entries = bundle.entries
    if not entries and trusted_root.has_no_log:
        refuse_unwitnessed(report, witnesses)
        if signed.verifier_kind == _SPKI_KIND:
            report.skip("4.1", "the trust root lists no transparency log, and a managed key needs no time")
            return ()
        if bundle.timestamps:
            for number in ("4.1", "4.2", "4.3"):
                report.skip(number, "the trust root lists no transparency log, so nothing shows that this is public")
            return ()
    with report.step("4.1") as facts:
        facts["entries"] = len(entries)
        if not entries:
            raise VerificationError("log-entry-missing", "bundle has no log entry")
    with report.step("4.2") as facts:
        for entry in entries:
            facts["log_index"] = entry.log_index
            facts["kind"] = f"{entry.kind} {entry.version}"[:80]
            _check_body(entry, signed)
    with report.step("4.3") as facts:
        proven = tuple(_prove(entry, trusted_root, now) for entry in entries)
        facts["logs"] = ", ".join(each.log.base_url for each in proven)
    return tuple(_witnessed(report, *each, witnesses, now) for each in zip(entries, proven, strict=True))


def _witnessed(
    report: Report, entry: LogEntry, proven: ProvenEntry, witnesses: "WitnessPolicy | None", now: datetime
) -> ProvenEntry:
    if proven.proof is None:
        refuse_unwitnessed(report, witnesses)
        return proven
    return replace(proven, witnessed=check_witnesses(report, witnesses, entry, proven.proof, now=now))


def _prove(entry: LogEntry, trusted_root: TrustedRoot, now: datetime) -> ProvenEntry:
    proof, verified = entry.inclusion_proof, None
    if proof is None or not proof.checkpoint:
        # Bundles of version 0.1 alone get here: their promise stands for the inclusion.
        log = verify_promise(entry, (entry.body,), trusted_root.tlogs).log
        _check_path(entry)
    else:
        verified = verify_entry(entry, (entry.body,), trusted_root.tlogs)
        log = verified.log
    times = integrated_times(entry, log.base_url, now) if entry.signed_entry_timestamp else ()
    logged = LoggedEntry(
        log_index=entry.log_index,
        log_id=log.log_id.hex(),
        base_url=log.base_url,
        kind=entry.kind,
        version=entry.version,
        integrated_time=times[0].time if times else None,
        embedded=True,
    )
    return ProvenEntry(log, logged, times, verified)


def _check_path(entry: LogEntry) -> None:
    """A proof without a checkpoint proves nothing, but one that contradicts itself was tampered with."""
    proof = entry.inclusion_proof
    if proof is not None:
        leaf = leaf_hash_of(entry.body)
        merkle.verify_inclusion(leaf, proof.log_index, proof.tree_size, proof.hashes, proof.root_hash)


def check_windows(proven: tuple[ProvenEntry, ...], timestamps: tuple[ProvenTime, ...], *, now: datetime) -> None:
    """Check the logs that state no time: their keys must have been valid at every time that a timestamp proves.

    A managed key's bundle may have no time at all; then the log's key must be valid ``now``.
    Raises VerificationError ``log-key-expired``.
    """
    for each in proven:
        if not each.times:
            for time in [stamp.time for stamp in timestamps] or [now]:
                check_log_window(each.log, time)


def _check_body(entry: LogEntry, signed: Signed) -> None:
    if entry.kind == "hashedrekord":
        _check_hashedrekord(entry, signed)
    elif (entry.kind, entry.version) in _ENVELOPE_KINDS:
        _check_envelope(entry, signed)
    else:
        raise VerificationError(
            "entry-kind-unsupported",
            f"log entry is of kind {entry.kind[:40]} {entry.version[:20]}, which is not supported",
        )


def _check_hashedrekord(entry: LogEntry, signed: Signed) -> None:
    """Over an artifact, or over the PAE of an envelope, as clients of Rekor v2 log envelopes."""
    record = parse_hashedrekord(entry.body)
    if record.version != entry.version:
        raise FormatError("log-body-kind", f"log entry says version {entry.version[:20]}, its body {record.version}")
    details = key_details(record.key_details)
    key_kind = details.kind if details else ""
    logged = LoggedSignature(record.signature, record.verifier_der, record.verifier_kind, key_kind)
    _check_signature((logged,), signed)
    if record.digest != signed.digest(record.algorithm):
        raise VerificationError(
            "log-entry-other-hash", "log entry is over something else", facts={"got": record.digest.hex()}
        )


def _check_envelope(entry: LogEntry, signed: Signed) -> None:
    if signed.envelope is None:
        raise VerificationError("log-entry-mismatch", f"log entry of kind {entry.kind} is not over an artifact")
    logged = parse_envelope_body(entry.body, entry.kind, entry.version)
    _check_signature(logged.signatures, signed)
    if logged.payload_digest != hashlib.new(logged.algorithm, signed.envelope.payload).digest():
        raise VerificationError(
            "log-entry-other-hash",
            "log entry is over an envelope with another payload",
            facts={"got": logged.payload_digest.hex()},
        )
    if logged.payload_type is not None and logged.payload_type != signed.envelope.payload_type:
        raise VerificationError("log-entry-mismatch", "log entry is over an envelope of another payload type")


def _check_signature(logged: tuple[LoggedSignature, ...], signed: Signed) -> None:
    """The one signature of the bundle, and nothing beside it."""
    if len(logged) != 1:
        raise VerificationError("log-entry-mismatch", f"log entry has {len(logged)} signatures, the bundle has one")
    if logged[0].signature != signed.signature:
        raise VerificationError("log-entry-other-signature", "log entry is of another signature")
    if (logged[0].verifier_kind, logged[0].verifier_der) != (signed.verifier_kind, signed.verifier_der):
        name = "certificate" if signed.verifier_kind == _CERTIFICATE_KIND else "public key"
        raise VerificationError("log-entry-other-certificate", f"log entry is by another {name}")
    if logged[0].key_kind not in ("", signed.key_kind):  # stated beside the key, so that other readers may go by it
        raise VerificationError("log-entry-mismatch", f"log entry says that the key is of kind {logged[0].key_kind}")


def envelope_digest(envelope: Envelope) -> Callable[[str], bytes]:
    """Give the digest of an envelope's PAE under any hash."""
    encoded = pae(envelope.payload_type, envelope.payload)
    return lambda name: hashlib.new(name, encoded).digest()
