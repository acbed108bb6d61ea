"""Proof files: index, inclusion proof and checkpoint as one text (C2SP tlog-proof), to be verified without a network.

Nothing in a file is believed: the checkpoint is opened with the log's key, and the proof must lead from the entry,
which the verifier rebuilds, to the checkpoint's root. ``extra`` is authenticated by nothing; we put the log's id there
with Rekor v1's promise (a TransparencyLogEntry in protobuf), which is verified as the one in a signature is.
"""

from gitsign_py.core.encoding import b64_decode, b64_encode, decimal_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.entrytypes import MAX_CHECKPOINT_BYTES, MAX_HASHES
from gitsign_py.core.tlog.merkle import HASH_BYTES
from gitsign_py.errors import FormatError

FIRST_LINE = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
MAX_EXTRA_BYTES = 256 * 1024
MAX_PROOF_BYTES = 512 * 1024


@frozen
class ProofFile:
    """``index`` in the checkpoint's tree, ``hashes`` from the leaf's sibling up; all of the checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


def parse_proof_file(data: bytes) -> ProofFile:
    """Parse a file so strictly that it is written the same again. Raises FormatError ``proof-file-malformed``."""
    if len(data) > MAX_PROOF_BYTES:
        raise _malformed(f"it has {len(data)} bytes, at most {MAX_PROOF_BYTES} are read")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        found = _read(head.decode("ascii").split("\n"), checkpoint)
    except (UnicodeDecodeError, FormatError) as error:
        raise _malformed(error.message if isinstance(error, FormatError) else "it is not plain text") from error
    if not blank or format_proof_file(found) != data:
        raise _malformed("it does not read back as it stands")
    return found


def _read(lines: list[str], checkpoint: bytes) -> ProofFile:
    first, *rest = lines
    if first != FIRST_LINE:
        raise FormatError("proof-file-malformed", f"its first line is not {FIRST_LINE}")
    extra = b64_decode(rest.pop(0).removeprefix("extra ")) if rest and rest[0].startswith("extra ") else b""
    if not rest or not rest[0].startswith("index "):
        raise FormatError("proof-file-malformed", "it has no index")
    index = decimal_decode(rest[0].removeprefix("index "))
    hashes = tuple(b64_decode(line) for line in rest[1 : MAX_HASHES + 2])
    if len(hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in hashes):
        raise FormatError("proof-file-malformed", f"it has more than {MAX_HASHES} hashes, or one not of 32 bytes")
    if not checkpoint or len(checkpoint) > MAX_CHECKPOINT_BYTES or len(extra) > MAX_EXTRA_BYTES:
        raise FormatError("proof-file-malformed", "its checkpoint is missing or too long, or its extra data is")
    return ProofFile(index, hashes, checkpoint, extra)


def format_proof_file(proof: ProofFile) -> bytes:
    """Write a proof file."""
    extra = [f"extra {b64_encode(proof.extra)}"] if proof.extra else []
    lines = [FIRST_LINE, *extra, f"index {proof.index}", *(b64_encode(value) for value in proof.hashes), "", ""]
    return "\n".join(lines).encode("ascii") + proof.checkpoint


def _malformed(why: str) -> FormatError:
    return FormatError("proof-file-malformed", f"proof file is malformed: {why}")
