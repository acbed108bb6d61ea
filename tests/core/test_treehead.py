"""Heads of CT logs in both of their forms, signed by keys of the tests and judged by nothing but the trust root's."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.encoding import opaque
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, format_checkpoint
from gitsign_py.core.tlog.treehead import (
    SignedTreeHead,
    TreeHead,
    note_key_hint,
    open_ct_checkpoint,
    tree_head_data,
    verify_tree_head,
)
from gitsign_py.errors import GitsignError
from tests.support.smalltree import KEY, LOG, ORIGIN

HEAD = TreeHead(5, hashlib.sha256(b"root").digest(), 1_700_000_000_123)


def signature(head: TreeHead = HEAD) -> bytes:
    return b"\x04\x03" + opaque(KEY.sign(tree_head_data(head), ec.ECDSA(hashes.SHA256())), 2)


def checkpoint(head: TreeHead = HEAD, origin: str = ORIGIN, *, hint: bytes = b"", more: tuple[str, ...] = ()) -> bytes:
    line = note.NoteSignature(
        origin, hint or note_key_hint(origin, LOG.log_id), head.timestamp_ms.to_bytes(8, "big") + signature(head)
    )
    return note.format_note(format_checkpoint(Checkpoint(origin, head.size, head.root, more)), [line])


def test_both_forms_of_one_head_verify() -> None:
    assert verify_tree_head(SignedTreeHead(HEAD, signature()), LOG) == HEAD
    assert open_ct_checkpoint(checkpoint(), LOG) == HEAD


def test_what_is_signed_is_the_struct_of_rfc_6962() -> None:
    assert tree_head_data(HEAD) == (
        b"\0\x01" + (1_700_000_000_123).to_bytes(8, "big") + (5).to_bytes(8, "big") + HEAD.root
    )


@pytest.mark.parametrize(
    ("head", "signed", "reason"),
    [
        (TreeHead(6, HEAD.root, HEAD.timestamp_ms), signature(), "tree-head-signature-invalid"),
        (TreeHead(5, HEAD.root[::-1], HEAD.timestamp_ms), signature(), "tree-head-signature-invalid"),
        (TreeHead(5, HEAD.root, 1), signature(), "tree-head-signature-invalid"),
        (HEAD, signature()[:-1], "tree-head-malformed"),
        (HEAD, signature() + b"\0", "tree-head-malformed"),
        (HEAD, b"\x05" + signature()[1:], "sct-algorithm-unsupported"),
        (HEAD, b"\x04\x01" + signature()[2:], "sct-algorithm-unsupported"),
        (TreeHead(5, b"short", 1), signature(), "tree-head-malformed"),
        (TreeHead(0, HEAD.root, 1), signature(), "tree-head-malformed"),
    ],
    ids=["size", "root", "time", "short", "long", "hash", "algorithm", "short root", "empty"],
)
def test_another_head_or_signature_is_refused(head: TreeHead, signed: bytes, reason: str) -> None:
    with pytest.raises(GitsignError) as caught:
        verify_tree_head(SignedTreeHead(head, signed), LOG)
    assert caught.value.reason == reason


def test_an_empty_tree_has_the_root_of_an_empty_tree() -> None:
    empty = TreeHead(0, merkle.empty_root(), 7)
    assert open_ct_checkpoint(checkpoint(empty), LOG) == empty


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (checkpoint(hint=b"\0\0\0\1"), "checkpoint-signature-missing"),
        (checkpoint(more=("extension",)), "tree-head-malformed"),
        (checkpoint().replace(b"\n5\n", b"\n6\n"), "tree-head-signature-invalid"),
        (checkpoint().replace(ORIGIN.encode(), b"ct.example.com/2027", 1), "checkpoint-signature-missing"),
        (b"x" * 70_000, "tree-head-malformed"),
    ],
    ids=["hint", "extension", "size", "origin", "large"],
)
def test_another_checkpoint_is_refused(envelope: bytes, reason: str) -> None:
    with pytest.raises(GitsignError) as caught:
        open_ct_checkpoint(envelope, LOG)
    assert caught.value.reason == reason
