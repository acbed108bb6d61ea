"""The steps of verifying a signature over a git object: its form, the CMS, its log entry, the times.

``verifier.py`` has them in their order; the certificate's own are in ``signer.py``. docs/verification.md has the same
numbers.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from gitsign_py.core import digests
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git import armor
from gitsign_py.core.git.gitobject import id_with_header
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.gitsigned import parse_signature
from gitsign_py.core.tlog.logentry import LogEntry, decode_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, ServiceError, UncheckedError, VerificationError
from gitsign_py.verification.logged import Logged, check_embedded_entry, check_found_entries
from gitsign_py.verification.result import ProvenTime
from gitsign_py.verification.steps import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy

_SHA256_DIGITS = 64
FindEntries = Callable[[bytes, Certificate], Sequence[LogEntry]]
"""Asks a log for the entries over a SHA-256 digest by a certificate's key. Raises ServiceError, FormatError."""
KeptEntries = Callable[[str], Sequence[LogEntry]]
"""Gives the entries that were kept for an object id (git notes, a store); they are verified like any other."""
_KNOWN_UNSIGNED = {oids.LOG_ENTRY, oids.TIMESTAMP_TOKEN}


@frozen
class Sources:
    """Where log entries come from that a signature does not carry: what was kept comes first, then a log is asked."""

    find: FindEntries | None = None
    kept: KeptEntries | None = None


@frozen
class Opened:
    """A signature that was parsed, not verified: what an inspector may show, marked as unproven."""

    signed: cms.SignedData
    signer: cms.SignerInfo
    certificate: Certificate
    entry: LogEntry | None
    timestamp: bytes | None


def open_signature(signature: bytes, report: Report | None = None) -> Opened:
    """Steps 1.1 and 1.2: parse an armored signature. Nothing in the result is verified.

    Raises VerificationError for bytes that are not one well-formed signature by one signer.
    """
    steps = report if report is not None else Report()
    with steps.step("1.1"):
        signed = parse_signature(armor.dearmor(signature))
    with steps.step("1.2") as facts:
        signer = cms.only_signer(signed)
        certificate = cms.signer_certificate(signed, signer)
        facts["certificate"] = certificate.fingerprint
        entry, timestamp = _unsigned(signer)
    return Opened(signed, signer, certificate, entry, timestamp)


def may_be_smime(armored: bytes) -> bool:
    """Tell whether a signature can be one for gpgsm, which ``smime.read_smime`` reads: nothing in it is Sigstore's."""
    try:
        return oids.SIGSTORE_OCTETS not in armor.dearmor(armored)
    except FormatError:
        return False


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


def check_cms(steps: Report, opened: Opened, payload: bytes) -> datetime | None:
    """Steps 3.1 to 3.3. Gives what the signer claims as the time of signing, which proves nothing.

    Raises VerificationError.
    """
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


def logged_names(payload: bytes, armored: bytes, object_id: str | None) -> tuple[str, ...]:
    """The names under which a log may have an online-mode object: its id; for a tag what gitsign 0.16 took for it."""
    if object_id is None or not payload.startswith(b"object "):
        return () if object_id is None else (object_id,)
    try:
        return object_id, id_with_header(payload, armored, "sha256" if len(object_id) == _SHA256_DIGITS else "sha1")
    except FormatError:
        return (object_id,)


def check_logged(
    steps: Report,
    opened: Opened,
    trusted_root: TrustedRoot,
    sources: Sources,
    *,
    names: Sequence[str],
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> Logged | None:
    """Steps 4.1 to 4.3: the entry that the signature carries, else one that was kept, else one that the log has.

    None where the trust root lists no log at all, and a timestamp is there to prove the time (5.1). ``names`` are those
    of the object (``logged_names``), its id first. Raises VerificationError, and UncheckedError for an entry that is
    not embedded and that no source proves.
    """
    if opened.entry is not None:
        return check_embedded_entry(
            steps, opened.entry, opened.signer, opened.certificate, trusted_root, now=now, witnesses=witnesses
        )
    if trusted_root.has_no_log:
        _leave_out(steps, opened)
        if witnesses is not None:
            from gitsign_py.verification.witnessed import refuse_unwitnessed  # noqa: PLC0415 - for who has a policy

            refuse_unwitnessed(steps, witnesses)
        return None
    kept = () if sources.kept is None or not names else sources.kept(names[0])
    if not kept:
        return _ask_log(
            steps, opened.certificate, trusted_root, sources.find, names=names, now=now, witnesses=witnesses
        )
    attempt = Report()
    try:
        logged = _check_kept(attempt, kept, opened.certificate, trusted_root, names=names, now=now, witnesses=witnesses)
    except UncheckedError:
        # Anybody can write a note: one that does not hold is as good as none.
        if sources.find is not None:
            return _ask_log(
                steps, opened.certificate, trusted_root, sources.find, names=names, now=now, witnesses=witnesses
            )
        steps.steps += attempt.steps
        raise
    steps.steps += attempt.steps
    return logged


def _leave_out(steps: Report, opened: Opened) -> None:
    """An instance without a log: the signature is in none, and every report says so."""
    if opened.timestamp is None:
        with steps.step("4.1"):
            raise UncheckedError(
                "log-unknown",
                "trust root lists no log, and the signature has neither a log entry nor a timestamp",
                hint="the trust root may be out of date (gitsign-py initialize), or of another instance",
            )
    for number in ("4.1", "4.2", "4.3"):
        steps.skip(number, "trust root lists no log, so nothing shows that the signature is public")


def _ask_log(
    steps: Report,
    certificate: Certificate,
    trusted_root: TrustedRoot,
    find: FindEntries | None,
    *,
    names: Sequence[str],
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> Logged:
    """Online mode: the log holds a second signature by the same key, over the object id as hex text."""
    with steps.step("4.1") as facts:
        if find is None or not names:
            raise UncheckedError(
                "log-entry-not-embedded",
                "log entry not embedded, log unreachable: the signature was made in online mode",
                hint="verify without --offline, with the log's URL set (gitsign.rekor)",
            )
        facts["object_id"] = names[0]
        name, entries = names[0], _asked(find, digests.sha256(names[0].encode()).digest(), certificate)
        for other in names[1:]:
            if not entries:
                name, entries = other, _asked(find, digests.sha256(other.encode()).digest(), certificate)
        facts["found"] = len(entries)
        if not entries:
            raise UncheckedError("log-entry-not-found", "log has no entry for this commit by this certificate")
        if name != names[0]:
            facts["logged_as"] = f"{name}, the id with the signature in the header (gitsign 0.16.0 and 0.16.1)"
    return check_found_entries(steps, entries, name.encode(), certificate, trusted_root, now=now, witnesses=witnesses)


def _asked(find: FindEntries, digest: bytes, certificate: Certificate) -> Sequence[LogEntry]:
    """A log that does not answer, or not in its own form, leaves the signature unchecked."""
    try:
        return find(digest, certificate)
    except (ServiceError, FormatError) as error:
        raise UncheckedError(
            "log-unreachable",
            f"log entry not embedded, log unreachable: {error.message}",
            hint=error.hint,
            facts={"cause": error.reason},
        ) from error


def _check_kept(
    steps: Report,
    entries: Sequence[LogEntry],
    certificate: Certificate,
    trusted_root: TrustedRoot,
    *,
    names: Sequence[str],
    now: datetime,
    witnesses: "WitnessPolicy | None" = None,
) -> Logged:
    """By the first of the names that an entry is over; without one, what is wrong with those for the object's id."""
    with steps.step("4.1") as facts:
        facts["object_id"], facts["kept"] = names[0], len(entries)
        by_digest = {digests.sha256(other.encode()).hexdigest().encode(): other for other in names[1:]}
        found = next((name for one in entries for digest, name in by_digest.items() if digest in one.body), names[0])
        if found != names[0]:
            facts["logged_as"] = f"{found}, the id with the signature in the header (gitsign 0.16.0 and 0.16.1)"
    return check_found_entries(steps, entries, found.encode(), certificate, trusted_root, now=now, witnesses=witnesses)


def proven_times(
    steps: Report, opened: Opened, logged: Logged | None, trusted_root: TrustedRoot, *, require_timestamp: bool
) -> tuple[ProvenTime, ...]:
    """Steps 5.1 and 5.2: every time that is there must hold, and there must be one. Raises VerificationError."""
    times = list(logged.times) if logged is not None else []
    if opened.timestamp is None:
        steps.skip("5.1", "signature has no timestamp")
    else:
        from gitsign_py.core.sigstore.timestamp import verify_timestamp  # noqa: PLC0415 - 14 ms, for those that have one

        with steps.step("5.1") as facts:
            stamp = verify_timestamp(
                opened.timestamp, message=opened.signer.signature, authorities=trusted_root.timestamp_authorities
            )
            facts["time"], facts["authority"] = format_rfc3339(stamp.time), stamp.authority.uri
            times.append(ProvenTime(stamp.time, "timestamp", stamp.authority.uri, stamp.accuracy))
    if logged is not None and logged.witnessed:
        from gitsign_py.verification.witnessed import telling  # noqa: PLC0415 - for who has a policy

        times += telling(logged.witnessed, times, opened.certificate)
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
