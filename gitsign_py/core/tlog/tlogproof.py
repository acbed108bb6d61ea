"""Is this entry in a log of the trust root? Promise, inclusion proof and checkpoint, checked with the log's key.

Everything is taken from the trust root but the log's id, which picks the key. Root and size come from the verified
checkpoint; a proof that states others is refused. The entry's body is not believed: the caller rebuilds the bodies
that would fit, and the promise and the proof decide which of them the log holds, if any.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.core.pki.keydetails import key_details
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint, origin_mismatch
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.hashedrekord import check_supported
from gitsign_py.core.tlog.logentry import leaf_hash_of, verify_set
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.errors import VerificationError

SUPPORTED = {
    ("hashedrekord", "0.0.1"),
    ("hashedrekord", "0.0.2"),
    ("dsse", "0.0.1"),
    ("dsse", "0.0.2"),
    ("intoto", "0.0.2"),
}
_PORT = pattern(r":[0-9]+\Z")
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
T = TypeVar("T")


@frozen
class VerifiedEntry:
    """An entry that stands in ``log``: its ``body``, the ``checkpoint`` that covers it, its place in that tree.

    ``promised`` says that the log's SET vouches for index and integrated time; without it both are hearsay.
    ``witnesses`` are (name, POSIX seconds) of verified cosignatures.
    """

    log: TransparencyLogInstance
    body: bytes
    checkpoint: Checkpoint
    tree_index: int
    promised: bool
    witnesses: tuple[tuple[str, int], ...] = ()


@frozen
class PromisedEntry:
    """An entry that ``log`` has promised to include (its SET verified); whether it did was not checked."""

    log: TransparencyLogInstance
    body: bytes


def verify_entry(
    entry: LogEntry,
    bodies: Sequence[bytes],
    logs: Sequence[TransparencyLogInstance],
    *,
    witnesses: Sequence[note.NoteVerifier] = (),
) -> VerifiedEntry:
    """Check the inclusion proof, its checkpoint and, where there is one, the SET of an entry.

    ``bodies`` are the canonicalized bodies that the entry may have; ``logs`` those of the trust root. A SET is checked
    whenever there is one; then the log's window must cover its integrated time. Entries without one (Rekor v2) prove
    no time: check the window with ``check_log_window`` at the time that a timestamp proves.

    Raises VerificationError ``entry-kind-unsupported``, ``entry-version-unsupported``, ``log-unknown``,
    ``log-key-expired``, ``log-body-missing``, ``set-invalid``, ``checkpoint-...`` or ``inclusion-...``;
    FormatError ``note-malformed``, ``checkpoint-malformed`` or ``log-entry-malformed``.
    """
    check_supported(entry.kind, entry.version, SUPPORTED)
    return _in_any(entry, logs, lambda log: _verify_in(entry, bodies, log, witnesses))


def verify_promise(entry: LogEntry, bodies: Sequence[bytes], logs: Sequence[TransparencyLogInstance]) -> PromisedEntry:
    """Check the SET alone, for the bundles of version 0.1 that carry no inclusion proof.

    Raises VerificationError ``set-missing``, ``set-invalid``, ``log-unknown``, ``log-key-expired`` or
    ``entry-...-unsupported``.
    """
    check_supported(entry.kind, entry.version, SUPPORTED)
    return _in_any(entry, logs, lambda log: PromisedEntry(log, _promised_body(entry, bodies, log)))


def check_log_window(log: TransparencyLogInstance, time: datetime) -> None:
    """Refuse a ``time`` (aware) outside the log's window, ends inclusive. Raises ``log-key-expired``."""
    if not log.valid_for.covers(time):
        raise VerificationError(
            "log-key-expired",
            f"trust root does not accept the log's key for {format_rfc3339(time)}",
            facts={"log": log.base_url, "time": format_rfc3339(time)},
        )


def _in_any(
    entry: LogEntry, logs: Sequence[TransparencyLogInstance], check: Callable[[TransparencyLogInstance], T]
) -> T:
    """One key may stand in the trust root more than once, with other windows: any of them will do."""
    refusal: VerificationError | None = None
    for log in logs:
        if log.log_id != entry.log_id:
            continue
        try:
            return check(log)
        except VerificationError as error:
            refusal = error
    raise refusal or VerificationError(  # made where it is needed: an error looks for secrets in its words, 3 ms
        "log-unknown",
        "log entry is by a log that the trust root does not list",
        hint="the trust root may be out of date (gitsign-py initialize), or of another instance",
        facts={"log_id": entry.log_id.hex()},
    )


def _verify_in(
    entry: LogEntry, bodies: Sequence[bytes], log: TransparencyLogInstance, witnesses: Sequence[note.NoteVerifier]
) -> VerifiedEntry:
    promised = bool(entry.signed_entry_timestamp)
    if promised:
        bodies = (_promised_body(entry, bodies, log),)
    proof = entry.inclusion_proof
    if proof is None:
        raise VerificationError("inclusion-proof-missing", "log entry has no inclusion proof")
    opened = _open_proof(proof, log, witnesses)
    _check_agreement(entry, proof, opened.checkpoint)
    body = _included_body(proof, bodies, opened.checkpoint)
    return VerifiedEntry(log, body, opened.checkpoint, proof.log_index, promised, opened.witnesses)


def _promised_body(entry: LogEntry, bodies: Sequence[bytes], log: TransparencyLogInstance) -> bytes:
    """The body that the SET is over. The log's key must have been valid when it says that it signed."""
    body = _first(bodies, lambda each: verify_set(entry, log.public_key, body=each, hash_name=_hash_name(log)))
    if entry.integrated_time > _LATEST:
        raise VerificationError("log-key-expired", "log entry's time is beyond the calendar")
    check_log_window(log, datetime.fromtimestamp(entry.integrated_time, UTC))
    return body


def _first(bodies: Sequence[bytes], check: Callable[[bytes], None]) -> bytes:
    """The first body that passes; the refusal of the first one when none does."""
    if not bodies:
        raise VerificationError("log-body-missing", "log entry comes without a body, and none can be rebuilt")
    refusals: list[VerificationError] = []
    for body in bodies:
        try:
            check(body)
        except VerificationError as error:
            refusals.append(error)
        else:
            return body
    raise refusals[0]


def _hash_name(log: TransparencyLogInstance) -> str:
    details = key_details(log.key_details)
    return "sha256" if details is None else details.hash_name


def _open_proof(
    proof: InclusionProof, log: TransparencyLogInstance, witnesses: Sequence[note.NoteVerifier]
) -> OpenedCheckpoint:
    if not proof.checkpoint:
        raise VerificationError("checkpoint-missing", "log entry's inclusion proof has no checkpoint")
    return open_log_checkpoint(proof.checkpoint, log, witnesses=witnesses)


def open_log_checkpoint(
    envelope: bytes, log: TransparencyLogInstance, *, witnesses: Sequence[note.NoteVerifier] = ()
) -> OpenedCheckpoint:
    """Verify a checkpoint with the key of a log of the trust root, and that its origin is that log's.

    Raises as ``open_checkpoint`` does.
    """
    opened = open_checkpoint(
        envelope,
        log.public_key,
        key_hints=_key_hints(envelope, log),
        hash_name=_hash_name(log),
        witnesses=witnesses,
    )
    _check_origin(opened.checkpoint, log)
    return opened


def log_of_checkpoint(envelope: bytes, logs: Sequence[TransparencyLogInstance]) -> TransparencyLogInstance:
    """The log of the trust root that signed a checkpoint, by key hint; which key that is still has to be verified.

    Raises FormatError ``note-malformed``, VerificationError ``log-unknown``.
    """
    hints = {line.key_hint for line in note.parse_note(envelope).signatures}
    for log in logs:
        if hints & set(_key_hints(envelope, log)):
            return log
    raise VerificationError(
        "log-unknown",
        "checkpoint is signed by no log that the trust root lists",
        hint="the trust root may be out of date (gitsign-py initialize), or of another instance",
        facts={"got": ", ".join(sorted(hint.hex() for hint in hints)[:8])},
    )


def _key_hints(envelope: bytes, log: TransparencyLogInstance) -> list[bytes]:
    """The hints under which the log's key may sign: those of the trust root, else also the key's own by its name.

    sigstore_trustroot.proto, checkpoint_key_id: "if not set, assume log_id equals checkpoint_key_id".
    """
    if log.checkpoint_key_id is not None:
        return [log.checkpoint_key_id[: note.HINT_BYTES]]
    claimed = envelope.partition(b"\n")[0].decode("utf-8", "replace")
    return [log.log_id[: note.HINT_BYTES], note.key_hint(claimed, log.public_key)]


def _check_origin(checkpoint: Checkpoint, log: TransparencyLogInstance) -> None:
    """A tiled log signs under its own origin, which must be the trusted log's; Rekor v1's names the tree instead.

    An Ed25519 log's id is the hash of its origin and key, so a full id proves the origin. For other keys the origin
    is the log's URL without its scheme (rekor-tiles, CLIENTS.md).
    """
    if checkpoint.origin != checkpoint.signer_name:
        return
    if note.key_id(checkpoint.origin, log.public_key) == log.log_id and log.public_key.kind == "ed25519":
        return
    url = log.base_url.partition("://")[2].rstrip("/")  # urllib.parse would cost 18 ms at each start
    authority = url.partition("/")[0]
    if checkpoint.origin not in (url, authority, _PORT.sub("", authority)):
        raise origin_mismatch(url, checkpoint.origin)


def _check_agreement(entry: LogEntry, proof: InclusionProof, checkpoint: Checkpoint) -> None:
    """The facts beside the proof's checkpoint must not contradict it; a tiled log has one index alone."""
    if proof.root_hash and proof.root_hash != checkpoint.root:
        raise VerificationError(
            "checkpoint-root-mismatch",
            "checkpoint's root hash is not the inclusion proof's",
            facts={"expected": proof.root_hash.hex(), "got": checkpoint.root.hex()},
        )
    if proof.tree_size and proof.tree_size != checkpoint.size:
        raise VerificationError(
            "checkpoint-size-mismatch",
            "checkpoint's tree size is not the inclusion proof's",
            facts={"expected": proof.tree_size, "got": checkpoint.size},
        )
    # Rekor v1 counts log_index over all its shards, so there the two differ.
    if checkpoint.origin == checkpoint.signer_name and proof.log_index != entry.log_index:
        raise VerificationError(
            "inclusion-index-mismatch",
            "log entry's index is not the inclusion proof's",
            facts={"expected": entry.log_index, "got": proof.log_index},
        )


def _included_body(proof: InclusionProof, bodies: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    return _first(
        bodies,
        lambda body: merkle.verify_inclusion(
            leaf_hash_of(body), proof.log_index, checkpoint.size, proof.hashes, checkpoint.root
        ),
    )
