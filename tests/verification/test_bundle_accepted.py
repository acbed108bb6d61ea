"""Bundles that other clients accept are accepted.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from gitsign_py.core.tlog import note
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import VerificationError
from gitsign_py.verification.bundle import (
    artifact_of,
    artifact_of_digest,
    verify_bundle,
)
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from tests.support.bundlecheck import (
    KINDS,
    MATERIAL,
    NOW,
    REALSTACK,
    SECOND,
    WITNESS,
    content_of,
    entry_of,
    flipped,
    line_of,
    refused,
    verify,
    with_checkpoint,
)
from tests.support.bundles import (
    ARTIFACT,
    AT,
    END,
    ISSUER,
    PERSON,
    START,
    BundleMaker,
    as_version,
    b64,
    bundle_object,
    unb64,
)
from tests.support.pki import Authority, usage


def test_happy_path(maker: BundleMaker) -> None:
    verified = verify(maker, maker.message())
    assert (verified.identity, verified.issuer, verified.identity_checked) == (PERSON, ISSUER, True)
    assert [(time.source, time.time) for time in verified.times] == [("log", AT)]
    assert [(entry.kind, entry.version) for entry in verified.entries] == [("hashedrekord", "0.0.1")]
    assert verified.statement is None
    assert {step.number for step in verified.steps} >= {"1.1", "1.2", "2.1", "3.2", "4.3", "5.3", "6.1"}


def test_rekor2_happy_path(maker: BundleMaker) -> None:
    verified = verify(maker, maker.message(tiled=True))
    assert [(time.source, time.time) for time in verified.times] == [("timestamp", AT)]
    assert verified.entries[0].integrated_time is None


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_happy_path_of_older_versions(maker: BundleMaker, version: str) -> None:
    assert verify(maker, as_version(maker.message(), version)).identity == PERSON


@pytest.mark.parametrize("dropped", ["checkpoint", "inclusionProof"])
def test_version_01_rests_on_its_promise(maker: BundleMaker, dropped: str) -> None:
    bundle = as_version(maker.message(), "0.1")
    entry = entry_of(bundle)
    del (entry["inclusionProof"] if dropped == "checkpoint" else entry)[dropped]
    assert verify(maker, bundle).times[0].source == "log"


@pytest.mark.parametrize("kind", KINDS)
def test_an_attestation_of_each_kind_of_entry(maker: BundleMaker, kind: str) -> None:
    verified = verify(maker, maker.attestation(kind))
    assert f"{verified.entries[0].kind} {verified.entries[0].version}" == kind
    assert verified.statement is not None
    assert verified.statement.predicate_type == "https://example.com/predicate"


def test_a_digest_is_enough(maker: BundleMaker) -> None:
    digest = artifact_of_digest("sha256", hashlib.sha256(ARTIFACT).digest())
    for bundle in (maker.message(), maker.message(tiled=True), maker.attestation()):
        assert verify(maker, bundle, artifact=digest).identity == PERSON


def test_both_kinds_of_time_are_kept(maker: BundleMaker) -> None:
    bundle = maker.message()
    stamp = maker.stamp(unb64(bundle["messageSignature"]["signature"]), AT + timedelta(seconds=9))
    bundle[MATERIAL]["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": b64(stamp)}]}
    assert [time.source for time in verify(maker, bundle).times] == ["log", "timestamp"]


def test_entries_in_two_logs_are_all_checked(maker: BundleMaker) -> None:
    who = maker.certified()
    bundle = maker.message(who)
    signature = unb64(bundle["messageSignature"]["signature"])
    second = maker.hashedrekord(who, ARTIFACT, signature, tiled=True)
    made = bundle_object(who, content_of(bundle), second, ())
    bundle[MATERIAL]["tlogEntries"].append(entry_of(made))
    assert len(verify(maker, bundle).entries) == 2
    entry_of(made)["inclusionProof"]["hashes"][0] = flipped(entry_of(made)["inclusionProof"]["hashes"][0])
    with pytest.raises(VerificationError):
        verify(maker, bundle)


@pytest.mark.parametrize("tiled", [False, True])
def test_managed_key_happy_path(maker: BundleMaker, tiled: bool) -> None:
    who = maker.managed()
    verified = verify(maker, maker.message(who, tiled=tiled), key=who.public)
    assert (verified.identity, verified.certificate, verified.key) == (None, None, who.public)


def test_managed_key_needs_no_time(maker: BundleMaker) -> None:
    who = maker.managed()
    bundle = maker.message(who, tiled=True)
    del bundle[MATERIAL]["timestampVerificationData"]
    verified = verify(maker, bundle, key=who.public)
    assert verified.times == ()
    (step,) = (step for step in verified.steps if step.number == "5.2")
    assert step.facts == {"note": "no time is proven, and a managed key needs none"}
    closed = replace(maker.trusted_root, tlogs=(maker.tiled.trusted(end=AT),))
    refused(maker, bundle, "5.2", "log-key-expired", key=who.public, root=closed)


def test_intoto_canonical_log_entry_by_a_managed_key(maker: BundleMaker) -> None:
    who = maker.managed()
    bundle = maker.attestation("intoto 0.0.2", who=who)
    entry = entry_of(bundle)
    del entry["inclusionPromise"], entry["integratedTime"]
    assert verify(maker, bundle, key=who.public).times == ()


def test_a_managed_key_without_a_log_where_the_trust_root_lists_none(maker: BundleMaker) -> None:
    who = maker.managed()
    bundle = maker.message(who)
    del bundle[MATERIAL]["tlogEntries"]
    assert verify(maker, bundle, key=who.public, root=TrustedRoot()).entries == ()
    refused(maker, bundle, "4.1", "log-entry-missing", key=who.public)


def test_windows_end_inclusive(maker: BundleMaker) -> None:
    """trust-root-tlog-validity-end-inclusive, trust-root-tsa-validity-end-inclusive"""
    root = maker.trusted_root
    root = replace(
        root,
        tlogs=(maker.rekor.trusted(end=AT), maker.tiled.trusted(start=AT, end=AT)),
        timestamp_authorities=tuple(replace(tsa, valid_for=Validity(START, AT)) for tsa in root.timestamp_authorities),
    )
    assert verify(maker, maker.message(), root=root).times
    assert verify(maker, maker.message(tiled=True), root=root).times


def test_sct_duplicate_intermediate_name(maker: BundleMaker) -> None:
    """A decoy with the CA's name and another key stands first in the trust root."""
    root = maker.trusted_root
    real = root.certificate_authorities[0]
    decoy = Authority()
    decoy.subject = _name_of(real.chain[0].raw)
    decoy.certificate = Authority.sign(decoy, decoy.key, decoy.subject, START, END, _ca_extensions(decoy))
    fake = replace(real, chain=(decoy.certificate,))
    assert decoy.certificate.subject == real.chain[0].subject
    root = replace(root, certificate_authorities=(fake, *root.certificate_authorities))
    assert verify(maker, maker.message(), root=root).identity == PERSON


def _name_of(der: bytes) -> Any:
    return x509.load_der_x509_certificate(der).subject


def _ca_extensions(decoy: Any) -> Any:
    return [(x509.BasicConstraints(True, 0), True), (usage(key_cert_sign=True), True)]


COSIGNED: dict[str, Callable[[note.NoteSignature, bytes], list[note.NoteSignature]]] = {
    "rekor2-checkpoint-cosigned": lambda own, text: [own, line_of("witness.example.com", WITNESS, text)],
    "rekor2-checkpoint-origin-not-first": lambda own, text: [line_of("witness.example.com", WITNESS, text), own],
    "rekor2-checkpoint-two-sigs-from-origin": lambda own, text: [own, line_of("tiled.example.com", SECOND, text)],
    "rekor2-checkpoint-two-sigs-cosigned": lambda own, text: [
        line_of("tiled.example.com", SECOND, text),
        own,
        line_of("witness.example.com", WITNESS, text),
    ],
}


@pytest.mark.parametrize("case", COSIGNED)
def test_checkpoints_with_more_signatures(maker: BundleMaker, case: str) -> None:
    lines = COSIGNED[case]
    bundle = with_checkpoint(
        maker.message(tiled=True),
        lambda parsed: note.format_note(parsed.text, lines(parsed.signatures[0], parsed.text)),
    )
    assert verify(maker, bundle).identity == PERSON


@pytest.mark.parametrize("name", ["sigstore-python.v2", "cosign.v2"])
def test_bundles_of_other_clients(name: str) -> None:
    root = parse_trusted_root((REALSTACK / "trusted_root.json").read_bytes())
    who = ExpectedIdentity(Expected("alice@example.com"), Expected("http://127.0.0.1:18400"))
    data = (REALSTACK / f"{name}.sigstore.json").read_bytes()
    for artifact in (
        artifact_of((REALSTACK / "blob").read_bytes()),
        artifact_of_digest("sha256", hashlib.sha256((REALSTACK / "blob").read_bytes()).digest()),
    ):
        verified = verify_bundle(data, artifact=artifact, trusted_root=root, now=NOW + timedelta(365), expected=who)
        assert verified.identity == "alice@example.com"
