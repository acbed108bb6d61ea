"""The request and the answer of a witness (C2SP tlog-witness, "add-checkpoint"): as text, both ways."""

from collections.abc import Sequence

from gitsign_py.core.encoding import b64_decode, b64_encode, decimal_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import MAX_CHECKPOINT_BYTES
from gitsign_py.core.tlog.note import NoteSignature, format_note, parse_note
from gitsign_py.errors import FormatError

MAX_PROOF = 63  # "The client MUST NOT send more than 63 consistency proof lines"
MAX_REQUEST = MAX_CHECKPOINT_BYTES + 64 * (MAX_PROOF + 1)
MAX_ANSWER = MAX_CHECKPOINT_BYTES
SIZE_TYPE = "text/x.tlog.size"
"""Media type of the answer 409: the size that the witness knows."""
_OLD = "old "


@frozen
class AddCheckpoint:
    """``old`` is the size that the log believes the witness to know, ``proof`` leads from there to ``checkpoint``."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


def parse_request(body: bytes) -> AddCheckpoint:
    """Read a request's body; its checkpoint stays as it is. Raises FormatError ``add-checkpoint-malformed``."""
    head, empty, envelope = body.partition(b"\n\n")
    if not empty or not head.isascii() or len(body) > MAX_REQUEST:
        raise _malformed("it is not: old size, proof, empty line, checkpoint")
    first, *lines = head.decode("ascii").split("\n")
    if not first.startswith(_OLD) or len(lines) > MAX_PROOF:
        raise _malformed(f"it needs a line of the old size, and at most {MAX_PROOF} of a proof")
    try:
        old, proof = decimal_decode(first.removeprefix(_OLD)), tuple(b64_decode(line) for line in lines)
    except FormatError as error:
        raise _malformed(error.message) from error
    if any(len(one) != merkle.HASH_BYTES for one in proof):
        raise _malformed("a line of the proof is not a hash")
    return AddCheckpoint(old, proof, envelope)


def format_request(request: AddCheckpoint) -> bytes:
    """Write a request's body."""
    lines = [f"{_OLD}{request.old}", *(b64_encode(one) for one in request.proof), "", ""]
    return "\n".join(lines).encode() + request.checkpoint


def parse_answer(body: bytes) -> tuple[NoteSignature, ...]:
    """Read the signature lines of an answer 200, and nothing else.

    Raises FormatError ``add-checkpoint-malformed``, ``note-malformed``.
    """
    parsed = parse_note(b"\n\n" + body)
    if parsed.text != b"\n":
        raise _malformed("its answer has more than signature lines")
    return parsed.signatures


def format_answer(signatures: Sequence[NoteSignature]) -> bytes:
    """Write them."""
    return format_note(b"\n", signatures).removeprefix(b"\n\n")


def parse_size(body: bytes) -> int:
    """Read the size in an answer 409. Raises FormatError ``add-checkpoint-malformed``."""
    try:
        return decimal_decode(body.decode("ascii").removesuffix("\n"))
    except (UnicodeDecodeError, FormatError) as error:
        raise _malformed("its answer names no size") from error


def _malformed(why: str) -> FormatError:
    return FormatError("add-checkpoint-malformed", f"witness's message is malformed: {why}")
