"""Bundles whose log entry is of another signature are refused, though the log holds that entry.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import copy
import hashlib
from typing import Any

import pytest

from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body
from gitsign_py.core.tlog.rekorbodies import dsse_v001_body, intoto_v002_body
from tests.support import bundles
from tests.support.bundlecheck import KINDS, MATERIAL, content_of, flipped, refused
from tests.support.bundles import ARTIFACT, BundleMaker, Identity, bundle_object, statement, unb64


def test_cve_2022_36056_swapped_log_entry(maker: BundleMaker) -> None:
    """The entry of another, valid bundle over the same artifact."""
    bundle, other = maker.message(), maker.message()
    bundle[MATERIAL]["tlogEntries"] = other[MATERIAL]["tlogEntries"]
    refused(maker, bundle, "4.2", "log-entry-other-signature")


def wrong_entry(maker: BundleMaker, case: str) -> tuple[dict[str, Any], str]:
    who, other = maker.certified(), maker.certified()
    bundle = maker.message(who)
    signature = unb64(bundle["messageSignature"]["signature"])
    digest = hashlib.sha256(ARTIFACT).digest()
    bodies = {
        "wrong-hashedrekord-artifact": hashedrekord_v001_body(hashlib.sha256(b"x").digest(), signature, who.pem),
        "wrong-hashedrekord-cert-and-sig": hashedrekord_v001_body(digest, other.sign(ARTIFACT), other.pem),
        "wrong-hashedrekord-entry": hashedrekord_v001_body(hashlib.sha256(b"x").digest(), other.sign(b"x"), other.pem),
        "incorrect-public-key": hashedrekord_v001_body(digest, signature, other.pem),
        "key-instead-of-certificate": hashedrekord_v001_body(digest, signature, Identity(who.private, None).pem),
    }
    made = bundle_object(who, content_of(bundle), maker.entry(bodies[case], "hashedrekord", "0.0.1"))
    reasons = {
        "wrong-hashedrekord-artifact": "log-entry-other-hash",
        "incorrect-public-key": "log-entry-other-certificate",
        "key-instead-of-certificate": "log-entry-other-certificate",
    }
    return made, reasons.get(case, "log-entry-other-signature")


@pytest.mark.parametrize(
    "case",
    [
        "wrong-hashedrekord-artifact",
        "wrong-hashedrekord-cert-and-sig",
        "wrong-hashedrekord-entry",
        "incorrect-public-key",
        "key-instead-of-certificate",
    ],
)
def test_an_entry_that_the_log_holds_and_that_is_not_of_this_signature(maker: BundleMaker, case: str) -> None:
    bundle, reason = wrong_entry(maker, case)
    refused(maker, bundle, "4.2", reason)


@pytest.mark.parametrize("kind", KINDS)
def test_dsse_mismatch(maker: BundleMaker, kind: str) -> None:
    """dsse-invalid-sig, dsse-mismatch-envelope, dsse-mismatch-sig"""
    who = maker.certified()
    bundle = maker.attestation(kind, who=who)
    broken = copy.deepcopy(bundle)
    broken["dsseEnvelope"]["signatures"][0]["sig"] = flipped(broken["dsseEnvelope"]["signatures"][0]["sig"])
    refused(maker, broken, "3.2", "signature-invalid")
    another = maker.attestation(kind, who=who, payload=statement(predicateType="https://example.com/other"))
    swapped = copy.deepcopy(bundle)
    swapped[MATERIAL]["tlogEntries"] = another[MATERIAL]["tlogEntries"]
    refused(maker, swapped, "4.2", "log-entry-other-signature")
    again = maker.attestation(kind, who=who)
    swapped[MATERIAL]["tlogEntries"] = again[MATERIAL]["tlogEntries"]
    refused(maker, swapped, "4.2", "log-entry-other-signature")


@pytest.mark.parametrize("kind", ["dsse 0.0.1", "intoto 0.0.2", "dsse 0.0.2", "hashedrekord 0.0.2"])
def test_the_payload_of_the_entry_must_be_the_envelope_s(maker: BundleMaker, kind: str) -> None:
    """The right signature and certificate, over another payload."""
    who = maker.certified()
    signature = who.sign(pae(IN_TOTO_PAYLOAD_TYPE, statement()))
    bundle = maker.attestation(kind, who=who)
    signed = EnvelopeSignature(signature)
    other = Envelope(statement(predicate={"x": 1}), IN_TOTO_PAYLOAD_TYPE, (signed,))
    right = Envelope(statement(), IN_TOTO_PAYLOAD_TYPE, (signed,))
    made = bundle_object(who, right, maker._envelope_entry(kind, who, other))
    bundle["dsseEnvelope"], bundle[MATERIAL]["tlogEntries"] = made["dsseEnvelope"], made[MATERIAL]["tlogEntries"]
    refused(maker, bundle, "4.2", "log-entry-other-hash")


@pytest.mark.parametrize("kind", ["hashedrekord 0.0.2", "dsse 0.0.2", ""])
def test_a_log_entry_that_states_another_kind_of_key(
    maker: BundleMaker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(bundles, "DETAILS", "PKIX_ED25519")
    made = maker.attestation(kind) if kind else maker.message(tiled=True)
    refused(maker, made, "4.2", "log-entry-mismatch")


def test_an_entry_with_a_second_signature(maker: BundleMaker) -> None:
    """The right signature beside another: whose entry is it?"""
    who, other = maker.certified(), maker.certified()
    bundle = maker.attestation(who=who)
    encoded = pae(IN_TOTO_PAYLOAD_TYPE, statement())
    right = EnvelopeSignature(unb64(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    both = Envelope(statement(), IN_TOTO_PAYLOAD_TYPE, (right, EnvelopeSignature(other.sign(encoded))))
    entry = maker.entry(dsse_v001_body(both, [who.pem, other.pem]), "dsse", "0.0.1")
    made = bundle_object(who, Envelope(statement(), IN_TOTO_PAYLOAD_TYPE, (right,)), entry)
    refused(maker, made, "4.2", "log-entry-mismatch")


def test_an_entry_over_an_envelope_of_another_type(maker: BundleMaker) -> None:
    who = maker.certified()
    bundle = maker.attestation("intoto 0.0.2", who=who)
    signed = EnvelopeSignature(unb64(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    entry = maker.entry(intoto_v002_body(Envelope(statement(), "text/plain", (signed,)), [who.pem]), "intoto", "0.0.2")
    made = bundle_object(who, Envelope(statement(), IN_TOTO_PAYLOAD_TYPE, (signed,)), entry)
    refused(maker, made, "4.2", "log-entry-mismatch")
