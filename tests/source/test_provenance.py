"""Provenance and summary: written, read again, and held against the schemas that in-toto publishes."""

import json
from typing import Any

import pytest

from gitsign_py.core.dsse import parse_statement
from gitsign_py.core.frozen import replace
from gitsign_py.errors import FormatError
from gitsign_py.source.provenance import PREDICATE, Previous, provenance_statement, read_provenance
from gitsign_py.source.summary import summary_statement, verifier_id
from tests.support.bundles import AT
from tests.support.protoschema import Schema
from tests.support.schemas import PUBLISHED
from tests.support.sourcestatements import DIGEST, MAIN, SERVER, URI, oid, provenance

FULL = provenance(
    2, level=4, previous=Previous(oid(1), DIGEST), pusher={"login": "alice"}, changes={"verified": 3}, tag="f" * 40
)
SCHEMA = Schema(*(PUBLISHED / "in-toto" / f"{name}.proto" for name in ("statement", "resource_descriptor", "vsa")))
VSA = "in_toto_attestation.predicates.vsa.v1.VerificationSummary"
STATEMENT = "in_toto_attestation.v1.Statement"


@pytest.mark.parametrize("made", [FULL, provenance(), provenance(old=""), replace(FULL, tag="", pusher={})])
def test_what_was_written_is_read(made: Any) -> None:
    assert read_provenance(parse_statement(provenance_statement(made))) == made


def spoiled(**changes: Any) -> bytes:
    value = json.loads(provenance_statement(FULL))
    value["predicate"] = {name: item for name, item in (value["predicate"] | changes).items() if item is not None}
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": None},
        {"repository": ""},
        {"ref": "main"},
        {"oldId": "abc"},
        {"oldId": ""},
        {"newId": oid(9)},
        {"updatedOn": "yesterday"},
        {"policy": {}},
        {"policy": {"uri": "x", "digest": {"sha256": DIGEST.upper()}}},
        {"changes": {"verified": "3"}},
        {"changes": {"verified": True}},
        {"controls": {}},
        {"controls": [{"name": "TAG_HYGIENE"}]},
        {"controls": [{"name": "TAG_HYGIENE", "since": {"revision": "1", "time": "2026-01-01T00:00:00Z"}}]},
        {"controls": [{"name": "X", "since": {"revision": oid(1), "time": "2026-01-01T00:00:00Z"}}, 1]},
        {"pusher": {"login": 1}},
        {"previous": {"revision": oid(1)}},
        {"previous": oid(1)},
    ],
)
def test_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as refused:
        read_provenance(parse_statement(spoiled(**changes)))
    assert refused.value.reason == "source-provenance-malformed"


def test_a_control_twice_is_refused_and_one_that_is_unknown_is_nothing() -> None:
    controls = json.loads(provenance_statement(FULL))["predicate"]["controls"]
    with pytest.raises(FormatError, match="twice"):
        read_provenance(parse_statement(spoiled(controls=[*controls, controls[0]])))
    unknown = {**controls[0], "name": "ANYTHING"}
    assert read_provenance(parse_statement(spoiled(controls=[*controls, unknown]))) == FULL


def test_another_predicate_is_no_provenance() -> None:
    with pytest.raises(FormatError, match="another type"):
        read_provenance(parse_statement(summary_statement(FULL, DIGEST, SERVER, AT)))


def test_the_published_schemas_take_both() -> None:
    proof = json.loads(provenance_statement(FULL))
    summary = json.loads(summary_statement(FULL, DIGEST, SERVER, AT))
    for value in (proof, summary):
        SCHEMA.check(value, STATEMENT)
        assert value["_type"] == "https://in-toto.io/Statement/v1"
    SCHEMA.check(summary["predicate"], VSA)
    assert proof["predicateType"] == PREDICATE
    for place, wrong in (("verifiedLevels", "SLSA_SOURCE_LEVEL_3"), ("timeVerified", "now"), ("verifer", {})):
        with pytest.raises(AssertionError):
            SCHEMA.check({**summary["predicate"], place: wrong}, VSA)


def test_the_summary_has_the_fields_that_slsa_asks_for() -> None:
    """slsa.dev/spec/v1.2, "Source verification summary attestation" and "Fields"."""
    value = json.loads(summary_statement(FULL, DIGEST, SERVER, AT))
    assert value["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert value["subject"] == [
        {
            "uri": f"{URI}@{oid(2)}",
            "digest": {"gitCommit": oid(2), "gitTag": "f" * 40},
            "annotations": {"sourceRefs": [MAIN]},
        }
    ]
    assert value["predicate"] == {
        "verifier": {"id": SERVER},
        "timeVerified": "2026-01-01T12:00:05Z",
        "resourceUri": URI,
        "policy": {"uri": FULL.policy_uri, "digest": {"sha256": DIGEST}},
        "inputAttestations": [{"digest": {"sha256": DIGEST}}],
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_SOURCE_LEVEL_4", "SLSA_SOURCE_TWO_PARTY_REVIEWED"],
        "slsaVersion": "1.2",
    }


def test_each_kind_of_name_has_a_verifier_id() -> None:
    assert verifier_id(SERVER, "uri", "https://issuer.example") == SERVER
    assert verifier_id("a b@example.com", "email", "https://issuer.example") == "mailto:a%20b@example.com"
    assert verifier_id("a/b", "other", "https://issuer.example") == "https://issuer.example#a%2Fb"
