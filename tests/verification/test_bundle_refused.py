"""Bundles about another artifact, by another signer or from another instance than was asked for are refused.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body
from gitsign_py.errors import FormatError
from gitsign_py.verification.bundle import artifact_of, artifact_of_digest
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from gitsign_py.verification.steps import Requirements
from tests.support.bundlecheck import MATERIAL, WHO, content_of, refused, verify
from tests.support.bundles import (
    ARTIFACT,
    ISSUER,
    PERSON,
    BundleMaker,
    as_version,
    b64,
    bundle_object,
    statement,
    unb64,
)


def test_wrong_material(maker: BundleMaker) -> None:
    for bundle, step, reason in (
        (maker.message(), "3.2", "signature-invalid"),
        (maker.attestation(), "3.3", "statement-other-artifact"),
    ):
        refused(maker, bundle, step, reason, artifact=artifact_of(b"another"))
        other = artifact_of_digest("sha256", hashlib.sha256(b"another").digest())
        refused(maker, bundle, step, reason, artifact=other)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (statement(_type=None), "statement-type"),
        (statement(_type="https://in-toto.io/Statement/v2"), "statement-type"),
        (statement(subject=[]), "statement-malformed"),
        (statement(b"another"), "statement-other-artifact"),
        (b"no JSON", "json-invalid"),
    ],
)
def test_dsse_statements_that_are_refused(maker: BundleMaker, payload: bytes, reason: str) -> None:
    refused(maker, maker.attestation(payload=payload), "3.3", reason)


def test_dsse_payload_type(maker: BundleMaker) -> None:
    bundle = maker.attestation()
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"
    refused(maker, bundle, "3.1", "dsse-payload-type")


def test_managed_keys_that_are_refused(maker: BundleMaker) -> None:
    """managed-key-wrong-key, managed-key-no-key, and a certificate where a key is asked for"""
    who, other = maker.managed(), maker.managed()
    refused(maker, maker.message(who), "3.2", "signature-invalid", key=other.public)
    refused(maker, maker.message(who), "1.2", "bundle-signer-mismatch")
    refused(maker, maker.message(), "1.2", "bundle-signer-mismatch", key=other.public)
    bundle = maker.message(who)
    body = hashedrekord_v001_body(
        hashlib.sha256(ARTIFACT).digest(), unb64(bundle["messageSignature"]["signature"]), other.pem
    )
    made = bundle_object(who, content_of(bundle), maker.entry(body, "hashedrekord", "0.0.1"))
    refused(maker, made, "4.2", "log-entry-other-certificate", key=who.public)


def test_a_timestamp_that_is_required_and_is_not_there(maker: BundleMaker) -> None:
    required = Requirements(timestamp=True)
    assert verify(maker, maker.message(tiled=True), requirements=required).times
    assert verify(maker, maker.message()).times
    refused(maker, maker.message(), "5.2", "timestamp-required", requirements=required)


def test_bundle_with_root_cert(maker: BundleMaker) -> None:
    bundle = as_version(maker.message(), "0.2")
    chain = maker.trusted_root.certificate_authorities[0].chain
    certificates = bundle[MATERIAL]["x509CertificateChain"]["certificates"]
    for certificate in chain[:-1]:
        certificates.append({"rawBytes": b64(certificate.raw)})
    assert verify(maker, bundle).identity == PERSON
    certificates.append({"rawBytes": b64(chain[-1].raw)})
    refused(maker, bundle, "1.2", "bundle-root-certificate")


def test_bundle_from_wrong_instance(maker: BundleMaker, tmp_path: Path) -> None:
    refused(maker, BundleMaker(tmp_path).message(), "2.1", "certificate-untrusted")


def test_invalid_ct_key(maker: BundleMaker, tmp_path: Path) -> None:
    """The CT log's id with another key: keys come from the trust root, and this one did not sign."""
    root, other = maker.trusted_root, BundleMaker(tmp_path).trusted_root
    wrong = replace(root.ctlogs[0], public_key=other.ctlogs[0].public_key)
    refused(maker, maker.message(), "2.3", "sct-signature-invalid", root=replace(root, ctlogs=(wrong,)))
    refused(maker, maker.message(), "2.3", "sct-log-unknown", root=replace(root, ctlogs=other.ctlogs))


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (ExpectedIdentity(Expected("alice@example.co"), Expected(ISSUER)), "identity-mismatch"),
        (ExpectedIdentity(Expected("Alice@example.com"), Expected(ISSUER)), "identity-mismatch"),
        (ExpectedIdentity(Expected("lice@example[.]co", is_pattern=True), Expected(ISSUER)), "identity-mismatch"),
        (ExpectedIdentity(Expected(PERSON), Expected(ISSUER + "/")), "issuer-mismatch"),
    ],
)
def test_another_identity(maker: BundleMaker, expected: ExpectedIdentity, reason: str) -> None:
    refused(maker, maker.message(), "6.1", reason, expected=expected)


def test_digests_have_their_length() -> None:
    with pytest.raises(FormatError):
        artifact_of_digest("sha256", b"short")
    with pytest.raises(FormatError):
        artifact_of_digest("md5", bytes(16))


def test_a_digest_of_another_hash_is_not_enough(maker: BundleMaker) -> None:
    other = artifact_of_digest("sha512", hashlib.sha512(ARTIFACT).digest())
    refused(maker, maker.message(), "3.1", "artifact-digest-unknown", artifact=other)


def test_another_workflow(maker: BundleMaker) -> None:
    expected = replace(WHO, claims={"ref": "refs/heads/main"})
    refused(maker, maker.message(), "6.2", "claim-missing", expected=expected)
