"""DSSE's encoding and in-toto statements; the oracle for the encoding is the sigstore package."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore.dsse import _pae

from gitsign_py.core.dsse import MAX_DIGESTS, MAX_SUBJECTS, Statement, Subject, names_artifact, pae, parse_statement
from gitsign_py.errors import FormatError

STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "a", "digest": {"sha256": hashlib.sha256(b"a").hexdigest()}}],
    "predicateType": "https://example.com/p",
    "predicate": {"k": 1},
}


def test_pae_is_the_one_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.text(st.characters(max_codepoint=126)), st.binary())
def test_pae_is_that_of_sigstore(kind: str, payload: bytes) -> None:
    assert pae(kind, payload) == _pae(kind, payload)


def test_pae_counts_bytes_not_characters() -> None:
    assert pae("\u00e9", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_a_statement_is_read_and_foreign_fields_are_passed_over() -> None:
    statement = parse_statement(json.dumps({**STATEMENT, "later": True}).encode())
    assert statement.type == STATEMENT["_type"]
    assert statement.subjects[0].name == "a"
    assert statement.predicate == {"k": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_type": None}, "statement-type"),
        ({"_type": "https://in-toto.io/Statement/v2"}, "statement-type"),
        ({"_type": ["https://in-toto.io/Statement/v1"]}, "statement-type"),
        ({"subject": None}, "statement-malformed"),
        ({"subject": []}, "statement-malformed"),
        ({"subject": [{"name": "a"}]}, "statement-malformed"),
        ({"subject": [{"name": 1, "digest": {"sha256": "00"}}]}, "statement-malformed"),
        ({"subject": [{"digest": {"sha256": 7}}]}, "statement-malformed"),
        ({"subject": ["a"]}, "statement-malformed"),
        ({"subject": [{"digest": {"a": "b"}}] * (MAX_SUBJECTS + 1)}, "statement-malformed"),
        ({"subject": [{"digest": {"sha256": "00" * 31}}]}, "statement-malformed"),
        ({"subject": [{"digest": {"sha512": "AA" * 64}}]}, "statement-malformed"),
        ({"subject": [{"digest": {str(n): "b" for n in range(MAX_DIGESTS + 1)}}]}, "statement-malformed"),
        ({"predicateType": None}, "statement-malformed"),
        ({"predicate": []}, "statement-malformed"),
    ],
)
def test_other_statements_are_refused(change: dict[str, Any], reason: str) -> None:
    changed = {name: value for name, value in {**STATEMENT, **change}.items() if value is not None}
    with pytest.raises(FormatError) as caught:
        parse_statement(json.dumps(changed).encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b'{"_type": "a", "_type": "b"}', b"[" * 500_000])
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError):
        parse_statement(payload)


def about(*digests: dict[str, str]) -> Statement:
    return Statement("t", tuple(Subject("", each) for each in digests), "p", None)


def test_an_artifact_is_named_by_any_digest_that_none_contradicts() -> None:
    digests = {name: hashlib.new(name, b"a").digest() for name in ("sha256", "sha384", "sha512")}
    right = {name: digest.hex() for name, digest in digests.items()}
    wrong = hashlib.sha512(b"b").hexdigest()
    assert names_artifact(about({"sha512": wrong}, {"sha256": right["sha256"]}), digests)
    assert names_artifact(about({"sha384": right["sha384"], "md5": "00"}), digests)
    assert not names_artifact(about({"sha256": right["sha256"], "sha512": wrong}), digests)
    assert not names_artifact(about({"sha1": right["sha256"]}), digests)
    assert not names_artifact(about({"sha256": right["sha256"].upper()}), digests)
    assert not names_artifact(about(), digests)
