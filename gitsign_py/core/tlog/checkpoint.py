"""Checkpoints: a log's size and root hash, signed (C2SP tlog-checkpoint over signed-note).

Verified first, then parsed: only ``open_checkpoint`` turns an envelope into a Checkpoint.
Two styles of origin are in use. Rekor v1 signs under a host name and puts the tree's id into the origin
("rekor.sigstore.dev - 1193050959916656506"); tiled logs sign under the origin itself, as tlog-checkpoint asks.
"""

from collections.abc import Sequence

from gitsign_py.core.encoding import b64_decode, b64_encode, decimal_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.tlog import merkle, note
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

MAX_CHECKPOINT_BYTES = 64 * 1024
_TREE_ID = pattern(r" - [0-9]{1,20}\Z")


@frozen
class Checkpoint:
    """``origin`` of the log, ``size`` in leaves, ``root`` hash (32 bytes), ``extensions``: further lines as they are.

    Rekor v1 once wrote a line "Timestamp: NANOSECONDS" there.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def signer_name(self) -> str:
        """The key name that this origin's log signs under: the origin without Rekor v1's tree id."""
        return signer_name(self.origin)


@frozen
class OpenedCheckpoint:
    """A checkpoint whose signature was verified; ``witnesses`` are (name, POSIX seconds) of verified cosignatures."""

    checkpoint: Checkpoint
    witnesses: tuple[tuple[str, int], ...] = ()


def signer_name(origin: str) -> str:
    """Key name that belongs to an origin: the origin without Rekor v1's " - TREEID"."""
    return _TREE_ID.sub("", origin)


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Parse the text of a note as a checkpoint (tlog-checkpoint, "Format"), strictly: it formats back to the same.

    ``text`` must come from a verified note. Raises FormatError ``checkpoint-malformed``.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise _malformed("it needs an origin, a size and a root hash, and no empty lines")
    origin, size, encoded, *extensions = lines[:-1]
    try:
        checkpoint = Checkpoint(origin, decimal_decode(size), b64_decode(encoded), tuple(extensions))
    except FormatError as error:
        raise _malformed(error.message) from error
    if len(checkpoint.root) != merkle.HASH_BYTES:
        raise _malformed(f"its root hash has {len(checkpoint.root)} bytes, expected {merkle.HASH_BYTES}")
    if checkpoint.size == 0 and checkpoint.root != merkle.empty_root():
        raise _malformed("it gives a tree without leaves a root that such a tree does not have")
    return checkpoint


def format_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Write the text that is signed. Raises FormatError ``checkpoint-malformed`` for what cannot be read back."""
    lines = (checkpoint.origin, str(checkpoint.size), b64_encode(checkpoint.root), *checkpoint.extensions)
    text = "".join(f"{line}\n" for line in lines).encode()
    if parse_checkpoint(text) != checkpoint:
        raise _malformed("a line cannot stand in a checkpoint")
    return text


def seal_checkpoint(checkpoint: Checkpoint, public_key: PublicKey, sign: note.Sign) -> bytes:
    """Sign a checkpoint with the log's key: the envelope that goes into inclusion proofs.

    ``sign`` takes the text's bytes; ECDSA keys sign with SHA-256 and give DER.
    """
    name = checkpoint.signer_name
    signer = note.NoteSigner(name, note.key_hint(name, public_key), sign)
    return note.sign_note(format_checkpoint(checkpoint), [signer])


def open_checkpoint(
    envelope: bytes,
    public_key: PublicKey,
    *,
    origin: str | None = None,
    key_hints: Sequence[bytes] | None = None,
    hash_name: str = "sha256",
    witnesses: Sequence[note.NoteVerifier] = (),
) -> OpenedCheckpoint:
    """Verify an envelope with a log's key, then parse it.

    ``origin`` is the line expected, None for any that fits the key name. ``key_hints`` are the 4-byte hints that the
    trust root gives to the key; None computes it. ``witnesses`` may sign too and are then reported; other signatures
    are passed over. Raises VerificationError ``checkpoint-signature-missing``, ``checkpoint-signature-invalid`` or
    ``checkpoint-origin-mismatch``; FormatError ``note-malformed`` or ``checkpoint-malformed``.
    """
    if len(envelope) > MAX_CHECKPOINT_BYTES:
        raise _malformed(f"it has {len(envelope)} bytes, at most {MAX_CHECKPOINT_BYTES} are read")
    parsed = note.parse_note(envelope)
    # The claimed origin picks the key name to look for; the signature then covers it.
    claimed = parsed.text.partition(b"\n")[0].decode("utf-8")
    name = signer_name(claimed)
    hints = [note.key_hint(name, public_key)] if key_hints is None else key_hints
    log_keys = [note.NoteVerifier(name, hint, public_key, hash_name=hash_name) for hint in dict.fromkeys(hints)]
    opened = _verified(parsed, log_keys, witnesses)
    checkpoint = parse_checkpoint(opened.text)
    if origin is not None and checkpoint.origin != origin:
        raise origin_mismatch(origin, checkpoint.origin)
    times = zip(opened.signed_by, opened.times, strict=True)
    return OpenedCheckpoint(checkpoint, tuple((one.name, time) for one, time in times if time is not None))


def _verified(
    parsed: note.Note, log_keys: Sequence[note.NoteVerifier], witnesses: Sequence[note.NoteVerifier]
) -> note.VerifiedNote:
    hints = {one.key_hint for one in log_keys}
    by_hint = [item for item in parsed.signatures if item.key_hint in hints]
    named = [item for item in by_hint if item.name == log_keys[0].name]
    if by_hint and not named:
        raise origin_mismatch(log_keys[0].name, by_hint[0].name)
    if not named:  # a witness alone does not make a checkpoint the log's
        raise VerificationError(
            "checkpoint-signature-missing",
            "checkpoint is not signed by the log that the entry names",
            facts={
                "expected": ", ".join(sorted(hint.hex() for hint in hints)),
                "got": ", ".join(item.key_hint.hex() for item in parsed.signatures[:16]),
            },
        )
    try:
        return note.verify_parsed(parsed, [*log_keys, *witnesses])
    except InvalidSignatureError as error:
        raise InvalidSignatureError(
            "checkpoint-signature-invalid",
            "checkpoint's signature does not verify with the log's key",
            facts=error.facts,
        ) from error


def origin_mismatch(expected: str, got: str) -> VerificationError:
    """The refusal of a checkpoint that is some other log's."""
    return VerificationError(
        "checkpoint-origin-mismatch",
        "checkpoint's origin is not the log that the entry names",
        facts={"expected": expected[:200], "got": got[:200]},
    )


def _malformed(why: str) -> FormatError:
    return FormatError("checkpoint-malformed", f"checkpoint is malformed: {why}")
