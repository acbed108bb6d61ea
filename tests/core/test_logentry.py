"""Log entries in their three forms, and what a log's promise is over."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.logentry import (
    decode_entry,
    encode_entry,
    entry_from_protojson,
    entry_from_rekor_v1,
    entry_to_protojson,
    leaf_hash_of,
    rekor_v1_object,
    set_payload,
    verify_set,
)
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError
from tests.support import vectors
from tests.support.logs import MemoryLog

BODY = b'{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{}}'
LOG = MemoryLog()
LOG.append(BODY)
LOG.fill(4)
ENTRY = LOG.entry(0, offset=77)
BARE = LogEntry(0, bytes(32), "hashedrekord", "0.0.2", 0, b"", None)
UUID = "57e30d348480c50b" + leaf_hash_of(BODY).hex()

INTS = st.integers(0, 2**63 - 1)
HASHES = st.lists(st.binary(max_size=40), max_size=64).map(tuple)
PROOFS = st.builds(InclusionProof, INTS, st.binary(max_size=40), INTS, HASHES, st.text(max_size=90).map(str.encode))
TEXTS = st.text(min_size=1, max_size=20)
ENTRIES = st.builds(
    LogEntry,
    INTS,
    st.binary(min_size=1, max_size=40),
    TEXTS,
    TEXTS,
    INTS,
    st.binary(max_size=80),
    st.none() | PROOFS,
    st.binary(max_size=100),
)


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        decode_entry(data)
    return caught.value.reason


# --- protobuf --------------------------------------------------------------------------------------------------------


@given(ENTRIES)
def test_what_is_encoded_is_decoded(entry: LogEntry) -> None:
    assert decode_entry(encode_entry(entry, with_body=True)) == entry
    assert decode_entry(encode_entry(entry)) == replace(entry, body=b"")


def test_an_entry_without_a_promise_keeps_an_empty_one() -> None:
    """gitsign stores Rekor v2 entries so: field 5, length 0."""
    encoded = encode_entry(BARE)
    assert encoded.endswith(b"\x2a\x00")
    assert decode_entry(encoded) == decode_entry(encoded[:-2]) == BARE


def test_other_spellings_of_an_entry_are_refused() -> None:
    encoded = encode_entry(BARE)
    assert refused(encoded + b"\x32\x02\x12\x00") == "log-entry-malformed"  # an empty root hash, spelled out
    assert refused(encoded + b"\x32\x02\x2a\x00") == "log-entry-malformed"  # an empty checkpoint
    assert refused(encoded + b"\x3a\x00") == "log-entry-malformed"  # an empty body
    assert refused(encoded[:-2] + b"\x2a\x02\x0a\x00") == "log-entry-malformed"  # an empty timestamp
    assert refused(encoded + b"\x42\x00") == "protobuf-malformed"  # an unknown field
    assert refused(encoded + b"\x2a\x00") == "protobuf-malformed"


@pytest.mark.parametrize("field", ["log_id", "kind", "version"])
def test_an_entry_needs_its_names(field: str) -> None:
    changes: dict[str, Any] = {field: b"" if field == "log_id" else ""}
    assert refused(encode_entry(replace(BARE, **changes))) == "log-entry-malformed"
    assert refused(b"") == "log-entry-malformed"


def test_limits_hold() -> None:
    def proof(**changes: Any) -> bytes:
        return encode_entry(replace(BARE, inclusion_proof=replace(InclusionProof(0, b"", 0, (), b""), **changes)))

    assert len(decode_entry(proof(hashes=(bytes(32),) * 64)).inclusion_proof.hashes) == 64  # type: ignore[union-attr]
    assert refused(proof(hashes=(bytes(32),) * 65)) == "log-entry-too-large"
    assert refused(proof(checkpoint=b"x" * 65537)) == "log-entry-too-large"
    assert refused(bytes(256 * 1024 + 1)) == "log-entry-too-large"
    assert refused(proof(hashes=(b"",) * 120_000)) == "log-entry-too-large"


def test_numbers_that_do_not_fit_are_not_written() -> None:
    for index in (-1, 2**63):
        with pytest.raises(FormatError):
            encode_entry(replace(BARE, log_index=index))


@given(st.binary(max_size=200))
def test_random_bytes_are_no_entry(data: bytes) -> None:
    try:
        entry = decode_entry(data)
    except FormatError:
        return
    assert data in (encode_entry(entry, with_body=True), encode_entry(entry, with_body=True).replace(b"\x2a\x00", b""))


@given(
    st.sampled_from([ENTRY, BARE, replace(BARE, inclusion_proof=InclusionProof(0, b"", 0, (), b""))]),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from(b"\x0a\x12\x1a\x22\x2a\x32\x3a"), st.booleans()), max_size=3
    ),
)
def test_no_entry_has_two_spellings(entry: LogEntry, changes: list[tuple[int, int, bool]]) -> None:
    """With empty fields put in anywhere, and bytes taken out: what is taken is what would be written."""
    data = bytearray(encode_entry(entry, with_body=True))
    for at, tag, put_in in changes:
        where = at % len(data)
        data[where : where + (0 if put_in else 1)] = bytes((tag, 0)) if put_in else b""
    try:
        taken = decode_entry(bytes(data))
    except FormatError:
        return
    written = encode_entry(taken, with_body=True)
    assert bytes(data) in (written, written.replace(b"\x2a\x00", b"", 1))


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_changes_the_entry_or_is_refused(at: int, mask: int) -> None:
    data = bytearray(encode_entry(ENTRY))
    data[at % len(data)] ^= mask
    try:
        assert decode_entry(bytes(data)) != replace(ENTRY, body=b"")
    except FormatError:
        return


# --- signed entry timestamps -----------------------------------------------------------------------------------------


@given(st.binary(max_size=100), st.integers(0, 2**53 - 1), st.binary(max_size=40), st.integers(0, 2**53 - 1))
def test_a_promise_is_over_canonical_json(body: bytes, time: int, log_id: bytes, index: int) -> None:
    entry = replace(BARE, log_index=index, log_id=log_id, integrated_time=time, body=body)
    value: Any = {"logIndex": index, "logID": log_id.hex(), "integratedTime": time, "body": b64_encode(body)}
    assert set_payload(entry) == rfc8785.dumps(value)
    assert set_payload(replace(entry, body=b"other"), body) == set_payload(entry)


def test_numbers_that_json_cannot_hold_have_no_promise() -> None:
    for changes in ({"log_index": 2**53}, {"integrated_time": 2**53}):
        with pytest.raises(FormatError) as caught:
            set_payload(replace(BARE, **changes))  # type: ignore[arg-type]
        assert caught.value.reason == "log-entry-malformed"


def test_promises_verify_with_the_log_s_key_alone() -> None:
    verify_set(ENTRY, LOG.public)
    verify_set(replace(ENTRY, body=b""), LOG.public, body=BODY)
    for entry, key, kind, reason in (
        (ENTRY, MemoryLog().public, InvalidSignatureError, "set-invalid"),
        (replace(ENTRY, body=b""), LOG.public, InvalidSignatureError, "set-invalid"),
        (replace(ENTRY, signed_entry_timestamp=b""), LOG.public, VerificationError, "set-missing"),
    ):
        with pytest.raises(kind) as caught:
            verify_set(entry, key)
        assert caught.value.reason == reason


# --- Rekor v1's JSON -------------------------------------------------------------------------------------------------


def test_rekor_s_json_goes_both_ways() -> None:
    value = rekor_v1_object(ENTRY)
    assert entry_from_rekor_v1(UUID, json.loads(json.dumps(value))) == ENTRY
    assert entry_from_rekor_v1(UUID[16:], value) == ENTRY
    bare = replace(ENTRY, inclusion_proof=None, signed_entry_timestamp=b"")
    assert entry_from_rekor_v1(UUID, rekor_v1_object(bare)) == bare
    without = {name: item for name, item in value.items() if name != "verification"}
    assert entry_from_rekor_v1(UUID, without) == bare
    assert entry_from_rekor_v1(UUID, {**value, "attestation": {"data": ""}}) == ENTRY


def change_proof(**changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["verification"]["inclusionProof"].update(changes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.update(body="?"), "base64-invalid"),
        (lambda value: value.update(body=None), "log-answer-malformed"),
        (lambda value: value.update(logIndex=-1), "log-answer-malformed"),
        (lambda value: value.update(logIndex=True), "log-answer-malformed"),
        (lambda value: value.update(logIndex=1.0), "log-answer-malformed"),
        (lambda value: value.update(integratedTime="1"), "log-answer-malformed"),
        (lambda value: value.update(logID="AB"), "hex-invalid"),
        (lambda value: value.update(verification=[]), "log-answer-malformed"),
        (lambda value: value["verification"].update(signedEntryTimestamp=1), "log-answer-malformed"),
        (lambda value: value["verification"].update(inclusionProof=[]), "log-answer-malformed"),
        (change_proof(hashes=None), "log-answer-malformed"),
        (change_proof(hashes=[1]), "log-answer-malformed"),
        (change_proof(hashes=["00"] * 65), "log-answer-malformed"),
        (change_proof(hashes=["0"]), "hex-invalid"),
        (change_proof(checkpoint="\ud800"), "log-answer-malformed"),
        (change_proof(checkpoint="x" * 65537), "log-answer-malformed"),
        (change_proof(treeSize=2**63), "log-answer-malformed"),
    ],
)
def test_malformed_answers_are_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    value = rekor_v1_object(ENTRY)
    change(value)
    with pytest.raises(FormatError) as caught:
        entry_from_rekor_v1(UUID, value)
    assert caught.value.reason == reason


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 999, b'{"kind":1,"apiVersion":"0.0.1"}'])
def test_a_body_that_states_no_kind_is_an_entry_all_the_same(body: bytes) -> None:
    """Anybody may find a way to log one: it is another's to refuse, and hides no entry beside it."""
    entry = entry_from_rekor_v1(UUID, rekor_v1_object(replace(ENTRY, body=body)))
    assert (entry.kind, entry.version, entry.body) == ("", "", body)


def test_uuids_and_entries_have_their_form() -> None:
    for uuid in ("", UUID[1:], UUID.upper(), UUID + "\n"):
        with pytest.raises(FormatError) as caught:
            entry_from_rekor_v1(uuid, rekor_v1_object(ENTRY))
        assert caught.value.reason == "log-uuid-invalid"
    with pytest.raises(FormatError):
        entry_from_rekor_v1(UUID, [])


def test_answers_of_a_real_rekor_are_read_and_verify() -> None:
    answer = vectors.http_json("gitsign-sign-v1-offline/rekor1/025-POST_api_v1_log_entries.http")
    ((uuid, value),) = answer.items()
    entry = entry_from_rekor_v1(uuid, value)
    assert rekor_v1_object(entry) == value
    assert leaf_hash_of(entry.body).hex() == uuid[16:]
    verify_set(entry, load_pem((vectors.folder("realstack") / "keys/rekor1.pub").read_bytes()))


# --- protobuf JSON ---------------------------------------------------------------------------------------------------


@given(ENTRIES)
def test_protobuf_json_goes_both_ways(entry: LogEntry) -> None:
    assert entry_from_protojson(json.loads(json.dumps(entry_to_protojson(entry)))) == entry


def test_protobuf_json_is_as_bundles_have_it() -> None:
    value = entry_to_protojson(ENTRY)
    assert (value["logIndex"], value["integratedTime"]) == ("77", str(ENTRY.integrated_time))
    assert set(entry_to_protojson(BARE)) == {"logIndex", "logId", "kindVersion"}


def test_answers_of_a_real_tiled_log_are_read() -> None:
    answer = vectors.http_json("gitsign-sign-v2-offline-tsa/rekor2/013-POST_api_v2_log_entries.http")
    assert (answer["integratedTime"], answer["inclusionPromise"]) == ("0", None)
    entry = entry_from_protojson(answer)
    assert (entry.integrated_time, entry.signed_entry_timestamp, entry.version) == (0, b"", "0.0.2")
    unset = {"integratedTime", "inclusionPromise"}
    assert entry_to_protojson(entry) == {name: item for name, item in answer.items() if name not in unset}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.update(more=1), "json-unknown-field"),
        (lambda value: value.pop("logId"), "log-answer-malformed"),
        (lambda value: value.pop("kindVersion"), "log-answer-malformed"),
        (lambda value: value["kindVersion"].pop("version"), "log-answer-malformed"),
        (lambda value: value["logId"].update(keyId=""), "log-answer-malformed"),
        (lambda value: value.update(logIndex="-1"), "json-int64"),
        (lambda value: value.update(logIndex="1e3"), "json-int64"),
        (lambda value: value["inclusionProof"].update(hashes=["AAAA"] * 65), "json-too-many"),
        (lambda value: value["inclusionProof"]["checkpoint"].update(envelope="x" * 65537), "log-answer-malformed"),
    ],
)
def test_malformed_protobuf_json_is_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    value = entry_to_protojson(ENTRY)
    change(value)
    with pytest.raises(FormatError) as caught:
        entry_from_protojson(value)
    assert caught.value.reason == reason


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(entry_to_protojson(ENTRY))), inner)
    ),
    max_leaves=8,
)


@given(VALUES)
@settings(max_examples=200)
def test_any_json_is_an_entry_or_refused(value: Any) -> None:
    readers: tuple[Callable[[Any], LogEntry], ...] = (entry_from_protojson, partial(entry_from_rekor_v1, UUID))
    for read in readers:
        try:
            assert isinstance(read(value), LogEntry)
        except FormatError:
            continue
