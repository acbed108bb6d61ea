"""Signed heads of logs: what a log says its tree is, verified with the trust root's keys alone, and kept as it came."""

from collections.abc import Sequence
from typing import Literal

from gitsign_py.core.encoding import b64_decode, load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, format_checkpoint
from gitsign_py.core.tlog.note import NoteSignature, NoteVerifier, format_note, is_key_name
from gitsign_py.core.tlog.tlogproof import log_of_checkpoint, open_log_checkpoint
from gitsign_py.core.tlog.treehead import SignedTreeHead, TreeHead, note_key_hint, open_ct_checkpoint, verify_tree_head
from gitsign_py.core.trust.root import TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import FormatError, VerificationError

Kind = Literal["rekor1", "rekor2", "ct", "static-ct"]
CT_KINDS: tuple[Kind, ...] = ("ct", "static-ct")
KINDS: tuple[Kind, ...] = ("rekor1", "rekor2", "ct", "static-ct")


@frozen
class Head:
    """One tree as its log signed it. ``tree`` names it: a checkpoint's origin, or the CT log's id.

    ``signed`` is what was verified, byte for byte; ``stated`` the log's own time of it in POSIX seconds, None where
    it states none; ``witnesses`` are (name, POSIX seconds) of verified cosignatures.
    """

    log: TransparencyLogInstance
    tree: str
    size: int
    root: bytes
    signed: bytes
    stated: int | None = None
    witnesses: tuple[tuple[str, int], ...] = ()


def open_head(kind: Kind, signed: bytes, root: TrustedRoot, *, witnesses: Sequence[NoteVerifier] = ()) -> Head:
    """Verify what a log of this kind gave as its head.

    Raises VerificationError ``log-unknown``, ``checkpoint-...`` and FormatError of the form.
    """
    if kind in ("rekor1", "rekor2"):
        log = log_of_checkpoint(signed, root.tlogs)
        opened = open_log_checkpoint(signed, log, witnesses=witnesses)
        found = opened.checkpoint
        return Head(log, found.origin, found.size, found.root, signed, witnesses=opened.witnesses)
    log, head = _ct_head(kind, signed, root.ctlogs)
    return Head(log, f"ct {log.log_id.hex()}", head.size, head.root, signed, head.timestamp_ms // 1000)


def _ct_head(
    kind: Kind, signed: bytes, logs: Sequence[TransparencyLogInstance]
) -> tuple[TransparencyLogInstance, TreeHead]:
    """A CT log's head names no key: the key that verifies it tells the log."""
    refusal = VerificationError("log-unknown", "trust root lists no CT log")
    for log in logs:
        try:
            if kind == "static-ct":
                return log, open_ct_checkpoint(signed, log)
            return log, verify_tree_head(parse_sth(signed), log)
        except VerificationError as error:
            refusal = VerificationError(
                "log-unknown",
                f"tree head is signed by no CT log that the trust root lists: {error.message}",
                hint="the trust root may be out of date (gitsign-py initialize), or of another instance",
                facts={"cause": error.reason},
            )
    raise refusal


def checkpoint_of(kind: Kind, head: Head) -> bytes:
    """A head as a checkpoint: an STH has the same signature as one (static-ct-api, "Checkpoints")."""
    if kind != "ct":
        return head.signed
    sth = parse_sth(head.signed)
    name = head.log.base_url.partition("://")[2].rstrip("/")
    origin = name if is_key_name(name) else head.log.log_id.hex()
    text = format_checkpoint(Checkpoint(origin, sth.head.size, sth.head.root))
    signature = sth.head.timestamp_ms.to_bytes(8, "big") + sth.signature
    return format_note(text, (NoteSignature(origin, note_key_hint(origin, head.log.log_id), signature),))


def parse_sth(data: bytes) -> SignedTreeHead:
    """Read an answer of get-sth (RFC 6962 §4.3). Raises FormatError ``tree-head-malformed``."""
    value = load_json(data, max_bytes=MAX_CHECKPOINT_BYTES)
    try:
        size, stamp = value["tree_size"], value["timestamp"]
        root, signature = b64_decode(value["sha256_root_hash"]), b64_decode(value["tree_head_signature"])
    except (KeyError, TypeError, AttributeError, FormatError) as error:
        raise FormatError("tree-head-malformed", "answer is not a signed tree head of RFC 6962") from error
    if not all(type(number) is int and 0 <= number < 2**63 for number in (size, stamp)):
        raise FormatError("tree-head-malformed", "tree head's size or time is not a number from 0 to 2^63-1")
    return SignedTreeHead(TreeHead(size, root, stamp), signature)
