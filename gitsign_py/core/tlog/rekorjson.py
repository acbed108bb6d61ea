"""Log entries as JSON: Rekor v1's REST form, and protobuf JSON as Rekor v2 and Sigstore bundles have it."""

from typing import Any

from gitsign_py.core.encoding import b64_decode, b64_encode, hex_decode
from gitsign_py.core.pattern import pattern
from gitsign_py.core.protojson import Message, decode_bytes
from gitsign_py.core.tlog.entrytypes import MAX_CHECKPOINT_BYTES, MAX_HASHES, InclusionProof, LogEntry
from gitsign_py.core.tlog.hashedrekord import stated_kind
from gitsign_py.errors import FormatError

_UUID = pattern(r"(?:[0-9a-f]{16})?[0-9a-f]{64}\Z")  # the tree's id as 16 digits may stand in front
_ENTRY = (
    "logIndex",
    "logId",
    "kindVersion",
    "integratedTime",
    "inclusionPromise",
    "inclusionProof",
    "canonicalizedBody",
)
_PROOF = ("logIndex", "rootHash", "treeSize", "hashes", "checkpoint")


# --- Rekor v1 (openapi.yaml, LogEntry) -------------------------------------------------------------------------------


def entry_from_rekor_v1(uuid: str, value: Any) -> LogEntry:
    """Read what Rekor v1 answers under a UUID (64 or 80 hex digits). Kind and version are those of the body, and empty
    where it states none: anybody may log such a one.

    Members that are not known are passed over, as the API may add some (``attestation`` is one). Raises FormatError
    ``log-uuid-invalid``, ``log-answer-malformed`` or those of JSON, base64 and hex.
    """
    if not _UUID.match(uuid):
        raise FormatError("log-uuid-invalid", "a log UUID has 64 or 80 lower-case hex digits")
    value = _object(value, "entry")
    body = b64_decode(_text(value, "body"))
    kind, version = stated_kind(body)
    verification = _object(value.get("verification", {}), "verification")
    proof = verification.get("inclusionProof")
    return LogEntry(
        log_index=_number(value, "logIndex"),
        log_id=hex_decode(_text(value, "logID")),
        kind=kind,
        version=version,
        integrated_time=_number(value, "integratedTime"),
        signed_entry_timestamp=b64_decode(_text(verification, "signedEntryTimestamp", missing="")),
        inclusion_proof=None if proof is None else _proof_from_v1(_object(proof, "inclusionProof")),
        body=body,
    )


def _proof_from_v1(value: dict[str, Any]) -> InclusionProof:
    hashes = value.get("hashes")
    if not isinstance(hashes, list) or len(hashes) > MAX_HASHES or not all(isinstance(one, str) for one in hashes):
        raise _malformed(f"hashes is not a list of at most {MAX_HASHES} texts")
    return InclusionProof(
        log_index=_number(value, "logIndex"),
        root_hash=hex_decode(_text(value, "rootHash")),
        tree_size=_number(value, "treeSize"),
        hashes=tuple(hex_decode(one) for one in hashes),
        checkpoint=_bounded(_text(value, "checkpoint", missing="")),
    )


def rekor_v1_object(entry: LogEntry) -> dict[str, Any]:
    """The JSON object that Rekor v1 has under the entry's UUID."""
    verification: dict[str, Any] = {}
    if (proof := entry.inclusion_proof) is not None:
        verification["inclusionProof"] = {
            "checkpoint": proof.checkpoint.decode("utf-8"),
            "hashes": [value.hex() for value in proof.hashes],
            "logIndex": proof.log_index,
            "rootHash": proof.root_hash.hex(),
            "treeSize": proof.tree_size,
        }
    if entry.signed_entry_timestamp:
        verification["signedEntryTimestamp"] = b64_encode(entry.signed_entry_timestamp)
    return {
        "body": b64_encode(entry.body),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
        "verification": verification,
    }


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(f"{name} is not an object")
    return value


def _text(value: dict[str, Any], name: str, *, missing: str | None = None) -> str:
    text = value.get(name, missing)
    if not isinstance(text, str):
        raise _malformed(f"{name} is not a text")
    return text


def _number(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise _malformed(f"{name} is not a number from 0 to 2^63-1")
    return number


def _bounded(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can spell lone surrogates
        raise _malformed("checkpoint is not Unicode text") from error
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise _malformed(f"checkpoint has {len(data)} bytes, at most {MAX_CHECKPOINT_BYTES} are read")
    return data


def _malformed(why: str) -> FormatError:
    return FormatError("log-answer-malformed", f"log entry is malformed: {why}")


# --- protobuf JSON (sigstore_rekor.proto, TransparencyLogEntry) ------------------------------------------------------


def entry_from_protojson(value: Any, where: str = "log entry") -> LogEntry:
    """Read a TransparencyLogEntry from parsed JSON; ``where`` names it in errors.

    Raises FormatError ``log-answer-malformed`` when log id, kind or version is missing, or ``json-...``.
    """
    message = Message(value, _ENTRY, where)
    log_id = message.message("logId", ("keyId",))
    kind = message.message("kindVersion", ("kind", "version"))
    promise = message.message("inclusionPromise", ("signedEntryTimestamp",))
    proof = message.message("inclusionProof", _PROOF)
    if log_id is None or kind is None:
        raise _malformed(f"{where} needs logId and kindVersion")
    entry = LogEntry(
        log_index=message.int64("logIndex"),
        log_id=log_id.data("keyId"),
        kind=kind.text("kind"),
        version=kind.text("version"),
        integrated_time=message.int64("integratedTime"),
        signed_entry_timestamp=promise.data("signedEntryTimestamp") if promise else b"",
        inclusion_proof=None if proof is None else _proof_from_protojson(proof),
        body=message.data("canonicalizedBody"),
    )
    if not (entry.log_id and entry.kind and entry.version):
        raise _malformed(f"{where} needs logId and kindVersion")
    return entry


def _proof_from_protojson(proof: Message) -> InclusionProof:
    checkpoint = proof.message("checkpoint", ("envelope",))
    hashes = proof.items("hashes", most=MAX_HASHES)
    return InclusionProof(
        log_index=proof.int64("logIndex"),
        root_hash=proof.data("rootHash"),
        tree_size=proof.int64("treeSize"),
        hashes=tuple(decode_bytes(item, proof.path("hashes")) for item in hashes),
        checkpoint=_bounded(checkpoint.text("envelope")) if checkpoint else b"",
    )


def entry_to_protojson(entry: LogEntry) -> dict[str, Any]:
    """The TransparencyLogEntry as bundles have it: int64 as texts, no time and no promise where there is none."""
    value: dict[str, Any] = {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": b64_encode(entry.log_id)},
        "kindVersion": {"kind": entry.kind, "version": entry.version},
    }
    if entry.integrated_time:
        value["integratedTime"] = str(entry.integrated_time)
    if entry.signed_entry_timestamp:
        value["inclusionPromise"] = {"signedEntryTimestamp": b64_encode(entry.signed_entry_timestamp)}
    if (proof := entry.inclusion_proof) is not None:
        value["inclusionProof"] = _proof_to_protojson(proof)
    if entry.body:
        value["canonicalizedBody"] = b64_encode(entry.body)
    return value


def _proof_to_protojson(proof: InclusionProof) -> dict[str, Any]:
    value: dict[str, Any] = {
        "logIndex": str(proof.log_index),
        "rootHash": b64_encode(proof.root_hash),
        "treeSize": str(proof.tree_size),
        "hashes": [b64_encode(one) for one in proof.hashes],
    }
    return value | ({"checkpoint": {"envelope": proof.checkpoint.decode("utf-8")}} if proof.checkpoint else {})
