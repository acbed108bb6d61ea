"""Signed certificate timestamps: a CT log's promise to publish a certificate (RFC 6962 §3.2 to §3.4).

A log signs the *precertificate*: the certificate's TBS without the list of SCTs that is embedded later, and the hash of
the issuer's key. That TBS is cut out of the certificate's own bytes; only the lengths around the gap are written anew.
SCTs may carry extensions (tiled logs put the leaf's index there); they are part of what is signed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from gitsign_py.core.encoding import ByteReader, opaque
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

V1 = 0  # Version
CERTIFICATE_TIMESTAMP = 0  # SignatureType
TIMESTAMPED_ENTRY = 0  # MerkleLeafType
X509_ENTRY, PRECERT_ENTRY = 0, 1  # LogEntryType, 2 bytes
SHA256, RSA, ECDSA = 4, 1, 3  # HashAlgorithm and SignatureAlgorithm of RFC 5246 §7.4.1.4.1
LOG_ID_BYTES = 32
MAX_SCTS = 32
_LATEST_MS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1000
_REMOVED = (oids.SCT_LIST, oids.PRECERTIFICATE_POISON)


@frozen
class Sct:
    """One SCT: ``log_id`` 32 bytes, ``timestamp_ms`` since the epoch, ``extensions`` raw; ``raw`` all of its bytes.

    ``hash_alg`` and ``sig_alg`` are the numbers of RFC 5246; ``signature`` is DER for ECDSA.
    """

    version: int
    log_id: bytes
    timestamp_ms: int
    extensions: bytes
    hash_alg: int
    sig_alg: int
    signature: bytes
    raw: bytes


@frozen
class VerifiedSct:
    """An SCT whose signature is that of ``log``, at ``time``, inside the log's window."""

    sct: Sct
    log: TransparencyLogInstance
    time: datetime


# --- reading and writing ---------------------------------------------------------------------------------------------


def parse_sct(data: bytes) -> Sct:
    """Parse one SerializedSCT. Raises FormatError ``sct-malformed`` or ``sct-version-unsupported``."""
    reader = ByteReader(data)
    try:
        version = reader.uint(1)
        if version != V1:  # the rest has a form of its own
            raise FormatError("sct-version-unsupported", f"SCT is of version {version + 1}, only version 1 is known")
        log_id, timestamp_ms, extensions = reader.take(LOG_ID_BYTES), reader.uint(8), reader.opaque(2)
        hash_alg, sig_alg, signature = reader.uint(1), reader.uint(1), reader.opaque(2)
        reader.finish()
    except FormatError as error:
        if error.reason == "sct-version-unsupported":
            raise
        raise _malformed(error.message) from error
    return Sct(version, log_id, timestamp_ms, extensions, hash_alg, sig_alg, signature, data)


def parse_sct_list(data: bytes) -> tuple[Sct, ...]:
    """Parse a SignedCertificateTimestampList of 1 to 32 SCTs (RFC 6962 §3.3). Raises as ``parse_sct`` does."""
    outer = ByteReader(data)
    found: list[bytes] = []
    try:
        items = ByteReader(outer.opaque(2))
        outer.finish()
        while items.remaining:
            found.append(items.opaque(2))
    except FormatError as error:
        raise _malformed(error.message) from error
    if not 1 <= len(found) <= MAX_SCTS:
        raise _malformed(f"its list has {len(found)} SCTs, from 1 to {MAX_SCTS} are read")
    return tuple(parse_sct(item) for item in found)


def encode_sct_list(scts: Sequence[Sct]) -> bytes:
    """Write a SignedCertificateTimestampList; in a certificate it stands in an OCTET STRING (RFC 6962 §3.3)."""
    return opaque(b"".join(opaque(sct.raw, 2) for sct in scts), 2)


def build_sct(log_id: bytes, timestamp_ms: int, extensions: bytes, signature: bytes, *, sig_alg: int = ECDSA) -> Sct:
    """Make an SCT from a log's signature over ``signed_data``, with SHA-256."""
    head = bytes([V1]) + log_id + timestamp_ms.to_bytes(8, "big") + opaque(extensions, 2)
    return parse_sct(head + digitally_signed(signature, sig_alg=sig_alg))


def digitally_signed(signature: bytes, *, sig_alg: int = ECDSA) -> bytes:
    """Write the ``digitally-signed`` struct (RFC 5246 §4.7) around a signature with SHA-256."""
    return bytes([SHA256, sig_alg]) + opaque(signature, 2)


def embedded_scts(certificate: Certificate) -> tuple[Sct, ...]:
    """The SCTs in a certificate. Raises VerificationError ``sct-missing``; FormatError as ``parse_sct_list`` does."""
    extension = certificate.extension(oids.SCT_LIST)
    if extension is None:
        raise VerificationError("sct-missing", "certificate holds no SCT: no CT log has promised to publish it")
    return parse_sct_list(der.read_octet_string(der.parse(extension.value)))


def is_precertificate(certificate: Certificate) -> bool:
    """Whether the certificate has the poison extension, critical and NULL (RFC 6962 §3.1)."""
    poison = certificate.extension(oids.PRECERTIFICATE_POISON)
    return poison is not None and poison.critical and poison.value == der.null()


# --- what is signed --------------------------------------------------------------------------------------------------


def precertificate_tbs(certificate: Certificate) -> bytes:
    """The TBSCertificate without its SCT list and without the poison (RFC 6962 §3.2); all else byte for byte."""
    # Extensions come last (RFC 5280 §4.1), and in DER their frame can be written again from what is in it.
    frame = _extensions([extension.raw for extension in certificate.extensions])
    head = der.parse(certificate.tbs, der.SEQUENCE).content[: -len(frame)]
    kept = [extension.raw for extension in certificate.extensions if extension.oid not in _REMOVED]
    return der.sequence(head, _extensions(kept)) if kept else der.sequence(head)


def _extensions(raw: Sequence[bytes]) -> bytes:
    return der.context(3, der.sequence(*raw))


def precert_entry(certificate: Certificate, issuer: Certificate) -> bytes:
    """PreCert: hash of the issuer's key and the TBS (RFC 6962 §3.2), for a certificate or a precertificate."""
    return issuer.public_key.key_id + opaque(precertificate_tbs(certificate), 3)


def signed_data(timestamp_ms: int, entry_type: int, signed_entry: bytes, extensions: bytes) -> bytes:
    """The bytes that an SCT's signature covers (RFC 6962 §3.2). ``signed_entry`` is an ASN.1Cert or PreCert,
    encoded.
    """
    return bytes([V1, CERTIFICATE_TIMESTAMP]) + _timestamped(timestamp_ms, entry_type, signed_entry, extensions)


def merkle_tree_leaf(timestamp_ms: int, entry_type: int, signed_entry: bytes, extensions: bytes) -> bytes:
    """MerkleTreeLeaf: what the log's tree hashes (RFC 6962 §3.4)."""
    return bytes([V1, TIMESTAMPED_ENTRY]) + _timestamped(timestamp_ms, entry_type, signed_entry, extensions)


def _timestamped(timestamp_ms: int, entry_type: int, signed_entry: bytes, extensions: bytes) -> bytes:
    """The tail that both structs share: uint64 timestamp, uint16 entry type, entry, extensions."""
    return timestamp_ms.to_bytes(8, "big") + entry_type.to_bytes(2, "big") + signed_entry + opaque(extensions, 2)


# --- verifying -------------------------------------------------------------------------------------------------------


def verify_sct(sct: Sct, certificate: Certificate, issuer: Certificate, log_key: PublicKey) -> None:
    """Check an embedded SCT's signature with a log's key.

    Raises InvalidSignatureError ``sct-signature-invalid``; VerificationError ``sct-algorithm-unsupported``.
    """
    expected = RSA if log_key.kind == "rsa" else ECDSA
    if (sct.hash_alg, sct.sig_alg) != (SHA256, expected) or log_key.kind == "ed25519":
        raise VerificationError(
            "sct-algorithm-unsupported",
            "SCT names algorithms that do not fit the CT log's key",
            facts={"hash": sct.hash_alg, "signature": sct.sig_alg, "key": log_key.kind},
        )
    signed = signed_data(sct.timestamp_ms, PRECERT_ENTRY, precert_entry(certificate, issuer), sct.extensions)
    try:
        log_key.verify(sct.signature, signed)
    except InvalidSignatureError as error:
        raise InvalidSignatureError(
            "sct-signature-invalid",
            "SCT's signature does not verify over this certificate and issuer with the CT log's key",
            facts={"log_id": sct.log_id.hex()},
        ) from error


def verify_embedded_scts(
    certificate: Certificate, issuer: Certificate, ctlogs: Sequence[TransparencyLogInstance]
) -> VerifiedSct:
    """Check the SCTs in a certificate against the CT logs of the trust root: one at least must be good.

    SCTs by logs that are not listed are passed over; one by a listed log that is wrong is a refusal, whatever the
    others are. ``issuer`` is the certificate that signed this one. Raises VerificationError ``sct-missing``,
    ``sct-log-unknown``, ``sct-signature-invalid``, ``sct-algorithm-unsupported``, ``sct-outside-log-window``;
    FormatError ``sct-malformed`` or ``sct-version-unsupported``.
    """
    scts = embedded_scts(certificate)
    verified = [_verify_by(sct, certificate, issuer, logs) for sct in scts if (logs := _logs_of(sct, ctlogs))]
    if not verified:
        raise VerificationError(
            "sct-log-unknown",
            "certificate's SCT is by a CT log that the trust root does not list",
            hint="the trust root may be out of date (gitsign-py initialize), or of another instance",
            facts={"log_id": ", ".join(sct.log_id.hex() for sct in scts[:4])},
        )
    return min(verified, key=lambda one: one.time)


def _logs_of(sct: Sct, ctlogs: Sequence[TransparencyLogInstance]) -> list[TransparencyLogInstance]:
    return [log for log in ctlogs if log.log_id == sct.log_id]


def _verify_by(
    sct: Sct, certificate: Certificate, issuer: Certificate, logs: Sequence[TransparencyLogInstance]
) -> VerifiedSct:
    """Check with the key of a listed log; one key may be listed more than once, with other windows."""
    verify_sct(sct, certificate, issuer, logs[0].public_key)
    if sct.timestamp_ms <= _LATEST_MS:
        time = datetime.fromtimestamp(sct.timestamp_ms // 1000, UTC).replace(microsecond=sct.timestamp_ms % 1000 * 1000)
        for log in logs:
            if log.valid_for.covers(time):
                return VerifiedSct(sct, log, time)
    raise VerificationError(
        "sct-outside-log-window",
        "trust root does not accept the CT log's key for the time of the SCT",
        facts={"log": logs[0].base_url, "timestamp_ms": sct.timestamp_ms},
    )


def _malformed(why: str) -> FormatError:
    return FormatError("sct-malformed", f"SCT is malformed: {why}")
