"""Bundles that other clients refuse are refused, at the step that fails and with its reason.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core import note
from gitsign_py.core.certificate import parse_certificate
from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from gitsign_py.core.hashedrekord import hashedrekord_v001_body
from gitsign_py.core.rekorbodies import dsse_v001_body, intoto_v002_body
from gitsign_py.core.trust import parse_trusted_root
from gitsign_py.core.validity import Validity
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.verification.bundle import (
    artifact_of,
    artifact_of_digest,
)
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from tests.support import bundles, tsafactory
from tests.support.bundlecheck import (
    KINDS,
    MATERIAL,
    NOW,
    SECOND,
    WHO,
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
    ISSUER,
    PERSON,
    START,
    BundleMaker,
    Identity,
    as_version,
    b64,
    bundle_object,
    statement,
    unb64,
)
from tests.support.logs import MemoryLog


def spoil(
    *path: Any, value: Any = None, change: Callable[[Any], Any] | None = None
) -> Callable[[dict[str, Any]], None]:
    """Set or change one field of a bundle; None removes it."""

    def apply(bundle: dict[str, Any]) -> None:
        place: Any = bundle
        for step in path[:-1]:
            place = place[step]
        if change is not None:
            place[path[-1]] = change(place[path[-1]])
        elif value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return apply


ENTRY = (MATERIAL, "tlogEntries", 0)
PROOF = (*ENTRY, "inclusionProof")
SPOILED: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "bundle-unknown-version": (
        spoil("mediaType", value="application/vnd.dev.sigstore.bundle+json;version=99.9"),
        "1.1",
        "bundle-version",
    ),
    "bundle-negative-log-index": (spoil(*ENTRY, "logIndex", value="-1"), "1.1", "json-int64"),
    "bundle-invalid-base64-signature": (spoil("messageSignature", "signature", value="*"), "1.1", "json-base64"),
    "no-inclusion-proof": (spoil(*PROOF), "1.1", "bundle-proof-missing"),
    "signature-mismatch": (spoil("messageSignature", "signature", change=flipped), "3.2", "signature-invalid"),
    "message-digest-mismatch": (
        spoil("messageSignature", "messageDigest", "digest", change=flipped),
        "3.3",
        "artifact-digest-mismatch",
    ),
    "log-entry-missing": (spoil(MATERIAL, "tlogEntries"), "4.1", "log-entry-missing"),
    "entry-kind-unknown": (spoil(*ENTRY, "kindVersion", "kind", value="rekord"), "4.2", "entry-kind-unsupported"),
    "entry-of-an-envelope": (
        spoil(*ENTRY, "kindVersion", value={"kind": "dsse", "version": "0.0.1"}),
        "4.2",
        "log-entry-mismatch",
    ),
    "entry-version-unlike-body": (spoil(*ENTRY, "kindVersion", "version", value="0.0.2"), "4.2", "log-body-kind"),
    "set-invalid-signature": (
        spoil(*ENTRY, "inclusionPromise", "signedEntryTimestamp", change=flipped),
        "4.3",
        "set-invalid",
    ),
    "set-over-another-time": (
        spoil(*ENTRY, "integratedTime", change=lambda text: str(int(text) + 1)),
        "4.3",
        "set-invalid",
    ),
    "set-over-another-index": (spoil(*ENTRY, "logIndex", value="7"), "4.3", "set-invalid"),
    "unknown-log": (spoil(*ENTRY, "logId", "keyId", change=flipped), "4.3", "log-unknown"),
    "inclusion-proof-corrupted-hash": (spoil(*PROOF, "hashes", 0, change=flipped), "4.3", "inclusion-proof-mismatch"),
    "inclusion-proof-too-long": (
        spoil(*PROOF, "hashes", change=lambda hashes: [*hashes, hashes[0]]),
        "4.3",
        "inclusion-proof-too-long",
    ),
    "inclusion-proof-too-short": (
        spoil(*PROOF, "hashes", change=lambda hashes: hashes[:-1]),
        "4.3",
        "inclusion-proof-too-short",
    ),
    "inclusion-index-not-below-size": (
        spoil(*PROOF, "logIndex", value="99999"),
        "4.3",
        "inclusion-index-not-below-size",
    ),
    "checkpoint-wrong-roothash": (spoil(*PROOF, "rootHash", change=flipped), "4.3", "checkpoint-root-mismatch"),
    "checkpoint-wrong-size": (spoil(*PROOF, "treeSize", value="1"), "4.3", "checkpoint-size-mismatch"),
    "no-time": (spoil(*ENTRY, "inclusionPromise"), "5.2", "time-unproven"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_one_thing_spoiled(maker: BundleMaker, case: str) -> None:
    change, step, reason = SPOILED[case]
    bundle = maker.message()
    change(bundle)
    refused(maker, bundle, step, reason)


def _no_line(name: bytes) -> Callable[[note.Note], bytes]:
    """The checkpoint without one line of its text, signed as before."""

    def change(parsed: note.Note) -> bytes:
        lines = parsed.text.split(b"\n")
        del lines[{b"origin": 0, b"size": 1, b"root": 2}[name]]
        return note.format_note(b"\n".join(lines), parsed.signatures)

    return change


CHECKPOINTS: dict[str, tuple[Callable[[note.Note], bytes], str]] = {
    "rekor2-checkpoint-missing-log-signature": (
        lambda parsed: note.format_note(parsed.text, [line_of("witness.example.com", WITNESS, parsed.text)]),
        "checkpoint-signature-missing",
    ),
    "rekor2-checkpoint-no-matching-signature": (
        lambda parsed: note.format_note(parsed.text, [line_of("tiled.example.com", SECOND, parsed.text)]),
        "checkpoint-signature-missing",
    ),
    "checkpoint-other-name": (
        lambda parsed: note.format_note(parsed.text, [replace(parsed.signatures[0], name="x.example.com")]),
        "checkpoint-origin-mismatch",
    ),
    "invalid-checkpoint-signature": (
        lambda parsed: note.format_note(
            parsed.text, [replace(parsed.signatures[0], signature=bytes(len(parsed.signatures[0].signature)))]
        ),
        "checkpoint-signature-invalid",
    ),
    "checkpoint-missing-sig-newline": (
        lambda parsed: note.format_note(parsed.text, parsed.signatures)[:-1],
        "note-malformed",
    ),
    "checkpoint-extra-newline": (
        lambda parsed: note.format_note(parsed.text, parsed.signatures) + b"\n",
        "note-malformed",
    ),
    "rekor2-checkpoint-missing-origin": (_no_line(b"origin"), "checkpoint-origin-mismatch"),
    "rekor2-checkpoint-missing-size": (_no_line(b"size"), "checkpoint-signature-invalid"),
    "rekor2-checkpoint-missing-root-hash": (_no_line(b"root"), "checkpoint-signature-invalid"),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoint_spoiled(maker: BundleMaker, case: str) -> None:
    change, reason = CHECKPOINTS[case]
    refused(maker, with_checkpoint(maker.message(tiled=True), change), "4.3", reason)


def test_checkpoint_of_another_log_under_its_key_hint(maker: BundleMaker) -> None:
    """checkpoint-bad-keyhint: signed by another key, under the right key's hint."""
    other = MemoryLog()

    def change(parsed: note.Note) -> bytes:
        own = parsed.signatures[0]
        return note.format_note(parsed.text, [replace(own, signature=other.sign(parsed.text))])

    refused(maker, with_checkpoint(maker.message(), change), "4.3", "checkpoint-signature-invalid")


def test_wrong_material(maker: BundleMaker) -> None:
    for bundle, step, reason in (
        (maker.message(), "3.2", "signature-invalid"),
        (maker.attestation(), "3.3", "statement-other-artifact"),
    ):
        refused(maker, bundle, step, reason, artifact=artifact_of(b"another"))
        other = artifact_of_digest("sha256", hashlib.sha256(b"another").digest())
        refused(maker, bundle, step, reason, artifact=other)


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


@pytest.mark.parametrize(("offset", "reason"), [(-60, "certificate-not-yet-valid"), (3600, "certificate-expired")])
def test_integrated_time_outside_the_certificate(maker: BundleMaker, offset: int, reason: str) -> None:
    who = maker.certified(at=AT - timedelta(seconds=offset))
    refused(maker, maker.message(who), "5.3", reason)


def test_integrated_time_in_future(maker: BundleMaker) -> None:
    late = NOW + timedelta(hours=1)
    who = maker.certified(at=late - timedelta(seconds=5))
    bundle = maker.message(who)
    body = unb64(entry_of(bundle)["canonicalizedBody"])
    made = bundle_object(who, content_of(bundle), maker.entry(body, "hashedrekord", "0.0.1", time=late))
    refused(maker, made, "4.3", "log-time-in-future")


def _stamped(maker: BundleMaker, *stamps: bytes) -> dict[str, Any]:
    bundle = maker.message(tiled=True)
    bundle[MATERIAL]["timestampVerificationData"]["rfc3161Timestamps"] = [
        {"signedTimestamp": b64(one)} for one in stamps
    ]
    return bundle


def test_rekor2_no_timestamp(maker: BundleMaker) -> None:
    refused(maker, _stamped(maker), "5.2", "time-unproven")


def test_rekor2_timestamp_payload_mismatch(maker: BundleMaker) -> None:
    refused(maker, _stamped(maker, maker.stamp(b"another signature")), "5.1", "timestamp-imprint-mismatch")


def test_rekor2_timestamp_by_an_authority_that_nobody_trusts(maker: BundleMaker) -> None:
    for embed in (True, False):
        bundle = maker.message(tiled=True)
        signature = unb64(bundle["messageSignature"]["signature"])
        token = tsafactory.make_token(tsafactory.make_authority(), signature, time=AT, embed=embed)
        stamp = {"signedTimestamp": b64(tsafactory.make_response(token))}
        bundle[MATERIAL]["timestampVerificationData"]["rfc3161Timestamps"] = [stamp]
        with pytest.raises(VerificationError) as caught:
            verify(maker, bundle)
        assert caught.value.step == "5.1"


def test_rekor2_multiple_timestamps_one_outside_cert_validity(maker: BundleMaker) -> None:
    bundle = maker.message(tiled=True)
    signature = unb64(bundle["messageSignature"]["signature"])
    late = maker.stamp(signature, AT + timedelta(hours=1))
    bundle[MATERIAL]["timestampVerificationData"]["rfc3161Timestamps"].append({"signedTimestamp": b64(late)})
    refused(maker, bundle, "5.3", "certificate-expired")


def test_rekor2_timestamp_wrong_tsa_validity_borrow(maker: BundleMaker) -> None:
    """The authority's own window ended; another authority's window does not help."""
    root = maker.trusted_root
    ended = replace(root.timestamp_authorities[0], valid_for=Validity(START, AT - timedelta(seconds=1)))
    other = tsafactory.make_authority()
    open_one = replace(ended, chain=tuple(parse_certificate(der) for der in other.chain_der), valid_for=Validity(START))
    for authorities in ((ended,), (ended, open_one), (open_one, ended)):
        wrong = replace(root, timestamp_authorities=authorities)
        refused(maker, maker.message(tiled=True), "5.1", "timestamp-outside-authority-window", root=wrong)


def test_timestamps_without_an_authority_in_the_trust_root(maker: BundleMaker) -> None:
    root = replace(maker.trusted_root, timestamp_authorities=())
    refused(maker, maker.message(tiled=True), "5.1", "timestamp-authority-untrusted", root=root)


def test_a_log_key_outside_its_window(maker: BundleMaker) -> None:
    root = maker.trusted_root
    ended = replace(
        root, tlogs=(maker.rekor.trusted(end=AT - timedelta(seconds=1)), maker.tiled.trusted(start=AT + timedelta(1)))
    )
    refused(maker, maker.message(), "4.3", "log-key-expired", root=ended)
    refused(maker, maker.message(tiled=True), "5.2", "log-key-expired", root=ended)


def test_a_ca_outside_its_window(maker: BundleMaker) -> None:
    root = maker.trusted_root
    ended = tuple(replace(ca, valid_for=Validity(START, AT - timedelta(1))) for ca in root.certificate_authorities)
    refused(maker, maker.message(), "5.3", "ca-outside-window", root=replace(root, certificate_authorities=ended))


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


@pytest.mark.parametrize("kind", ["hashedrekord 0.0.2", "dsse 0.0.2", ""])
def test_a_log_entry_that_states_another_kind_of_key(
    maker: BundleMaker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(bundles, "DETAILS", "PKIX_ED25519")
    made = maker.attestation(kind) if kind else maker.message(tiled=True)
    refused(maker, made, "4.2", "log-entry-mismatch")


def test_version_01_with_a_proof_that_contradicts_itself(maker: BundleMaker) -> None:
    bundle = as_version(maker.message(), "0.1")
    del entry_of(bundle)["inclusionProof"]["checkpoint"]
    entry_of(bundle)["inclusionProof"]["rootHash"] = flipped(entry_of(bundle)["inclusionProof"]["rootHash"])
    refused(maker, bundle, "4.3", "inclusion-proof-mismatch")


def test_trust_root_tlog_missing_validity_start() -> None:
    value = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            {
                "baseUrl": "https://log.example.com",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(MemoryLog().public.spki),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"end": "2027-01-01T00:00:00Z"},
                },
                "logId": {"keyId": b64(bytes(32))},
            }
        ],
    }
    for window in ({"end": "2027-01-01T00:00:00Z"}, {}, None):
        value["tlogs"][0]["publicKey"]["validFor"] = window  # type: ignore[index]
        with pytest.raises(FormatError) as caught:
            parse_trusted_root(json.dumps(value).encode())
        assert caught.value.reason == "time-range-missing"


def test_digests_have_their_length() -> None:
    with pytest.raises(FormatError):
        artifact_of_digest("sha256", b"short")
    with pytest.raises(FormatError):
        artifact_of_digest("md5", bytes(16))


def test_a_digest_of_another_hash_is_not_enough(maker: BundleMaker) -> None:
    other = artifact_of_digest("sha512", hashlib.sha512(ARTIFACT).digest())
    refused(maker, maker.message(), "3.1", "artifact-digest-unknown", artifact=other)


def test_every_bit_of_the_entry_and_signature_counts(maker: BundleMaker) -> None:
    """Each base64 field with its first bit turned."""
    bundle = maker.message()
    paths = list(_texts(bundle, ()))
    assert len(paths) == 7
    for path in paths:
        broken = copy.deepcopy(bundle)
        spoil(*path, change=lambda text: b64(bytes([unb64(text)[0] ^ 0x80]) + unb64(text)[1:]))(broken)
        with pytest.raises(VerificationError):
            verify(maker, broken)


BYTES = {
    "rawBytes",
    "keyId",
    "rootHash",
    "signature",
    "digest",
    "canonicalizedBody",
    "signedEntryTimestamp",
}


def _texts(value: Any, path: tuple[Any, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if isinstance(item, str) and name in (
            "rawBytes",
            "keyId",
            "rootHash",
            "signature",
            "digest",
            "canonicalizedBody",
            "signedEntryTimestamp",
        ):
            yield (*path, name)
        yield from _texts(item, (*path, name))


def test_another_workflow(maker: BundleMaker) -> None:
    expected = replace(WHO, claims={"ref": "refs/heads/main"})
    refused(maker, maker.message(), "6.2", "claim-missing", expected=expected)


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
