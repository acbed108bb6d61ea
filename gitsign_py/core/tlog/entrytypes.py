"""A log entry, whichever form it came in: protobuf, protobuf JSON or Rekor v1's own JSON."""

from gitsign_py.core.frozen import frozen

MAX_HASHES = 64
"""Hashes in a proof: a path in a tree of up to 2**63 leaves has no more (RFC 6962 §2.1.1)."""
MAX_CHECKPOINT_BYTES = 64 * 1024


@frozen
class InclusionProof:
    """An entry's place in its tree: ``log_index`` there, the root (32 bytes) and size, the path, the checkpoint.

    ``hashes`` go from the leaf's sibling to the root; ``checkpoint`` is the signed note, empty for none.
    """

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


@frozen
class LogEntry:
    """One entry as a log, a bundle or a signature hands it over; nothing of it is verified.

    ``log_index`` counts over all shards of a Rekor v1; ``log_id`` is 32 bytes; ``integrated_time`` POSIX seconds, 0
    for none; ``signed_entry_timestamp`` (SET) is empty for none; ``body`` the canonicalized body, empty when it is
    not carried.
    """

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int
    signed_entry_timestamp: bytes
    inclusion_proof: InclusionProof | None
    body: bytes = b""
