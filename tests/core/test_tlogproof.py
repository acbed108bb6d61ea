"""Entries of known logs are believed; each way to be wrong has a reason of its own."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.git import armor, gitobject
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.checkpoint import Checkpoint, format_checkpoint
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.tlog.logentry import (
    decode_entry,
    encode_entry,
    entry_from_protojson,
    hashedrekord_v001_body,
    hashedrekord_v002_body,
)
from gitsign_py.core.tlog.tlogproof import VerifiedEntry, check_log_window, verify_entry, verify_promise
from gitsign_py.core.trust.root import TransparencyLogInstance, parse_trusted_root
from gitsign_py.errors import FormatError, GitsignError, VerificationError
from tests.support import vectors
from tests.support.logs import END, START, TIME, MemoryLog, public

BODY = b'{"body":"of an entry"}'
REKOR = MemoryLog()
REKOR.fill(6)
INDEX = REKOR.append(BODY)
REKOR.fill(3)
TILED = MemoryLog("tiled.example.com", tiled=True)
TILED.fill(4)
TILED.append(BODY)
TILED.fill(2)
OFFSET = 1000
ENTRY = REKOR.entry(INDEX, offset=OFFSET)
TILED_ENTRY = TILED.entry(4)
LOGS = (TILED.trusted(), REKOR.trusted())


def refused(entry: LogEntry, *, bodies: Sequence[bytes] = (BODY,), logs: Any = LOGS) -> str:
    with pytest.raises(GitsignError) as caught:
        verify_entry(entry, bodies, logs)
    assert isinstance(caught.value, VerificationError | FormatError)
    assert "\n" not in caught.value.message
    return caught.value.reason


def with_proof(entry: LogEntry, **changes: Any) -> LogEntry:
    assert entry.inclusion_proof is not None
    return replace(entry, inclusion_proof=replace(entry.inclusion_proof, **changes))


def test_an_entry_of_either_kind_of_log_is_believed() -> None:
    found = verify_entry(ENTRY, (b"another", BODY), LOGS)
    assert found == VerifiedEntry(
        REKOR.trusted(), BODY, Checkpoint(REKOR.origin, 10, REKOR.root()), INDEX, promised=True
    )
    found = verify_entry(TILED_ENTRY, (b"another", BODY), LOGS)
    assert (found.log, found.body, found.promised) == (TILED.trusted(), BODY, False)


def test_a_version_other_than_the_body_s_is_no_matter_where_the_proof_fits() -> None:
    """The Go client stores Rekor v2 entries as 0.0.1."""
    assert verify_entry(replace(TILED_ENTRY, version="0.0.1"), (BODY,), LOGS).body == BODY


def test_unknown_kinds_and_versions_are_refused() -> None:
    assert refused(replace(ENTRY, kind="rpm")) == "entry-kind-unsupported"
    assert refused(replace(ENTRY, version="0.0.3")) == "entry-version-unsupported"
    assert refused(replace(ENTRY, kind="intoto")) == "entry-version-unsupported"


def test_a_log_that_is_not_listed_is_refused() -> None:
    assert refused(ENTRY, logs=()) == refused(ENTRY, logs=(TILED.trusted(),)) == "log-unknown"
    assert refused(replace(ENTRY, log_id=REKOR.log_id[:4])) == "log-unknown"


def test_the_window_of_the_log_s_key_covers_both_ends() -> None:
    at = datetime.fromtimestamp(TIME, UTC)
    assert verify_entry(ENTRY, (BODY,), (REKOR.trusted(start=at, end=at),)).promised
    second = timedelta(seconds=1)
    assert refused(ENTRY, logs=(REKOR.trusted(start=at + second),)) == "log-key-expired"
    assert refused(ENTRY, logs=(REKOR.trusted(end=at - second),)) == "log-key-expired"
    for good in (START, END):
        check_log_window(REKOR.trusted(), good)
    for bad in (START - second, END + second):
        with pytest.raises(VerificationError) as caught:
            check_log_window(REKOR.trusted(), bad)
        assert caught.value.reason == "log-key-expired"


def test_one_of_two_windows_of_a_key_is_enough() -> None:
    closed = REKOR.trusted(end=START)
    assert verify_entry(ENTRY, (BODY,), (closed, REKOR.trusted())).log == REKOR.trusted()
    assert verify_entry(ENTRY, (BODY,), (REKOR.trusted(), closed)).log == REKOR.trusted()


@pytest.mark.parametrize("time", [253402300800, 2**53 - 1])
def test_a_time_beyond_the_calendar_is_refused(time: int) -> None:
    assert refused(REKOR.promise(replace(ENTRY, integrated_time=time))) == "log-key-expired"


def test_a_wrong_promise_is_refused() -> None:
    other = MemoryLog()
    for changed in (
        replace(ENTRY, integrated_time=TIME + 1),
        replace(ENTRY, log_index=ENTRY.log_index + 1),
        replace(ENTRY, signed_entry_timestamp=b"\x30\x00"),
        replace(ENTRY, signed_entry_timestamp=other.promise(ENTRY).signed_entry_timestamp),
    ):
        assert refused(changed) == "set-invalid"
    assert refused(ENTRY, bodies=(b"another",)) == "set-invalid"
    assert refused(ENTRY, bodies=()) == "log-body-missing"


def test_without_a_promise_the_time_is_not_believed() -> None:
    found = verify_entry(replace(ENTRY, signed_entry_timestamp=b""), (BODY,), LOGS)
    assert not found.promised


def test_promises_alone_are_for_bundles_without_proofs() -> None:
    bare = replace(ENTRY, inclusion_proof=None)
    assert verify_promise(bare, (BODY,), LOGS).log == REKOR.trusted()
    for entry, bodies, reason in (
        (replace(bare, signed_entry_timestamp=b""), (BODY,), "set-missing"),
        (bare, (b"another",), "set-invalid"),
        (replace(bare, log_id=bytes(32)), (BODY,), "log-unknown"),
        (replace(bare, kind="rpm"), (BODY,), "entry-kind-unsupported"),
    ):
        with pytest.raises(VerificationError) as caught:
            verify_promise(entry, bodies, LOGS)
        assert caught.value.reason == reason


@pytest.mark.parametrize("entry", [ENTRY, TILED_ENTRY], ids=["rekor", "tiled"])
def test_proofs_of_the_wrong_form_are_refused(entry: LogEntry) -> None:
    proof = entry.inclusion_proof
    assert proof is not None
    first, *rest = proof.hashes
    assert refused(replace(entry, inclusion_proof=None)) == "inclusion-proof-missing"
    assert refused(with_proof(entry, hashes=tuple(rest))) == "inclusion-proof-too-short"
    assert refused(with_proof(entry, hashes=(*proof.hashes, first))) == "inclusion-proof-too-long"
    assert refused(with_proof(entry, hashes=(bytes(32), *rest))) == "inclusion-proof-mismatch"
    assert refused(with_proof(entry, checkpoint=b"")) == "checkpoint-missing"
    assert refused(with_proof(entry, root_hash=bytes(32))) == "checkpoint-root-mismatch"
    assert refused(with_proof(entry, tree_size=proof.tree_size + 1)) == "checkpoint-size-mismatch"


def test_root_and_size_come_from_the_checkpoint() -> None:
    assert verify_entry(with_proof(TILED_ENTRY, root_hash=b"", tree_size=0), (BODY,), LOGS).body == BODY


def test_an_index_outside_the_tree_is_refused() -> None:
    assert refused(with_proof(ENTRY, log_index=10)) == "inclusion-index-not-below-size"
    assert refused(with_proof(replace(TILED_ENTRY, log_index=7), log_index=7)) == "inclusion-index-not-below-size"


def test_indexes_differ_in_a_sharded_log_alone() -> None:
    assert ENTRY.inclusion_proof is not None
    assert ENTRY.log_index != ENTRY.inclusion_proof.log_index
    assert refused(replace(TILED_ENTRY, log_index=5)) == "inclusion-index-mismatch"


def test_another_entry_of_the_log_is_not_this_one() -> None:
    """CVE-2024-51746's kind: the log has the entry, and it is of something else."""
    neighbour = REKOR.entry(INDEX - 1)
    assert refused(neighbour) == "set-invalid"
    assert refused(replace(neighbour, signed_entry_timestamp=b"")) == "inclusion-proof-mismatch"
    assert refused(TILED.entry(3)) == "inclusion-proof-mismatch"


@pytest.mark.parametrize(("entry", "log"), [(ENTRY, REKOR), (TILED_ENTRY, TILED)], ids=["rekor", "tiled"])
def test_checkpoints_by_another_key_are_refused(entry: LogEntry, log: MemoryLog) -> None:
    other = MemoryLog(log.name, tiled=log.tiled)
    other.bodies, other._nodes = log.bodies, log._nodes
    assert refused(with_proof(entry, checkpoint=other.checkpoint())) == "checkpoint-signature-missing"
    forged = note.parse_note(other.checkpoint())
    lines = [replace(line, key_hint=log.log_id[:4]) for line in forged.signatures]
    forged_envelope = note.format_note(forged.text, lines)
    assert refused(with_proof(entry, checkpoint=forged_envelope)) == "checkpoint-signature-invalid"


def test_checkpoints_of_another_tree_of_the_log_are_refused() -> None:
    assert refused(with_proof(ENTRY, checkpoint=REKOR.checkpoint(9))) == "checkpoint-root-mismatch"
    older = with_proof(ENTRY, checkpoint=REKOR.checkpoint(6), root_hash=b"", tree_size=0)
    assert refused(older) == "inclusion-index-not-below-size"


def test_a_tiled_log_signs_under_its_own_origin() -> None:
    foreign = TILED.checkpoint(origin="other.example.com")
    assert refused(with_proof(TILED_ENTRY, checkpoint=foreign)) == "checkpoint-origin-mismatch"
    text = format_checkpoint(Checkpoint("other.example.com", 7, TILED.root()))
    misnamed = note.sign_note(text, [note.NoteSigner("tiled.example.com", TILED.log_id[:4], TILED.sign)])
    assert refused(with_proof(TILED_ENTRY, checkpoint=misnamed)) == "checkpoint-origin-mismatch"


def test_an_origin_is_the_url_of_a_log_whose_id_does_not_prove_it() -> None:
    log = MemoryLog("ecdsa.example.com", key=ec.generate_private_key(ec.SECP384R1()), tiled=True)
    log.append(BODY)
    trusted = log.trusted()
    for url in ("https://ecdsa.example.com", "https://ecdsa.example.com:8443/", "http://ecdsa.example.com/path"):
        assert verify_entry(log.entry(0), (BODY,), (replace(trusted, base_url=url),)).body == BODY
    for url in ("https://other.example.com", "", "ecdsa.example.com"):
        assert refused(log.entry(0), logs=(replace(trusted, base_url=url),)) == "checkpoint-origin-mismatch"


def test_a_checkpoint_key_id_in_the_trust_root_decides() -> None:
    hint = replace(TILED.trusted(), checkpoint_key_id=TILED.log_id[:4])
    assert verify_entry(TILED_ENTRY, (BODY,), (hint,)).body == BODY
    wrong = replace(TILED.trusted(), checkpoint_key_id=bytes(32))
    assert refused(TILED_ENTRY, logs=(wrong,)) == "checkpoint-signature-missing"


def test_an_ed25519_log_listed_by_the_hash_of_its_key_is_found_by_its_url() -> None:
    log = replace(TILED.trusted(), log_id=TILED.public.key_id)
    entry = replace(TILED_ENTRY, log_id=log.log_id)
    assert verify_entry(entry, (BODY,), (log,)).body == BODY
    elsewhere = replace(log, base_url="https://other.example.com")
    assert refused(entry, logs=(elsewhere,)) == "checkpoint-origin-mismatch"


def test_witnesses_that_the_caller_knows_are_reported() -> None:
    witness = ed25519.Ed25519PrivateKey.generate()
    parsed = note.parse_note(TILED.checkpoint())
    line = note.cosign("w", public(witness), witness.sign, parsed.text, TIME)
    envelope = note.format_note(parsed.text, [*parsed.signatures, line])
    known = note.NoteVerifier("w", line.key_hint, public(witness), "cosignature")
    entry = with_proof(TILED_ENTRY, checkpoint=envelope)
    assert verify_entry(entry, (BODY,), LOGS, witnesses=[known]).witnesses == (("w", TIME),)
    assert verify_entry(entry, (BODY,), LOGS).witnesses == ()


@pytest.mark.parametrize("entry", [ENTRY, TILED_ENTRY], ids=["rekor", "tiled"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_is_refused_or_changes_nothing_that_counts(entry: LogEntry, data: st.DataObject) -> None:
    raw = bytearray(encode_entry(entry))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        found = verify_entry(decode_entry(bytes(raw)), (BODY,), LOGS)
    except (FormatError, VerificationError):
        return
    assert found.body == BODY
    assert found.tree_index == (INDEX if entry is ENTRY else 4)


def _signed(path: Path) -> tuple[LogEntry, tuple[bytes, ...]]:
    """The embedded entry of a real signature, and the bodies that it may have."""
    split = gitobject.split_object(path.suffix[1:], path.read_bytes())
    assert split.signature is not None
    signed = cms.parse_signed_data(armor.dearmor(split.signature))
    signer = cms.only_signer(signed)
    leaf = cms.signer_certificate(signed, signer)
    element = cms.attribute_value(signer.unsigned_attributes, oids.LOG_ENTRY)
    assert element is not None

    digest = hashlib.sha256(signer.signed_bytes).digest()
    bodies = (
        hashedrekord_v001_body(digest, signer.signature, pem_encode(leaf.raw, "CERTIFICATE")),
        hashedrekord_v002_body(digest, signer.signature, leaf.raw, "PKIX_ECDSA_P256_SHA_256"),
    )
    raw = der.read_octet_string(element)
    entry = decode_entry(raw)
    assert encode_entry(entry) == raw
    return entry, bodies


def _logs(room: str) -> tuple[TransparencyLogInstance, ...]:
    return parse_trusted_root((vectors.folder(room) / "trusted_root.json").read_bytes()).tlogs


@pytest.mark.parametrize("name", vectors.names("production", "offline-*"))
def test_entries_in_public_commits_are_believed(name: str) -> None:
    entry, bodies = _signed(vectors.folder("production") / name)
    found = verify_entry(entry, bodies, _logs("production"))
    assert (found.log.base_url, found.body, found.promised) == ("https://rekor.sigstore.dev", bodies[0], True)


@pytest.mark.parametrize("name", vectors.names("realstack", "v[12]*-offline*"))
def test_entries_of_the_go_client_are_believed(name: str) -> None:
    entry, bodies = _signed(vectors.folder("realstack") / name)
    found = verify_entry(entry, bodies, _logs("realstack"))
    tiled = name.startswith("v2")
    assert found.body == bodies[tiled]
    assert found.promised is not tiled


@pytest.mark.parametrize("name", ["cosign.v2.sigstore.json", "sigstore-python.v2.sigstore.json"])
def test_entries_in_bundles_of_other_clients_are_believed(name: str) -> None:

    bundle = json.loads((vectors.folder("realstack") / name).read_bytes())
    entry = entry_from_protojson(bundle["verificationMaterial"]["tlogEntries"][0])
    assert verify_entry(entry, (entry.body,), _logs("realstack")).checkpoint.origin == "rekor2.stack.local"
