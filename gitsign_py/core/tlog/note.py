"""Signed notes: text and the signatures below it (C2SP signed-note, tlog-cosignature).

A note is split at its last empty line. Key name and key hint together name the signer; signatures of keys that
are not known are passed over, one of a known key that does not verify condemns the note.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from gitsign_py.core import digests
from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

MAX_NOTE_BYTES = 1_000_000  # signed-note asks for some limit; Go's implementation has this one
MAX_SIGNATURES = 100  # and this one; 16 at least must be accepted
HINT_BYTES = 4
_ED25519, _COSIGNATURE = 0x01, 0x04  # signed-note, "Signature types"
_DASH = "— "  # em dash, space
_CONTROL = pattern(rb"[\x00-\x09\x0b-\x1f]")

Sign = Callable[[bytes], bytes]
Kind = Literal["signature", "cosignature"]


@frozen
class NoteSignature:
    """One signature line: key ``name``, ``key_hint`` (4 bytes, called key ID by signed-note), ``signature`` bytes."""

    name: str
    key_hint: bytes
    signature: bytes


@frozen
class Note:
    """A parsed note, nothing of it verified: ``text`` is UTF-8 and ends in a newline."""

    text: bytes
    signatures: tuple[NoteSignature, ...]


@frozen
class NoteVerifier:
    """A key that is trusted to sign notes under ``name``; ``hash_name`` is for ECDSA and RSA.

    ``kind`` cosignature is that of a witness: an Ed25519 signature with a time of its own (tlog-cosignature).
    """

    name: str
    key_hint: bytes
    public_key: PublicKey
    kind: Kind = "signature"
    hash_name: str = "sha256"


@frozen
class NoteSigner:
    """A key that signs notes: ``sign`` takes the text's bytes and gives the signature's."""

    name: str
    key_hint: bytes
    sign: Sign


@frozen
class VerifiedNote:
    """A note's text and who signed it. ``times`` are POSIX seconds, one for each verifier, None for signatures."""

    text: bytes
    signed_by: tuple[NoteVerifier, ...]
    times: tuple[int | None, ...]


@lru_cache(maxsize=256)  # a log signs each checkpoint under the same one
def key_id(name: str, public_key: PublicKey, kind: Kind = "signature") -> bytes:
    """The whole key ID, 32 bytes; its first 4 are the hint.

    Ed25519: SHA-256(name || 0x0A || type || key) (signed-note, "Ed25519 signatures"). Others: SHA-256 of the
    SubjectPublicKeyInfo (signed-note, type 0x02; Rekor v1 does so for RSA too).
    """
    if public_key.kind != "ed25519":
        return public_key.key_id
    signature_type = _COSIGNATURE if kind == "cosignature" else _ED25519
    return digests.sha256(name.encode() + b"\n" + bytes([signature_type]) + public_key.raw).digest()


def key_hint(name: str, public_key: PublicKey, kind: Kind = "signature") -> bytes:
    """The 4 bytes that stand before a signature in a note."""
    return key_id(name, public_key, kind)[:HINT_BYTES]


def parse_note(data: bytes) -> Note:
    """Parse a note so strictly that ``format_note`` gives it back. Raises FormatError ``note-malformed``."""
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"it has {len(data)} bytes, at most {MAX_NOTE_BYTES} are read")
    if _CONTROL.search(data):
        raise _malformed("it holds a control character")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    text, blank, block = data.rpartition(b"\n\n")
    if not blank or not block.endswith(b"\n"):
        raise _malformed("it has no signatures after an empty line")
    lines = block[:-1].decode("utf-8").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"it has {len(lines)} signatures, at most {MAX_SIGNATURES} are read")
    return Note(text + b"\n", tuple(_parse_line(line) for line in lines))


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise _malformed("a signature line is not of the form: em dash, name, base64")
    try:
        raw = b64_decode(encoded)
    except FormatError as error:
        raise _malformed("a signature is not valid base64") from error
    if len(raw) <= HINT_BYTES:
        raise _malformed("a signature is too short")
    return NoteSignature(name, raw[:HINT_BYTES], raw[HINT_BYTES:])


def is_key_name(name: str) -> bool:
    """Whether a key may have this name: not empty, no Unicode spaces, no plus (signed-note, "Format")."""
    return "+" not in name and name.split() == [name]


def format_note(text: bytes, signatures: Sequence[NoteSignature]) -> bytes:
    """Write a note; ``text`` ends in a newline. Raises FormatError ``note-malformed`` for what cannot be read back."""
    lines = [f"{_DASH}{item.name} {b64_encode(item.key_hint + item.signature)}\n" for item in signatures]
    data = text + b"\n" + "".join(lines).encode()
    if parse_note(data) != Note(text, tuple(signatures)):
        raise _malformed("its text or a key name cannot stand in a note")
    return data


def sign_note(text: bytes, signers: Sequence[NoteSigner]) -> bytes:
    """Write ``text`` (ends in a newline) with a signature of each signer. Raises FormatError ``note-malformed``."""
    return format_note(text, [NoteSignature(one.name, one.key_hint, one.sign(text)) for one in signers])


def verify_note(data: bytes, verifiers: Sequence[NoteVerifier]) -> VerifiedNote:
    """Check a note against the known keys; its text may be read only afterwards.

    Raises FormatError ``note-malformed``; VerificationError ``note-unsigned`` when no known key signed it;
    InvalidSignatureError ``note-signature-invalid`` when a known key's signature does not verify.
    """
    return verify_parsed(parse_note(data), verifiers)


def verify_parsed(note: Note, verifiers: Sequence[NoteVerifier]) -> VerifiedNote:
    """Check a note that was parsed already; raises what ``verify_note`` raises but for its form."""
    known: dict[NoteVerifier, int | None] = {}
    for verifier in verifiers:
        for item in note.signatures:
            if (item.name, item.key_hint) == (verifier.name, verifier.key_hint):
                known[verifier] = _verify(note.text, item, verifier)
    if not known:
        raise VerificationError(
            "note-unsigned",
            "signed note has no signature by a known key",
            facts={
                "expected": ", ".join(f"{one.name} {one.key_hint.hex()}" for one in verifiers),
                "got": ", ".join(f"{one.name} {one.key_hint.hex()}" for one in note.signatures[:16]),
            },
        )
    return VerifiedNote(note.text, tuple(known), tuple(known.values()))


def _verify(text: bytes, item: NoteSignature, verifier: NoteVerifier) -> int | None:
    message, signature, time = text, item.signature, None
    if verifier.kind == "cosignature":  # timestamped_signature: uint64 timestamp, 64 bytes (tlog-cosignature)
        time, signature = int.from_bytes(item.signature[:8], "big"), item.signature[8:]
        message = cosigned_message(text, time)
    try:
        verifier.public_key.verify(signature, message, verifier.hash_name)
    except InvalidSignatureError as error:
        raise InvalidSignatureError(
            "note-signature-invalid",
            "signed note has a signature that does not verify with the key it names",
            facts={"name": verifier.name, "key_hint": verifier.key_hint.hex()},
        ) from error
    return time


def cosigned_message(text: bytes, time: int) -> bytes:
    """The bytes that a witness signs at ``time``, POSIX seconds (tlog-cosignature, "Ed25519 signed message")."""
    return b"cosignature/v1\ntime %d\n" % time + text


def cosign(name: str, public_key: PublicKey, sign: Sign, text: bytes, time: int) -> NoteSignature:
    """Make a witness's signature over a checkpoint's text with an Ed25519 key."""
    stamped = time.to_bytes(8, "big") + sign(cosigned_message(text, time))
    return NoteSignature(name, key_hint(name, public_key, "cosignature"), stamped)


def _malformed(why: str) -> FormatError:
    return FormatError("note-malformed", f"signed note is malformed: {why}")
