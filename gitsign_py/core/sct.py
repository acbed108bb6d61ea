"""Signed certificate timestamps (RFC 6962 §3): a CT log's promise that it holds a certificate.

Fulcio embeds the SCT in the leaf. The log signed the precertificate, so the bytes to check are the leaf's TBS without
the SCT list, its lengths mended and nothing else touched (§3.2), together with the hash of the issuer's key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitsign_py.core import der, oids
from gitsign_py.core.certificate import Certificate
from gitsign_py.core.encoding import ByteReader, format_rfc3339, opaque
from gitsign_py.core.keys import PublicKey
from gitsign_py.core.trust import TransparencyLogInstance
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

X509_ENTRY, PRECERT_ENTRY = 0, 1  # LogEntryType, §3.1
MAX_SCTS = 32
_V1 = 0
_CERTIFICATE_TIMESTAMP = 0  # SignatureType, §3.2
_SHA256 = 4  # HashAlgorithm, RFC 5246 §7.4.1.4.1
_SIGNATURE_KINDS = {1: "rsa", 3: "ecdsa"}  # SignatureAlgorithm, the same
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253402300799999  # the last millisecond of the year 9999


@dataclass(frozen=True, slots=True)
class Sct:
    """One SCT (§3.2): ``log_id`` 32 bytes, ``timestamp_ms`` since 1970, ``extensions`` raw (signed as well)."""

    log_id: bytes
    timestamp_ms: int
    extensions: bytes
    signature_kind: str
    signature: bytes

    @property
    def time(self) -> datetime:
        """The time of logging that the log states."""
        return _EPOCH + timedelta(milliseconds=self.timestamp_ms)


@dataclass(frozen=True, slots=True)
class VerifiedSct:
    """An SCT whose signature is that of ``log``, a CT log of the trust root."""

    sct: Sct
    log: TransparencyLogInstance

    @property
    def time(self) -> datetime:
        """The time of logging."""
        return self.sct.time


def parse_sct(data: bytes) -> Sct:
    """Parse a SerializedSCT (§3.3). Raises FormatError ``sct-malformed``, VerificationError for versions and hashes."""
    try:
        reader = ByteReader(data)
        version = reader.uint(1)
        if version != _V1:
            raise VerificationError("sct-version-unsupported", f"SCT has version {version + 1}, expected 1")
        log_id, timestamp, extensions = reader.take(32), reader.uint(8), reader.opaque(2)
        hash_number, signature_number = reader.uint(1), reader.uint(1)
        signature = reader.opaque(2)
        reader.finish()
    except FormatError as error:
        raise FormatError("sct-malformed", f"SCT is malformed: {error.message}") from error
    kind = _SIGNATURE_KINDS.get(signature_number)
    if hash_number != _SHA256 or kind is None:
        raise VerificationError("sct-algorithm-unsupported", "SCT is not signed with SHA-256 and ECDSA or RSA")
    if timestamp > _LATEST_MS:
        raise FormatError("sct-malformed", "SCT's time is not a time of the calendar")
    return Sct(log_id, timestamp, extensions, kind, signature)


def build_sct(log_id: bytes, timestamp_ms: int, extensions: bytes, signature: bytes) -> Sct:
    """An SCT signed with ECDSA over SHA-256; ``signature`` is over ``signed_data``."""
    return Sct(log_id, timestamp_ms, extensions, "ecdsa", signature)


def encode_sct(sct: Sct) -> bytes:
    """Serialise an SCT (§3.3)."""
    number = next(number for number, kind in _SIGNATURE_KINDS.items() if kind == sct.signature_kind)
    return b"".join(
        (
            bytes([_V1]),
            sct.log_id,
            sct.timestamp_ms.to_bytes(8, "big"),
            opaque(sct.extensions, 2),
            bytes([_SHA256, number]),
            opaque(sct.signature, 2),
        )
    )


def digitally_signed(signature: bytes) -> bytes:
    """The digitally-signed struct of an ECDSA signature over SHA-256 (RFC 5246 §4.7)."""
    return bytes([_SHA256, 3]) + opaque(signature, 2)


def parse_sct_list(data: bytes) -> tuple[Sct, ...]:
    """Parse a SignedCertificateTimestampList (§3.3), at least one. Raises as ``parse_sct`` does."""
    try:
        outer = ByteReader(data)
        items = ByteReader(outer.opaque(2))
        outer.finish()
        raws: list[bytes] = []
        while items.remaining:
            raws.append(items.opaque(2))
    except FormatError as error:
        raise FormatError("sct-malformed", f"SCT list is malformed: {error.message}") from error
    if not 1 <= len(raws) <= MAX_SCTS:
        raise FormatError("sct-malformed", f"SCT list has {len(raws)} entries, from 1 to {MAX_SCTS} are allowed")
    return tuple(parse_sct(raw) for raw in raws)


def encode_sct_list(scts: Sequence[Sct]) -> bytes:
    """Serialise a SignedCertificateTimestampList (§3.3)."""
    return opaque(b"".join(opaque(encode_sct(sct), 2) for sct in scts), 2)


def embedded_scts(certificate: Certificate) -> tuple[Sct, ...]:
    """The SCTs in a certificate. Raises VerificationError ``sct-missing``, FormatError ``sct-malformed``."""
    extension = certificate.extension(oids.SCT_LIST)
    if extension is None:
        raise VerificationError("sct-missing", "certificate holds no SCT: nothing shows that it was logged")
    return parse_sct_list(der.read_octet_string(der.parse(extension.value)))


def is_precertificate(certificate: Certificate) -> bool:
    """Tell whether the poison extension is there, critical and NULL (§3.1)."""
    extension = certificate.extension(oids.PRECERTIFICATE_POISON)
    return extension is not None and extension.critical and extension.value == der.null()


def precertificate_tbs(certificate: Certificate) -> bytes:
    """DER TBSCertificate without the SCT list and without the poison (§3.2): what the log signed.

    Every other byte stays as it is stored; only the lengths around the extensions change.
    """
    dropped = {der.oid(oids.SCT_LIST), der.oid(oids.PRECERTIFICATE_POISON)}
    *fields, last = der.parse(certificate.tbs).children()
    extensions = der.parse(last.content).children()
    kept = [item.raw for item in extensions if item.children()[0].raw not in dropped]
    return der.sequence(*(field.raw for field in fields), der.context(3, der.sequence(*kept)))


def signed_data(timestamp_ms: int, entry_type: int, signed_entry: bytes, extensions: bytes) -> bytes:
    """What an SCT's signature is over (§3.2). ``signed_entry`` is a PreCert or an ASN.1Cert as §3.1 lays them out."""
    return b"".join(
        (
            bytes([_V1, _CERTIFICATE_TIMESTAMP]),
            timestamp_ms.to_bytes(8, "big"),
            entry_type.to_bytes(2, "big"),
            signed_entry,
            opaque(extensions, 2),
        )
    )


def merkle_tree_leaf(timestamp_ms: int, entry_type: int, signed_entry: bytes, extensions: bytes) -> bytes:
    """MerkleTreeLeaf with a TimestampedEntry (§3.4); its hash is the leaf of the log's tree."""
    return signed_data(timestamp_ms, entry_type, signed_entry, extensions)  # v1, timestamped_entry(0): the same bytes


def precert_entry(tbs: bytes, issuer_key: PublicKey) -> bytes:
    """PreCert (§3.1): SHA-256 of the issuer's SubjectPublicKeyInfo and the TBS."""
    return issuer_key.key_id + opaque(tbs, 3)


def verify_sct(sct: Sct, certificate: Certificate, issuer: Certificate, log: TransparencyLogInstance) -> None:
    """Check one embedded SCT with the key of ``log``, and the log's window at the SCT's time (ends inclusive).

    Raises VerificationError ``sct-signature-invalid`` or ``sct-outside-log-window``.
    """
    key = log.public_key
    signed = signed_data(
        sct.timestamp_ms, PRECERT_ENTRY, precert_entry(precertificate_tbs(certificate), issuer.public_key), sct.extensions
    )
    try:
        if key.kind.partition("-")[0] != sct.signature_kind:
            raise InvalidSignatureError("signature-invalid", "SCT's algorithm is not that of the log's key")
        key.verify(sct.signature, signed, "sha256")
    except InvalidSignatureError as error:
        raise VerificationError(
            "sct-signature-invalid",
            "SCT does not verify: the CT log did not sign this certificate",
            facts={"log_id": sct.log_id.hex()},
        ) from error
    if not log.valid_for.covers(sct.time):
        raise VerificationError(
            "sct-outside-log-window",
            f"trust root does not accept CT log {log.base_url} for {format_rfc3339(sct.time)}",
        )


def verify_embedded_scts(
    certificate: Certificate, issuer: Certificate, ctlogs: Sequence[TransparencyLogInstance]
) -> VerifiedSct:
    """Check that one embedded SCT is a trusted CT log's over this certificate; SCTs of unknown logs are passed over.

    Raises VerificationError ``sct-missing``, ``sct-log-unknown``, ``sct-signature-invalid``, ``sct-outside-log-window``.
    """
    refusal: VerificationError | None = None
    for sct in embedded_scts(certificate):
        for log in ctlogs:
            if log.log_id != sct.log_id:
                continue
            try:
                verify_sct(sct, certificate, issuer, log)
            except VerificationError as error:
                refusal = refusal or error
            else:
                return VerifiedSct(sct, log)
    raise refusal or VerificationError(
        "sct-log-unknown",
        "certificate was logged by a CT log that the trust root does not know",
        facts={"log_id": embedded_scts(certificate)[0].log_id.hex()},
        hint="update the trust root (gitsign-py initialize) or name the right one (--trusted-root FILE)",
    )
