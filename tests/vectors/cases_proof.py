"""Step 4.3: the inclusion proof of an entry, and the checkpoint that it leads to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, seal_checkpoint
from gitsign_py.core.tlog.logentry import LogEntry
from tests.support.forge import Forged, forge
from tests.support.forgedworld import ForgedLog, World
from tests.vectors.case import Case

_STRAY = bytes(32)


def _entry(name: str, title: str, reason: str, change: Callable[[LogEntry], LogEntry], **more: Any) -> Case:
    """A good entry, changed after the log's promise."""
    return Case(name, title, "4.3", reason, lambda world: forge(world, entry=change, **more))


def _tiled(name: str, title: str, reason: str, change: Callable[[LogEntry], LogEntry], **more: Any) -> Case:
    return _entry(name, title, reason, change, log="v2", timestamp={}, **more)


def _proof(**changes: Any) -> Callable[[LogEntry], LogEntry]:
    """Change fields of the inclusion proof; a callable gets the old value."""

    def change(entry: LogEntry) -> LogEntry:
        proof = entry.inclusion_proof
        assert proof is not None
        new = {name: value(getattr(proof, name)) if callable(value) else value for name, value in changes.items()}
        return replace(entry, inclusion_proof=replace(proof, **new))

    return change


def _log(name: str, title: str, reason: str, make: Callable[[World], Forged], step: str = "4.3") -> Case:
    return Case(name, title, step, reason, make)


def _seal(log: ForgedLog, checkpoint: Checkpoint, name: str | None = None) -> bytes:
    """Sign a checkpoint with the log's key, under any key name."""
    own = checkpoint.signer_name if name is None else name
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{b64_encode(checkpoint.root)}\n".encode()
    signer = note.NoteSigner(own, note.key_hint(own, log.public), log.sign)
    return note.sign_note(text, [signer])


def _checkpoint(log: str, remake: Callable[[World, ForgedLog], bytes]) -> Callable[[World], Forged]:
    """An entry whose checkpoint is made anew when the entry stands in the log."""

    def make(world: World) -> Forged:
        chosen: ForgedLog = getattr(world, log)

        def change(entry: LogEntry) -> LogEntry:  # called when the log has all of its entries
            return _proof(checkpoint=remake(world, chosen))(entry)

        return forge(world, log=chosen, entry=change, timestamp={} if chosen.tiled else None)

    return make


def _here(log: ForgedLog, **changes: Any) -> Checkpoint:
    return replace(Checkpoint(log.origin, len(log.bodies), log.root()), **changes)


def _by_twin(world: World, log: ForgedLog) -> bytes:
    """A checkpoint by another log of the same name, under its own key hint."""
    twin = world.other_v2 if log.tiled else world.other_v1
    return seal_checkpoint(_here(log), twin.public, twin.sign)


def _by_twin_under_our_hint(world: World, log: ForgedLog) -> bytes:
    """The hint has 4 bytes, so anybody can find a key with the same one: here it is simply written down."""
    twin = world.other_v2 if log.tiled else world.other_v1
    signer = note.NoteSigner(log.name, note.key_hint(log.name, log.public), twin.sign)
    text = _seal(log, _here(log)).partition(b"\n\n")[0] + b"\n"
    return note.sign_note(text, [signer])


def _edited(old: bytes, new: bytes) -> Callable[[World, ForgedLog], bytes]:
    def change(world: World, log: ForgedLog) -> bytes:
        sealed = log.checkpoint()
        assert old in sealed
        return sealed.replace(old, new)

    return change


def _second_signature_wrong(world: World, log: ForgedLog) -> bytes:
    """The log's good signature, and a wrong one under the same name and hint."""
    sealed = log.checkpoint()
    good = note.parse_note(sealed)
    wrong = replace(good.signatures[0], signature=good.signatures[0].signature[::-1])
    return note.format_note(good.text, [*good.signatures, wrong])


def _without_log_signature(world: World, log: ForgedLog) -> bytes:
    """A witness's signature alone."""
    good = note.parse_note(log.checkpoint())
    other = replace(good.signatures[0], name="witness.example.com", key_hint=b"\1\2\3\4")
    return note.format_note(good.text, [other])


def _other_tree(world: World) -> Forged:
    """The proof and checkpoint of the same log, over another entry at another place."""

    def change(entry: LogEntry) -> LogEntry:
        return replace(entry, inclusion_proof=world.v1.proof(2))

    return forge(world, entry=change)


CASES = (
    _entry(
        "proof-missing", "no inclusion proof", "inclusion-proof-missing", lambda e: replace(e, inclusion_proof=None)
    ),
    _entry(
        "proof-too-short", "a proof that lacks a hash", "inclusion-proof-too-short", _proof(hashes=lambda old: old[:-1])
    ),
    _entry("proof-empty", "a proof without hashes", "inclusion-proof-too-short", _proof(hashes=())),
    _entry(
        "proof-too-long",
        "a proof with a hash too many",
        "inclusion-proof-too-long",
        _proof(hashes=lambda old: (*old, _STRAY)),
    ),
    _entry(
        "proof-wrong",
        "a proof with a wrong hash",
        "inclusion-proof-mismatch",
        _proof(hashes=lambda old: (_STRAY, *old[1:])),
    ),
    _entry(
        "proof-reordered",
        "the hashes of the proof in another order",
        "inclusion-proof-mismatch",
        _proof(hashes=lambda old: old[::-1]),
    ),
    _entry(
        "proof-short-hash",
        "a proof with a hash of 31 bytes",
        "inclusion-proof-hash-length",
        _proof(hashes=lambda old: (old[0][:-1], *old[1:])),
    ),
    _entry(
        "proof-index-at-size",
        "index equal to the size",
        "inclusion-index-not-below-size",
        _proof(log_index=lambda _: 8),
    ),
    _entry("proof-index-other", "another index", "inclusion-proof-mismatch", _proof(log_index=4)),
    _entry(
        "proof-size-other",
        "a size that is not the checkpoint's",
        "checkpoint-size-mismatch",
        _proof(tree_size=lambda old: old + 1),
    ),
    _entry(
        "proof-root-other", "a root that is not the checkpoint's", "checkpoint-root-mismatch", _proof(root_hash=_STRAY)
    ),
    _log("proof-other-entry", "the proof of another entry of this log", "inclusion-proof-mismatch", _other_tree),
    _tiled(
        "proof-v2-index-other",
        "Rekor v2: two different indexes",
        "inclusion-index-mismatch",
        lambda e: replace(e, log_index=e.log_index - 1),
    ),
    _tiled(
        "proof-v2-wrong",
        "Rekor v2: a wrong hash",
        "inclusion-proof-mismatch",
        _proof(hashes=lambda old: (_STRAY, *old[1:])),
    ),
    _entry("checkpoint-missing", "no checkpoint", "checkpoint-missing", _proof(checkpoint=b"")),
    _log(
        "checkpoint-other-log",
        "a checkpoint by another log of the same name",
        "checkpoint-signature-missing",
        _checkpoint("v1", _by_twin),
    ),
    _log(
        "checkpoint-v2-other-log",
        "Rekor v2: a checkpoint by another log of the same name",
        "checkpoint-signature-missing",
        _checkpoint("v2", _by_twin),
    ),
    _log(
        "checkpoint-hint-collision",
        "another log's key under the trusted key's hint",
        "checkpoint-signature-invalid",
        _checkpoint("v1", _by_twin_under_our_hint),
    ),
    _log(
        "checkpoint-v2-hint-collision",
        "Rekor v2: another log's key under the trusted key's hint",
        "checkpoint-signature-invalid",
        _checkpoint("v2", _by_twin_under_our_hint),
    ),
    _log(
        "checkpoint-origin-v2",
        "Rekor v2: a checkpoint of another origin by the log's own key",
        "checkpoint-origin-mismatch",
        _checkpoint("v2", lambda w, log: _seal(log, _here(log, origin="other.example.com"))),
    ),
    _log(
        "checkpoint-key-name",
        "the log's key under another name",
        "checkpoint-origin-mismatch",
        _checkpoint("v1", lambda w, log: _seal(log, _here(log), "other.example.com")),
    ),
    _log(
        "checkpoint-origin-changed",
        "the origin was changed",
        "checkpoint-signature-invalid",
        _checkpoint("v1", _edited(b" - 6332920020225541387", b" - 6332920020225541388")),
    ),
    _log(
        "checkpoint-root-changed",
        "the root was changed after signing",
        "checkpoint-signature-invalid",
        _checkpoint(
            "v1",
            lambda w, log: log.checkpoint().replace(b64_encode(log.root()).encode(), b64_encode(_STRAY).encode()),
        ),
    ),
    _log(
        "checkpoint-size-changed",
        "the size was changed after signing",
        "checkpoint-signature-invalid",
        _checkpoint("v1", _edited(b"\n8\n", b"\n9\n")),
    ),
    _log(
        "checkpoint-size-zero",
        "a checkpoint of an empty tree",
        "checkpoint-root-mismatch",
        _checkpoint("v1", lambda w, log: _seal(log, Checkpoint(log.origin, 0, merkle.empty_root()))),
    ),
    _log(
        "checkpoint-empty-tree-with-root",
        "size 0 with a root that no empty tree has",
        "checkpoint-malformed",
        _checkpoint("v1", lambda w, log: _seal(log, _here(log, size=0))),
    ),
    _log(
        "checkpoint-unsigned",
        "a checkpoint that only a witness signed",
        "checkpoint-signature-missing",
        _checkpoint("v1", _without_log_signature),
    ),
    _log(
        "checkpoint-signature-wrong-twin",
        "a wrong signature by the log beside its good one",
        "checkpoint-signature-invalid",
        _checkpoint("v1", _second_signature_wrong),
    ),
    _log(
        "checkpoint-malformed",
        "a checkpoint that is no note",
        "note-malformed",
        _checkpoint("v1", lambda w, log: b"x\n"),
    ),
    _log(
        "checkpoint-crlf",
        "CRLF in the checkpoint",
        "note-malformed",
        _checkpoint("v1", lambda w, log: log.checkpoint().replace(b"\n", b"\r\n")),
    ),
)
