"""Somebody who may write refs/attestations shows source provenance of another ref, repository or revision again, signs
some of their own, raises a level, or leaves statements out.

The attack: a consumer that takes such a statement builds from a revision whose controls never held. Attester, ref,
repository and level come from the consumer alone, and the level is worked out again from controls that were signed.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.audit import sourcestatements as module
from gitsign_py.audit.sourcestatements import MAX_LOOKED_AT, PROVENANCE, SUMMARY
from gitsign_py.core.tlog.vkey import ED25519
from gitsign_py.errors import GitsignError
from gitsign_py.source.continuity import follow
from gitsign_py.source.provenance import provenance_statement
from gitsign_py.source.summary import summary_statement
from gitsign_py.verification.bundle import VerifiedBundle, verify_bundle
from tests.support.bundles import AT, BundleMaker
from tests.support.sourcestatements import DIGEST, MAIN, MALLORY, SERVER, URI, Statements, oid, provenance, wanted
from tests.support.witnesskit import ORIGIN, policy, vkey

OTHER_REF, OTHER_URI = "refs/heads/experimental", "git+https://git.example.com/other"


@pytest.fixture
def made(tmp_path: Path) -> Statements:
    maker = BundleMaker(tmp_path / "sigstore")
    (tmp_path / "repositories").mkdir()
    return Statements(tmp_path / "repositories", maker)


def refusal(made: Statements, number: int = 1, *, uri: str = URI, ref: str = MAIN, **changes: Any) -> str:
    with made.read(uri=uri, ref=ref) as statements, pytest.raises(GitsignError) as refused:
        statements.check(wanted(number, repository=uri, ref=ref, **changes))
    return refused.value.reason


def test_a_statement_that_no_witness_has_seen(made: Statements) -> None:
    """With the log's own key alone, a log that lies to one consumer could show it."""
    made.state(provenance())
    asked = policy(f"log {vkey(ORIGIN, 200, ED25519)}", "quorum a")
    with made.read(witnesses=asked) as statements, pytest.raises(GitsignError) as refused:
        statements.check(wanted())
    assert refused.value.reason == "witness-log-unlisted"


def edited(bundle: str, change: Callable[[dict[str, Any]], None]) -> str:
    """A bundle whose statement was changed after it was signed."""
    value = json.loads(bundle)
    statement = json.loads(b64decode(value["dsseEnvelope"]["payload"]))
    change(statement)
    value["dsseEnvelope"]["payload"] = b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(value)


def test_the_statement_itself_is_good(made: Statements) -> None:
    made.state(provenance())
    with made.read() as statements:
        found = statements.check(wanted())
    assert (found.summary.level, found.bundle.identity, found.link.provenance) == (3, SERVER, provenance())
    assert refusal(made, level=4) == "source-level"


def test_a_statement_shown_again_elsewhere(made: Statements) -> None:
    made.state(provenance())
    for kind in (PROVENANCE, SUMMARY):
        [bundle] = [text for name, text in made.stored.items() if f"/{kind}" in name]
        made.put(kind, bundle, at=oid(2))
        made.put(kind, bundle, ref=OTHER_REF)
        made.put(kind, bundle, uri=OTHER_URI)
    assert refusal(made, 2) == "statement-other-artifact"
    assert refusal(made, ref=OTHER_REF) == "source-ref"
    assert refusal(made, uri=OTHER_URI) == "source-repository"


def test_a_statement_by_somebody_else(made: Statements) -> None:
    made.state(provenance(level=4), by=MALLORY)
    assert refusal(made) == "identity-mismatch"
    made.state(provenance(level=2))
    assert refusal(made) == "source-level", "the server's own is found beside it"
    [mine, *_] = [text for name, text in made.stored.items() if f"/{PROVENANCE}" in name]
    value = json.loads(summary_statement(provenance(), hashlib.sha256(mine.encode()).hexdigest(), SERVER, AT))
    made.put(SUMMARY, made.bundle(json.dumps(value).encode()))
    assert refusal(made) == "source-provenance-missing", "the provenance that it rests on is Mallory's"


def test_a_level_that_was_edited(made: Statements) -> None:
    made.state(provenance(level=2))
    for name, bundle in list(made.stored.items()):
        if f"/{SUMMARY}" in name:

            def raised(statement: dict[str, Any]) -> None:
                statement["predicate"]["verifiedLevels"] = ["SLSA_SOURCE_LEVEL_4"]

            made.stored[name] = edited(bundle, raised)
    assert refusal(made) == "signature-invalid"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verifiedLevels": ["SLSA_SOURCE_LEVEL_4"]}, "source-level"),
        ({"verifiedLevels": ["SLSA_SOURCE_LEVEL_2"]}, "source-level"),
        ({"verifiedLevels": ["SLSA_SOURCE_LEVEL_2", "SLSA_SOURCE_LEVEL_3"]}, "source-level"),
        ({"verifiedLevels": ["SLSA_BUILD_LEVEL_3"]}, "source-level"),
        ({"verifiedLevels": ["SLSA_SOURCE_LEVEL_03"]}, "source-level"),
        ({"verifiedLevels": "SLSA_SOURCE_LEVEL_3"}, "source-level"),
        ({"verifiedLevels": []}, "source-level"),
        ({"verificationResult": "FAILED"}, "source-not-passed"),
        ({"verifier": {"id": MALLORY}}, "source-verifier"),
        ({"verifier": [SERVER]}, "source-verifier"),
        ({"resourceUri": f"{URI}/"}, "source-repository"),
        ({"inputAttestations": []}, "source-provenance-missing"),
        ({"inputAttestations": [{"digest": {"sha256": DIGEST}}]}, "source-provenance-missing"),
        ({"inputAttestations": [{"digest": [DIGEST]}, "x", {"digest": {"sha256": [1]}}]}, "source-provenance-missing"),
    ],
)
def test_a_summary_that_says_something_else(made: Statements, change: dict[str, Any], reason: str) -> None:
    made.state(provenance(), summary=change)
    assert refusal(made) == reason


def _subjects(statement: dict[str, Any]) -> None:
    statement["subject"].append({"digest": {"gitCommit": oid(2)}, "annotations": {"sourceRefs": [MAIN]}})


def _no_annotations(statement: dict[str, Any]) -> None:
    statement["subject"][0]["annotations"] = MAIN


def _prefix(statement: dict[str, Any]) -> None:
    statement["subject"][0]["annotations"] = {"sourceRefs": MAIN}


def _type(statement: dict[str, Any]) -> None:
    statement["predicateType"] += "/"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_subjects, "source-subject"),
        (_no_annotations, "source-ref"),
        (_prefix, "source-ref"),
        (_type, "source-predicate"),
    ],
)
def test_a_summary_of_another_form(made: Statements, change: Callable[[dict[str, Any]], None], reason: str) -> None:
    made.state(provenance())
    [name] = [name for name in made.stored if f"/{SUMMARY}" in name]
    statement = json.loads(b64decode(json.loads(made.stored[name])["dsseEnvelope"]["payload"]))
    change(statement)
    made.stored[name] = made.bundle(json.dumps(statement).encode())
    assert refusal(made) == reason


def test_junk_beside_a_statement_changes_nothing(made: Statements) -> None:
    for number in range(3):
        made.put(SUMMARY, "no bundle" * number, name=f"0{number}")
        made.put(PROVENANCE, "{" * 10_000, name=f"0{number}")
    made.state(provenance())
    with made.read() as statements:
        assert statements.check(wanted()).summary.level == 3
    for number in range(MAX_LOOKED_AT + 1):
        made.put(SUMMARY, "", name=f"00{number:04}")
    assert refusal(made) == "json-invalid", "more than anybody needs is not looked at"


def test_copies_of_a_summary_verify_the_provenance_once(made: Statements, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles may be copied by anybody: many summaries and many provenances are no product of the two."""
    made.state(provenance())
    [(name, bundle)] = [item for item in made.stored.items() if SUMMARY in item[0]]
    made.stored = {name: bundle}
    for number in range(7):
        made.put(SUMMARY, bundle, name=f"1{number}")
    for number in range(8):
        made.put(PROVENANCE, made.bundle(provenance_statement(provenance(time=AT))), name=f"2{number}")
    verified: list[str] = []

    def counted(bundle: bytes, **more: Any) -> VerifiedBundle:
        verified.append(hashlib.sha256(bundle).hexdigest())
        return verify_bundle(bundle, **more)

    monkeypatch.setattr(module, "verify_bundle", counted)
    assert refusal(made) == "source-provenance-missing"
    assert len(verified) == 16


def test_provenance_of_somebody_else_carries_nothing_on(made: Statements) -> None:
    """The server goes on from its own statements alone: Mallory's would have controls hold for years."""
    made.chain(1)
    old = provenance(2, time=AT - timedelta(days=900))
    made.put(PROVENANCE, made.bundle(provenance_statement(old), MALLORY), at=oid(2))
    with made.read() as statements:
        newest = statements.newest()
        assert newest is not None
        assert newest.provenance == provenance(1, old="0" * 40)
        assert statements.links_at(oid(2)) == []


def test_an_old_statement_that_is_stored_again_is_not_the_newest(made: Statements) -> None:
    made.chain(3)
    [first] = [text for name, text in made.stored.items() if name.startswith(f"{oid(1)}/{PROVENANCE}")]
    made.put(PROVENANCE, first, name="again")
    with made.read() as statements:
        newest = statements.newest()
    assert newest is not None
    assert newest.provenance.revision == oid(3)


def lapses(made: Statements, tip: int) -> list[tuple[str, str]]:
    with made.read() as statements:
        return [(one.kind, one.revision) for one in follow(oid(tip), statements.links_at, statements.newest).lapses]


def test_a_statement_that_was_left_out_or_changed_is_a_lapse(made: Statements) -> None:
    made.chain(3)
    assert lapses(made, 3) == []
    whole = dict(made.stored)
    made.stored = {name: text for name, text in whole.items() if not name.startswith(oid(2))}
    assert lapses(made, 3) == [("gone", oid(3))]
    made.stored = {name: text for name, text in whole.items() if not name.startswith(oid(3))}
    assert lapses(made, 3) == [("unattested", oid(3))]
    made.stored = {name: f"{text} " if name.startswith(oid(1)) else text for name, text in whole.items()}
    assert lapses(made, 3) == [("gone", oid(2))], "one byte more is another bundle, though it verifies"
