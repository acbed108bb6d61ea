"""Attacks on a quorum of witnesses: moved, repeated, renamed, spoiled and early cosignatures."""

import pytest

from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.checkpoint import format_checkpoint
from gitsign_py.core.tlog.cosigned import LATEST_TIME, check_cosigned
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.errors import FormatError, VerificationError
from tests.support.witnesskit import NOW, A, B, Cosigner, checkpoint, cosigned, log_key, policy, private, sealed, vkey

BOTH = policy("group both all a b", "quorum both")
ONE = policy("quorum a")
OF = checkpoint()
TEXT = format_checkpoint(OF)


def reason(asked: WitnessPolicy, *lines: note.NoteSignature, latest: int = NOW) -> str:
    with pytest.raises((VerificationError, FormatError)) as caught:
        check_cosigned(asked, sealed(OF, *lines), OF, log_key(), latest=latest)
    return caught.value.reason


def test_the_quorum_itself_is_met_by_both() -> None:
    assert check_cosigned(BOTH, cosigned(A, B), OF, log_key(), latest=NOW).time == NOW


def test_a_cosignature_is_not_moved_to_another_log_tree_or_time() -> None:
    for other in (checkpoint(origin="other.example.com"), checkpoint(2)):
        assert reason(ONE, A.cosign(format_checkpoint(other))) == "cosignature-invalid"
    good = A.cosign(TEXT)
    moved = note.NoteSignature(good.name, good.key_hint, (NOW - 600).to_bytes(8, "big") + good.signature[8:])
    assert reason(ONE, moved) == "cosignature-invalid"


def test_one_witness_is_not_two() -> None:
    """Neither by two lines, nor by two times."""
    assert reason(BOTH, A.cosign(TEXT), A.cosign(TEXT)) == "witness-quorum-missing"
    assert reason(BOTH, A.cosign(TEXT), A.cosign(TEXT, NOW - 1)) == "witness-quorum-missing"


def test_a_witness_s_key_under_another_witness_s_name_is_nobody() -> None:
    """The Ed25519 message does not hold the witness's name, so the same signature could stand under any."""
    good = A.cosign(TEXT)
    as_b = note.NoteSignature(B.key.name, vkey(B.key.name, A.number).hint, good.signature)
    assert reason(BOTH, good, as_b) == "witness-quorum-missing"
    with_hint = note.NoteSignature(B.key.name, B.key.hint, good.signature)
    assert reason(BOTH, good, with_hint) == "cosignature-invalid"


def test_a_key_with_the_hint_of_a_witness_is_not_the_witness() -> None:
    """A hint has 32 bits: another key that has it, under the same name, is found by trying."""
    other = private(99).sign(note.cosigned_message(TEXT, NOW))
    line = note.NoteSignature(A.key.name, A.key.hint, NOW.to_bytes(8, "big") + other)
    assert reason(ONE, line) == "cosignature-invalid"
    assert reason(ONE, A.cosign(TEXT), line) == "cosignature-invalid"


def test_an_unknown_witness_does_not_count_and_does_no_harm() -> None:
    stranger = Cosigner("stranger", 50).cosign(TEXT)
    assert reason(ONE, stranger) == "witness-quorum-missing"
    found = check_cosigned(ONE, sealed(OF, stranger, A.cosign(TEXT)), OF, log_key(), latest=NOW)
    assert found.witnesses == (("a", NOW),)


def test_a_time_to_come_does_not_count() -> None:
    assert reason(ONE, A.cosign(TEXT, NOW + 1)) == "witness-quorum-missing"
    assert reason(BOTH, A.cosign(TEXT, NOW + 1), B.cosign(TEXT)) == "witness-quorum-missing"
    assert check_cosigned(ONE, sealed(OF, A.cosign(TEXT, NOW + 1)), OF, log_key(), latest=NOW + 1).time == NOW + 1


def test_a_time_past_the_document_s_bound_is_malformed() -> None:
    assert reason(ONE, A.cosign(TEXT, LATEST_TIME + 1), latest=2**65) == "cosignature-malformed"


@pytest.mark.parametrize("length", [1, 8, 71, 73, 2428])
def test_a_cosignature_of_another_length_is_malformed(length: int) -> None:
    line = note.NoteSignature(A.key.name, A.key.hint, (A.cosign(TEXT).signature + bytes(3000))[:length])
    assert reason(ONE, line) == "cosignature-malformed"


def test_the_log_s_own_signature_is_no_cosignature() -> None:
    """A policy with the log's key as a witness: what the log signs as a log does not count as cosigned."""
    own = Cosigner("own", 200)
    asked = policy("quorum own", witnesses=[own])
    assert reason(asked) == "witness-quorum-missing"
