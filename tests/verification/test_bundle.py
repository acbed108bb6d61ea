"""Bundles: what public conformance suites accept is accepted, what they refuse is refused at the step that fails.

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
from cryptography import x509

from gitsign_py.core import note
from gitsign_py.core.bundle import parse_bundle
from gitsign_py.core.certificate import parse_certificate
from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from gitsign_py.core.hashedrekord import hashedrekord_v001_body
from gitsign_py.core.keys import PublicKey
from gitsign_py.core.trust import TrustedRoot, parse_trusted_root
from gitsign_py.core.validity import Validity
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.verification.bundle import (
    Artifact,
    VerifiedBundle,
    artifact_of,
    artifact_of_digest,
    verify_bundle,
)
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from gitsign_py.verification.steps import Report
from tests.support import tsafactory
from tests.support.bundles import (
    ARTIFACT,
    AT,
    END,
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
from tests.support.pki import Authority, usage

REALSTACK = Path(__file__).parents[3] / "shared/vectors/realstack"
WHO = ExpectedIdentity(Expected(PERSON), Expected(ISSUER))
NOW = AT + timedelta(days=1)
KINDS = ["dsse 0.0.1", "intoto 0.0.2", "dsse 0.0.2", "hashedrekord 0.0.2", "hashedrekord 0.0.1"]
MATERIAL = "verificationMaterial"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    return BundleMaker(tmp_path_factory.mktemp("sigstore"))


def verify(
    maker: BundleMaker,
    bundle: dict[str, Any],
    *,
    artifact: Artifact | None = None,
    root: TrustedRoot | None = None,
    key: PublicKey | None = None,
    expected: ExpectedIdentity | None = WHO,
    **how: Any,
) -> VerifiedBundle:
    return verify_bundle(
        json.dumps(bundle).encode(),
        artifact=artifact or artifact_of(ARTIFACT),
        trusted_root=root or maker.trusted_root,
        now=NOW,
        expected=None if key else expected,
        key=key,
        **how,
    )


def refused(maker: BundleMaker, bundle: dict[str, Any], step: str, reason: str, **how: Any) -> None:
    report = Report()
    with pytest.raises(VerificationError) as caught:
        verify(maker, bundle, report=report, **how)
    assert (caught.value.step, caught.value.reason) == (step, reason)
    assert report.steps[-1].number == step
    assert report.steps[-1].outcome == "failed"


def entry_of(bundle: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = bundle[MATERIAL]["tlogEntries"][0]
    return entry


def flipped(text: str) -> str:
    data = bytearray(unb64(text))
    data[-1] ^= 1
    return b64(bytes(data))


# --- what is accepted ------------------------------------------------------------------------------------------------


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


def test_the_digest_in_the_bundle_may_be_absent(maker: BundleMaker) -> None:
    bundle = maker.message()
    del bundle["messageSignature"]["messageDigest"]
    assert verify(maker, bundle).identity == PERSON


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
    made = bundle_object(who, _content(bundle), second, ())
    bundle[MATERIAL]["tlogEntries"].append(entry_of(made))
    assert len(verify(maker, bundle).entries) == 2
    entry_of(made)["inclusionProof"]["hashes"][0] = flipped(entry_of(made)["inclusionProof"]["hashes"][0])
    with pytest.raises(VerificationError):
        verify(maker, bundle)


def _content(bundle: dict[str, Any]) -> Any:
    return parse_bundle(json.dumps(bundle).encode()).content


@pytest.mark.parametrize("tiled", [False, True])
def test_managed_key_happy_path(maker: BundleMaker, tiled: bool) -> None:
    who = maker.managed()
    verified = verify(maker, maker.message(who, tiled=tiled), key=who.public)
    assert (verified.identity, verified.certificate, verified.key) == (None, None, who.public)


def test_managed_key_needs_no_time(maker: BundleMaker) -> None:
    who = maker.managed()
    bundle = maker.message(who, tiled=True)
    del bundle[MATERIAL]["timestampVerificationData"]
    assert verify(maker, bundle, key=who.public).times == ()
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


def _checkpoint(bundle: dict[str, Any], change: Callable[[note.Note], bytes]) -> dict[str, Any]:
    place = entry_of(bundle)["inclusionProof"]["checkpoint"]
    place["envelope"] = change(note.parse_note(place["envelope"].encode())).decode()
    return bundle


def _line(name: str, key: MemoryLog, text: bytes) -> note.NoteSignature:
    return note.NoteSignature(name, note.key_hint(name, key.public), key.sign(text))


WITNESS, SECOND = MemoryLog("witness.example.com", tiled=True), MemoryLog("tiled.example.com", tiled=True)
COSIGNED: dict[str, Callable[[note.NoteSignature, bytes], list[note.NoteSignature]]] = {
    "rekor2-checkpoint-cosigned": lambda own, text: [own, _line("witness.example.com", WITNESS, text)],
    "rekor2-checkpoint-origin-not-first": lambda own, text: [_line("witness.example.com", WITNESS, text), own],
    "rekor2-checkpoint-two-sigs-from-origin": lambda own, text: [own, _line("tiled.example.com", SECOND, text)],
    "rekor2-checkpoint-two-sigs-cosigned": lambda own, text: [
        _line("tiled.example.com", SECOND, text),
        own,
        _line("witness.example.com", WITNESS, text),
    ],
}


@pytest.mark.parametrize("case", COSIGNED)
def test_checkpoints_with_more_signatures(maker: BundleMaker, case: str) -> None:
    lines = COSIGNED[case]
    bundle = _checkpoint(
        maker.message(tiled=True),
        lambda parsed: note.format_note(parsed.text, lines(parsed.signatures[0], parsed.text)),
    )
    assert verify(maker, bundle).identity == PERSON


# --- what is refused -------------------------------------------------------------------------------------------------


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
    "entry-kind-unknown": (spoil(*ENTRY, "kindVersion", "kind", value="rekord"), "4.2", "log-entry-kind-unknown"),
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
        lambda parsed: note.format_note(parsed.text, [_line("witness.example.com", WITNESS, parsed.text)]),
        "checkpoint-signature-missing",
    ),
    "rekor2-checkpoint-no-matching-signature": (
        lambda parsed: note.format_note(parsed.text, [_line("tiled.example.com", SECOND, parsed.text)]),
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
    refused(maker, _checkpoint(maker.message(tiled=True), change), "4.3", reason)


def test_checkpoint_of_another_log_under_its_key_hint(maker: BundleMaker) -> None:
    """checkpoint-bad-keyhint: signed by another key, under the right key's hint."""
    other = MemoryLog()

    def change(parsed: note.Note) -> bytes:
        own = parsed.signatures[0]
        return note.format_note(parsed.text, [replace(own, signature=other.sign(parsed.text))])

    refused(maker, _checkpoint(maker.message(), change), "4.3", "checkpoint-signature-invalid")


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
    made = bundle_object(who, _content(bundle), maker.entry(bodies[case], "hashedrekord", "0.0.1"))
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
    made = bundle_object(who, _content(bundle), maker.entry(body, "hashedrekord", "0.0.1"))
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
    made = bundle_object(who, _content(bundle), maker.entry(body, "hashedrekord", "0.0.1", time=late))
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


@pytest.mark.parametrize("name", ["sigstore-python.v2", "cosign.v2"])
def test_bundles_of_other_clients(name: str) -> None:
    if not REALSTACK.is_dir():
        pytest.skip("../shared/vectors is not here")
    root = parse_trusted_root((REALSTACK / "trusted_root.json").read_bytes())
    who = ExpectedIdentity(Expected("alice@example.com"), Expected("http://127.0.0.1:18400"))
    data = (REALSTACK / f"{name}.sigstore.json").read_bytes()
    for artifact in (
        artifact_of((REALSTACK / "blob").read_bytes()),
        artifact_of_digest("sha256", hashlib.sha256((REALSTACK / "blob").read_bytes()).digest()),
    ):
        verified = verify_bundle(data, artifact=artifact, trusted_root=root, now=NOW + timedelta(365), expected=who)
        assert verified.identity == "alice@example.com"
