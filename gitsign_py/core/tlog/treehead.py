"""Signed tree heads of CT logs: as get-sth gives them (RFC 6962 §4.3), and as checkpoints of C2SP static-ct-api.

Both carry one signature, over the same bytes. It does not cover the log's name, so the log is told by its key alone.
"""

import hashlib

from gitsign_py.core.encoding import ByteReader
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import MAX_CHECKPOINT_BYTES, parse_checkpoint
from gitsign_py.core.tlog.sct import ECDSA, RSA, SHA256, V1
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

TREE_HASH = 1  # SignatureType (RFC 6962 §3.2)
_NOTE_TYPE = 0x05  # static-ct-api, "Checkpoints"


@frozen
class TreeHead:
    """A head whose signature was verified: ``size`` in leaves, ``root`` 32 bytes, ``timestamp_ms`` since the epoch."""

    size: int
    root: bytes
    timestamp_ms: int


@frozen
class SignedTreeHead:
    """The answer of get-sth, nothing of it verified; ``signature`` is the digitally-signed struct."""

    head: TreeHead
    signature: bytes


def tree_head_data(head: TreeHead) -> bytes:
    """The bytes that the signature covers (RFC 6962 §3.5)."""
    return bytes([V1, TREE_HASH]) + head.timestamp_ms.to_bytes(8, "big") + head.size.to_bytes(8, "big") + head.root


def verify_tree_head(signed: SignedTreeHead, log: TransparencyLogInstance) -> TreeHead:
    """Check a head with the log's key.

    Raises InvalidSignatureError ``tree-head-signature-invalid``; FormatError ``tree-head-malformed``;
    VerificationError ``sct-algorithm-unsupported``.
    """
    head = signed.head
    if len(head.root) != merkle.HASH_BYTES or not 0 <= head.size <= merkle.MAX_SIZE:
        raise _malformed("its size or its root hash is out of range")
    if head.size == 0 and head.root != merkle.empty_root():
        raise _malformed("it gives a tree without leaves a root that such a tree does not have")
    _verify(tree_head_data(head), signed.signature, log.public_key)
    return head


def note_key_hint(origin: str, log_id: bytes) -> bytes:
    """The hint of a CT log's key in its checkpoints (static-ct-api, "Checkpoints")."""
    return hashlib.sha256(origin.encode() + b"\n" + bytes([_NOTE_TYPE]) + log_id).digest()[: note.HINT_BYTES]


def open_ct_checkpoint(envelope: bytes, log: TransparencyLogInstance) -> TreeHead:
    """Verify a tiled CT log's checkpoint with the log's key, then parse it.

    Raises FormatError ``note-malformed``, ``checkpoint-malformed`` or ``tree-head-malformed``; VerificationError
    ``checkpoint-signature-missing``; InvalidSignatureError ``tree-head-signature-invalid``.
    """
    if len(envelope) > MAX_CHECKPOINT_BYTES:
        raise _malformed(f"it has {len(envelope)} bytes, at most {MAX_CHECKPOINT_BYTES} are read")
    parsed = note.parse_note(envelope)
    claimed = parse_checkpoint(parsed.text)
    hint = note_key_hint(claimed.origin, log.log_id)
    line = next((one for one in parsed.signatures if (one.name, one.key_hint) == (claimed.origin, hint)), None)
    if line is None:
        raise VerificationError(
            "checkpoint-signature-missing",
            "checkpoint is not signed by the CT log that the trust root lists",
            facts={"expected": hint.hex(), "got": ", ".join(one.key_hint.hex() for one in parsed.signatures[:16])},
        )
    if claimed.extensions:
        raise _malformed("a checkpoint of a CT log has no extension lines")
    stamp, signature = line.signature[:8], line.signature[8:]
    head = TreeHead(claimed.size, claimed.root, int.from_bytes(stamp, "big"))
    return verify_tree_head(SignedTreeHead(head, signature), log)


def _verify(data: bytes, signed: bytes, key: PublicKey) -> None:
    reader = ByteReader(signed)
    try:
        algorithms, signature = (reader.uint(1), reader.uint(1)), reader.opaque(2)
        reader.finish()
    except FormatError as error:
        raise _malformed(error.message) from error
    if algorithms != (SHA256, RSA if key.kind == "rsa" else ECDSA) or key.kind == "ed25519":
        raise VerificationError("sct-algorithm-unsupported", "tree head names algorithms that do not fit the log's key")
    try:
        key.verify(signature, data)
    except InvalidSignatureError as error:
        raise InvalidSignatureError(
            "tree-head-signature-invalid", "tree head's signature does not verify with the CT log's key"
        ) from error


def _malformed(why: str) -> FormatError:
    return FormatError("tree-head-malformed", f"signed tree head is malformed: {why}")
