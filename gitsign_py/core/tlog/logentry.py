"""Log entries: the TransparencyLogEntry message (sigstore/protobuf-specs, sigstore_rekor.proto), and what a log signs.

Offline-mode signatures carry it in the CMS unsigned attribute 1.3.6.1.4.1.57264.3.1, without its body. The JSON forms
are in ``rekorjson.py``, the bodies in ``hashedrekord.py``; both can be had from here too.
"""

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.protobuf import FieldKind, bytes_field, int64_field, message_field, read_fields
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.entrytypes import MAX_CHECKPOINT_BYTES, MAX_HASHES, InclusionProof, LogEntry
from gitsign_py.core.tlog.hashedrekord import (
    HashedRekord,
    body_kind,
    hashedrekord_v001_body,
    hashedrekord_v002_body,
    parse_hashedrekord,
)
from gitsign_py.core.tlog.rekorjson import (
    entry_from_protojson,
    entry_from_rekor_v1,
    entry_to_protojson,
    rekor_v1_object,
)
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

__all__ = [
    "HashedRekord",
    "InclusionProof",
    "LogEntry",
    "body_kind",
    "decode_entry",
    "encode_entry",
    "entry_from_protojson",
    "entry_from_rekor_v1",
    "entry_to_protojson",
    "hashedrekord_v001_body",
    "hashedrekord_v002_body",
    "leaf_hash_of",
    "parse_hashedrekord",
    "rekor_v1_object",
    "set_payload",
    "verify_set",
]

MAX_ENTRY_BYTES = 256 * 1024
_JSON_SAFE = 2**53 - 1  # largest integer that RFC 8785 §3.2.2.3 writes exactly

_ENTRY: dict[int, FieldKind] = {
    1: "int64", 2: "message", 3: "message", 4: "int64", 5: "message", 6: "message", 7: "bytes",
}  # fmt: skip
_LOG_ID: dict[int, FieldKind] = {1: "bytes"}
_KIND: dict[int, FieldKind] = {1: "bytes", 2: "bytes"}
_PROMISE: dict[int, FieldKind] = {1: "bytes"}
_PROOF: dict[int, FieldKind] = {1: "int64", 2: "bytes", 3: "int64", 4: "repeated", 5: "message"}
_CHECKPOINT: dict[int, FieldKind] = {1: "bytes"}


def encode_entry(entry: LogEntry, *, with_body: bool = False) -> bytes:
    """Encode an entry as protobuf, byte for byte as Go clients do: the value of the CMS unsigned attribute.

    The body stays out unless it is asked for. An entry without a SET gets an empty inclusion promise, which is what
    gitsign stores for Rekor v2. Raises FormatError ``protobuf-range`` for numbers that are no int64.
    """
    proof = entry.inclusion_proof
    return b"".join(
        (
            int64_field(1, entry.log_index),
            message_field(2, bytes_field(1, entry.log_id)),
            message_field(3, bytes_field(1, entry.kind.encode()) + bytes_field(2, entry.version.encode())),
            int64_field(4, entry.integrated_time),
            message_field(5, bytes_field(1, entry.signed_entry_timestamp)),
            b"" if proof is None else message_field(6, _encode_proof(proof)),
            bytes_field(7, entry.body) if with_body else b"",
        )
    )


def _encode_proof(proof: InclusionProof) -> bytes:
    hashes = b"".join(message_field(4, value) for value in proof.hashes)
    checkpoint = message_field(5, bytes_field(1, proof.checkpoint)) if proof.checkpoint else b""
    head = int64_field(1, proof.log_index) + bytes_field(2, proof.root_hash) + int64_field(3, proof.tree_size)
    return head + hashes + checkpoint


def decode_entry(data: bytes) -> LogEntry:
    """Decode a protobuf entry of at most 256 KiB, so strictly that it encodes to the same bytes again.

    (An entry without any inclusion promise is taken too.) Raises FormatError ``protobuf-malformed``,
    ``log-entry-too-large`` or ``log-entry-malformed``.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise _too_large(f"it has {len(data)} bytes, at most {MAX_ENTRY_BYTES} are read")
    fields = read_fields(data, _ENTRY, "log entry")
    log_id = read_fields(fields.data(2), _LOG_ID, "log entry's log id")
    kind = read_fields(fields.data(3), _KIND, "log entry's kind")
    promise = read_fields(fields.data(5), _PROMISE, "log entry's inclusion promise")
    entry = LogEntry(
        log_index=fields.int64(1),
        log_id=log_id.data(1),
        kind=kind.text(1),
        version=kind.text(2),
        integrated_time=fields.int64(4),
        signed_entry_timestamp=promise.data(1),
        inclusion_proof=_decode_proof(fields.data(6)) if fields.has(6) else None,
        body=fields.data(7),
    )
    if not (entry.log_id and entry.kind and entry.version):
        raise FormatError("log-entry-malformed", "log entry has no log id, kind or version")
    if fields.hollow or promise.hollow:
        raise _spelled_out()
    return entry


def _decode_proof(data: bytes) -> InclusionProof:
    fields = read_fields(data, _PROOF, "inclusion proof")
    hashes = fields.repeated(4)
    checkpoint = read_fields(fields.data(5), _CHECKPOINT, "inclusion proof's checkpoint").data(1)
    if len(hashes) > MAX_HASHES:
        raise _too_large(f"its proof has {len(hashes)} hashes, at most {MAX_HASHES} are read")
    if len(checkpoint) > MAX_CHECKPOINT_BYTES:
        raise _too_large(f"its checkpoint has {len(checkpoint)} bytes, at most {MAX_CHECKPOINT_BYTES} are read")
    if fields.hollow or (fields.has(5) and not checkpoint):
        raise _spelled_out()
    return InclusionProof(fields.int64(1), fields.data(2), fields.int64(3), hashes, checkpoint)


def _spelled_out() -> FormatError:
    return FormatError("log-entry-malformed", "log entry spells out a field that is empty")


def _too_large(why: str) -> FormatError:
    return FormatError("log-entry-too-large", f"log entry is too large: {why}")


def leaf_hash_of(body: bytes) -> bytes:
    """Leaf hash of a canonicalized body: what inclusion proofs are about, and the end of a Rekor v1 UUID."""
    return merkle.leaf_hash(body)


def set_payload(entry: LogEntry, body: bytes | None = None) -> bytes:
    """The bytes that a signed entry timestamp signs: canonical JSON (RFC 8785) of body, integratedTime, logID and
    logIndex.

    ``body`` stands in for an entry's that carries none. Written directly: the names are in the order of their UTF-16
    units ("logID" before "logIndex", since D comes before n), base64 and hex need no escapes, and integers up to
    2**53-1 are plain digits. Raises FormatError ``log-entry-malformed`` above that.
    """
    if max(entry.log_index, entry.integrated_time) > _JSON_SAFE:
        raise FormatError("log-entry-malformed", "log entry has an index or a time that JSON cannot hold exactly")
    content = b64_encode(entry.body if body is None else body)
    head = f'{{"body":"{content}","integratedTime":{entry.integrated_time},'
    return f'{head}"logID":"{entry.log_id.hex()}","logIndex":{entry.log_index}}}'.encode("ascii")


def verify_set(entry: LogEntry, key: PublicKey, *, body: bytes | None = None, hash_name: str = "sha256") -> None:
    """Check the signed entry timestamp with the log's key; ``body`` as in ``set_payload``.

    Raises VerificationError ``set-missing``, InvalidSignatureError ``set-invalid``.
    """
    if not entry.signed_entry_timestamp:
        raise VerificationError("set-missing", "log entry has no signed entry timestamp")
    try:
        key.verify(entry.signed_entry_timestamp, set_payload(entry, body), hash_name)
    except InvalidSignatureError as error:
        raise InvalidSignatureError(
            "set-invalid",
            "log entry's signed timestamp does not verify with the log's key over this entry",
            facts={"log_index": entry.log_index, "integrated_time": entry.integrated_time},
        ) from error
