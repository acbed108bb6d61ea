"""Every case of sigstore-conformance's bundle verification has its like here, with a bundle of our own.

The suite's directories are named for their cases, and ``_fail`` says that a client must refuse. Cases that stand in
another test under the suite's name are not made twice; the last test sees to it that none is left out.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog import note
from gitsign_py.core.trust.root import TrustedRoot, format_trusted_root, parse_trusted_root
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.verification.bundle import artifact_of, verify_bundle
from tests.support import tsafactory
from tests.support.bundlecheck import (
    MATERIAL,
    NOW,
    WITNESS,
    entry_of,
    line_of,
    refused,
    verify,
    with_checkpoint,
)
from tests.support.bundles import (
    ARTIFACT,
    AT,
    END,
    PERSON,
    START,
    BundleMaker,
    as_version,
    b64,
    statement,
    unb64,
)
from tests.support.logs import MemoryLog

HOUR = timedelta(hours=1)
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle"
Made = tuple[dict[str, Any], TrustedRoot]


def stamped(maker: BundleMaker, *stamps: bytes, kind: str = "") -> dict[str, Any]:
    """A message in the tiled log, or an attestation, with these timestamps (none: as it is made)."""
    bundle = maker.attestation(kind) if kind else maker.message(tiled=True)
    return restamped(bundle, *stamps)


def restamped(bundle: dict[str, Any], *stamps: bytes) -> dict[str, Any]:
    values = [{"signedTimestamp": b64(stamp)} for stamp in stamps]
    bundle[MATERIAL]["timestampVerificationData"] = {"rfc3161Timestamps": values}
    return bundle


def signature_of(bundle: dict[str, Any]) -> bytes:
    if "dsseEnvelope" in bundle:
        return unb64(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    return unb64(bundle["messageSignature"]["signature"])


def by_authority(
    maker: BundleMaker, authority: tsafactory.Authority, *, trusted: bool = True, embed: bool = True, at: datetime = AT
) -> Made:
    """A bundle stamped by ``authority``, and a trust root that lists it or does not."""
    bundle, root = maker.message(tiled=True), maker.trusted_root
    token = tsafactory.make_token(authority, signature_of(bundle), time=at, signer={"time": at}, embed=embed)
    chain = tuple(parse_certificate(der) for der in authority.chain_der)
    if trusted:
        listed = replace(root.timestamp_authorities[0], chain=chain)
        root = replace(root, timestamp_authorities=(listed,))
    return restamped(bundle, tsafactory.make_response(token)), root


def expiring(maker: BundleMaker, not_after: datetime, *, ca_days: int = 3650) -> tsafactory.Authority:
    """An authority whose key ends at ``not_after`` and whose CA, of ten years, ends six hours after AT."""
    ca = tsafactory.make_ca(not_before=AT - timedelta(days=ca_days) + 6 * HOUR)
    return tsafactory.make_authority(ca=ca, not_before=START, not_after=not_after)


def plain(make: Callable[[BundleMaker], dict[str, Any]]) -> Callable[[BundleMaker], Made]:
    return lambda maker: (make(maker), maker.trusted_root)


def cosigned(maker: BundleMaker) -> dict[str, Any]:
    """The log's own line, and those of two witnesses that the trust root does not know."""
    others = (("witness.example.com", WITNESS), ("second.example.com", MemoryLog("second.example.com", tiled=True)))
    return with_checkpoint(
        maker.message(tiled=True),
        lambda parsed: note.format_note(
            parsed.text, [parsed.signatures[0], *(line_of(name, key, parsed.text) for name, key in others)]
        ),
    )


def intoto_with_timestamp(maker: BundleMaker, time: datetime = AT) -> dict[str, Any]:
    bundle = maker.attestation("intoto 0.0.2")
    return restamped(bundle, maker.stamp(signature_of(bundle), time))


ACCEPTED: dict[str, Callable[[BundleMaker], Made]] = {
    "happy-path-v0.1": plain(lambda maker: as_version(maker.message(), "0.1")),
    "happy-path-v0.2": plain(lambda maker: as_version(maker.message(), "0.2")),
    "happy-path-v0.3": plain(lambda maker: maker.message() | {"mediaType": f"{MEDIA_TYPE}+json;version=0.3"}),
    "happy-path-v0.3-new-mediaType": plain(lambda maker: maker.message() | {"mediaType": f"{MEDIA_TYPE}.v0.3+json"}),
    "happy-path-intoto-in-dsse-v3": plain(lambda maker: maker.attestation("dsse 0.0.1")),
    "dsse-with-hashedrekord-happy-path": plain(lambda maker: maker.attestation("hashedrekord 0.0.1")),
    "rekor2-dsse-happy-path": plain(lambda maker: maker.attestation("dsse 0.0.2")),
    "intoto-with-custom-trust-root": plain(intoto_with_timestamp),
    "rekor2-checkpoint-multiple-cosigs": plain(cosigned),
    "rekor2-timestamp-with-embedded-cert": lambda maker: by_authority(maker, maker.tsa, embed=True),
    "rekor2-timestamp-without-embedded-cert": lambda maker: by_authority(maker, maker.tsa, embed=False),
    "rekor2-timestamp-with-expired-cert-chain": lambda maker: by_authority(maker, expiring(maker, AT + HOUR)),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(maker: BundleMaker, case: str) -> None:
    bundle, root = ACCEPTED[case](maker)
    assert verify(maker, bundle, root=root).identity == PERSON


def test_the_expired_chain_is_expired_when_it_is_verified(maker: BundleMaker) -> None:
    assert all(parse_certificate(der).not_after < NOW for der in expiring(maker, AT + HOUR).chain_der), (
        "else the case says nothing"
    )


def test_managed_keys(maker: BundleMaker) -> None:
    """managed-key-and-trusted-root, intoto-canonical-log-entry: a log of one leaf, without promise and time"""
    who = maker.managed()
    alone = replace(maker.trusted_root, certificate_authorities=(), ctlogs=(), timestamp_authorities=())
    assert verify(maker, maker.message(who), key=who.public, root=alone).identity is None
    bundle = maker.attestation("intoto 0.0.2", who=who)
    del entry_of(bundle)["inclusionPromise"]
    entry_of(bundle)["integratedTime"] = "0"
    assert "payload" not in json.loads(unb64(entry_of(bundle)["canonicalizedBody"]))["spec"]["content"]["envelope"]
    assert verify(maker, bundle, key=who.public, root=alone).times == ()


def spoiled(make: Callable[[BundleMaker], dict[str, Any]], change: Callable[[dict[str, Any]], object]) -> Any:
    def build(maker: BundleMaker) -> Made:
        bundle = make(maker)
        change(bundle)
        return bundle, maker.trusted_root

    return build


def without_proof(bundle: dict[str, Any]) -> None:
    del entry_of(bundle)["inclusionProof"]


def entry_from(kind: str, **change: Any) -> Callable[[BundleMaker], Made]:
    """An attestation with the log entry of another one by the same signer: over ``change``, or signed anew."""

    def build(maker: BundleMaker) -> Made:
        who = maker.certified()
        bundle = maker.attestation(kind, who=who)
        bundle[MATERIAL] |= {
            "tlogEntries": maker.attestation(kind, who=who, payload=statement(**change))[MATERIAL]["tlogEntries"]
        }
        return bundle, maker.trusted_root

    return build


def signed_by_another(kind: str) -> Callable[[BundleMaker], Made]:
    """The envelope of another signer, in the bundle (certificate and entry) of this one."""

    def build(maker: BundleMaker) -> Made:
        return maker.attestation(kind) | {"dsseEnvelope": maker.attestation(kind)["dsseEnvelope"]}, maker.trusted_root

    return build


def other_message_entry(maker: BundleMaker) -> dict[str, Any]:
    bundle, other = maker.message(), maker.message()
    bundle[MATERIAL]["tlogEntries"] = other[MATERIAL]["tlogEntries"]
    return bundle


def other_proof(maker: BundleMaker) -> dict[str, Any]:
    """The whole, valid proof of another entry, with its checkpoint."""
    bundle, other = maker.message(), maker.message()
    entry_of(bundle)["inclusionProof"] = copy.deepcopy(entry_of(other)["inclusionProof"])
    return bundle


def late_stamp(maker: BundleMaker) -> dict[str, Any]:
    bundle = maker.message(tiled=True)
    return restamped(bundle, maker.stamp(signature_of(bundle), AT + HOUR))


def ended(root: TrustedRoot, name: str) -> TrustedRoot:
    """The root with the windows of one kind of authority closed a second before AT."""
    window = Validity(START, AT - timedelta(seconds=1))
    changes: dict[str, Any] = {name: tuple(replace(one, valid_for=window) for one in getattr(root, name))}
    return replace(root, **changes)


REFUSED: dict[str, tuple[Callable[[BundleMaker], Made], str, str]] = {
    "bundle-empty-certificate-chain": (
        spoiled(
            lambda maker: as_version(maker.message(), "0.2"),
            lambda bundle: bundle[MATERIAL]["x509CertificateChain"].update(certificates=[]),
        ),
        "1.1",
        "bundle-signer",
    ),
    "rekor2-no-inclusion-proof": (
        spoiled(lambda maker: maker.message(tiled=True), without_proof),
        "1.1",
        "bundle-proof-missing",
    ),
    "intoto-missing-inclusion-proof": (
        spoiled(lambda maker: maker.attestation("intoto 0.0.2"), without_proof),
        "1.1",
        "bundle-proof-missing",
    ),
    "invalid-inclusion-proof": (plain(other_proof), "4.3", "inclusion-proof-mismatch"),
    "cve-2022-36056-swapped-tlog-entry": (plain(other_message_entry), "4.2", "log-entry-other-signature"),
    "dsse-statement-missing-type": (
        plain(lambda maker: maker.attestation(payload=statement(_type=None))),
        "3.3",
        "statement-type",
    ),
    "dsse-statement-unknown-type": (
        plain(lambda maker: maker.attestation(payload=statement(_type="https://in-toto.io/Statement/v99"))),
        "3.3",
        "statement-type",
    ),
    "intoto-log-entry-mismatch": (entry_from("intoto 0.0.2", predicate={"x": 1}), "4.2", "log-entry-other-signature"),
    "intoto-expired-certificate": (
        lambda maker: (maker.attestation("intoto 0.0.2"), ended(maker.trusted_root, "certificate_authorities")),
        "5.3",
        "ca-outside-window",
    ),
    "intoto-set-outside-signing-cert-validity": (
        plain(lambda maker: maker.attestation("intoto 0.0.2", who=maker.certified(at=AT - HOUR))),
        "5.3",
        "certificate-expired",
    ),
    "intoto-tsa-timestamp-outside-cert-validity": (
        plain(lambda maker: intoto_with_timestamp(maker, AT + HOUR)),
        "5.3",
        "certificate-expired",
    ),
    "rekor2-timestamp-with-incorrect-time": (plain(late_stamp), "5.3", "certificate-expired"),
    "rekor2-timestamp-outside-trust-root-tsa-validity": (
        lambda maker: (maker.message(tiled=True), ended(maker.trusted_root, "timestamp_authorities")),
        "5.1",
        "timestamp-outside-authority-window",
    ),
    "rekor2-timestamp-outside-tsa-cert-validity": (
        lambda maker: by_authority(maker, expiring(maker, AT - HOUR)),
        "5.1",
        "timestamp-certificate-not-valid-at-time",
    ),
    "rekor2-timestamp-untrusted-tsa-with-embedded-cert": (
        lambda maker: by_authority(maker, tsafactory.make_authority(not_before=START), trusted=False, embed=True),
        "5.1",
        "timestamp-authority-untrusted",
    ),
    "rekor2-timestamp-untrusted-tsa-without-embedded-cert": (
        lambda maker: by_authority(
            maker, tsafactory.make_authority(not_before=START, common_name="another"), trusted=False, embed=False
        ),
        "5.1",
        "timestamp-signer-not-found",
    ),
}
for _prefix, _kind in (("dsse-with-hashedrekord", "hashedrekord 0.0.1"), ("rekor2-dsse", "dsse 0.0.2")):
    REFUSED[f"{_prefix}-invalid-sig"] = (signed_by_another(_kind), "3.2", "signature-invalid")
    REFUSED[f"{_prefix}-mismatch-envelope"] = (entry_from(_kind, predicate={}), "4.2", "log-entry-other-signature")
    REFUSED[f"{_prefix}-mismatch-sig"] = (entry_from(_kind), "4.2", "log-entry-other-signature")


@pytest.mark.parametrize("case", REFUSED)
def test_refused(maker: BundleMaker, case: str) -> None:
    build, step, reason = REFUSED[case]
    bundle, root = build(maker)
    refused(maker, bundle, step, reason, root=root)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}}", b"\xff", b'{"mediaType":1,"mediaType":1}'])
def test_malformed_json(maker: BundleMaker, data: bytes) -> None:
    """bundle-malformed-json"""
    with pytest.raises(VerificationError) as caught:
        verify_bundle(data, artifact=artifact_of(ARTIFACT), trusted_root=maker.trusted_root, now=NOW)
    assert (caught.value.step, caught.value.reason.partition("-")[0]) == ("1.1", "json")


def test_an_authority_without_certificates_lends_its_window_to_nobody(maker: BundleMaker) -> None:
    """rekor2-timestamp-wrong-tsa-validity-borrow as the suite has it: the trust root is refused as a whole."""
    root = json.loads(format_trusted_root(ended(maker.trusted_root, "timestamp_authorities")))
    window = {"start": "2025-06-01T00:00:00Z", "end": f"{END:%Y-%m-%dT%H:%M:%SZ}"}
    chains: tuple[Any, ...] = ({"certificates": []}, {}, None)
    for chain in chains:
        empty = {"subject": {}, "uri": "https://b.example", "certChain": chain, "validFor": window}
        value = {**root, "timestampAuthorities": [*root["timestampAuthorities"], empty]}
        with pytest.raises(FormatError) as caught:
            parse_trusted_root(json.dumps(value).encode())
        assert caught.value.reason == "trusted-root-malformed"


SUITE = """
bundle-empty-certificate-chain_fail bundle-from-wrong-instance_fail bundle-invalid-base64-signature_fail
bundle-malformed-json_fail bundle-negative-log-index_fail bundle-unknown-version_fail bundle-with-root-cert_fail
bundle-with-sct-with-extensions checkpoint-bad-keyhint_fail checkpoint-wrong-roothash_fail
cve-2022-36056-swapped-tlog-entry_fail dsse-invalid-sig_fail dsse-mismatch-envelope_fail dsse-mismatch-sig_fail
dsse-statement-missing-type_fail dsse-statement-unknown-type_fail dsse-with-hashedrekord-happy-path
dsse-with-hashedrekord-invalid-sig_fail dsse-with-hashedrekord-mismatch-envelope_fail
dsse-with-hashedrekord-mismatch-sig_fail happy-path happy-path-intoto-in-dsse-v3 happy-path-v0.1 happy-path-v0.2
happy-path-v0.3 happy-path-v0.3-new-mediaType inclusion-proof-corrupted-hash_fail incorrect-public-key_fail
integrated-time-in-future_fail intoto-canonical-log-entry intoto-expired-certificate_fail
intoto-log-entry-mismatch_fail intoto-missing-inclusion-proof_fail intoto-set-outside-signing-cert-validity_fail
intoto-tsa-timestamp-outside-cert-validity_fail intoto-with-custom-trust-root invalid-checkpoint-signature_fail
invalid-ct-key_fail invalid-inclusion-proof_fail managed-key-and-client-identity_fail managed-key-and-trusted-root
managed-key-happy-path managed-key-no-key_fail managed-key-wrong-key_fail message-digest-mismatch_fail
rekor2-checkpoint-cosigned rekor2-checkpoint-missing-log-signature_fail rekor2-checkpoint-missing-origin_fail
rekor2-checkpoint-missing-root-hash_fail rekor2-checkpoint-missing-size_fail rekor2-checkpoint-multiple-cosigs
rekor2-checkpoint-no-matching-signature_fail rekor2-checkpoint-origin-not-first rekor2-checkpoint-two-sigs-cosigned
rekor2-checkpoint-two-sigs-from-origin rekor2-dsse-happy-path rekor2-dsse-invalid-sig_fail
rekor2-dsse-mismatch-envelope_fail rekor2-dsse-mismatch-sig_fail rekor2-happy-path
rekor2-multiple-timestamps-one-outside-cert-validity_fail rekor2-no-inclusion-proof_fail rekor2-no-timestamp_fail
rekor2-timestamp-outside-trust-root-tsa-validity_fail rekor2-timestamp-outside-tsa-cert-validity_fail
rekor2-timestamp-payload-mismatch_fail rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail
rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail rekor2-timestamp-with-embedded-cert
rekor2-timestamp-with-expired-cert-chain rekor2-timestamp-with-incorrect-time_fail
rekor2-timestamp-without-embedded-cert rekor2-timestamp-wrong-tsa-validity-borrow_fail sct-duplicate-intermediate-name
set-invalid-signature_fail signature-mismatch_fail trust-root-tlog-missing-validity-start_fail
trust-root-tlog-validity-end-inclusive trust-root-tsa-validity-end-inclusive wrong-hashedrekord-artifact_fail
wrong-hashedrekord-cert-and-sig_fail wrong-hashedrekord-entry_fail wrong-material_fail
""".split()  # noqa: SIM905 - eighty names read better in a paragraph
ELSEWHERE = (
    "verification/test_bundle_accepted.py",
    "verification/test_bundle_entries.py",
    "verification/test_bundle_refused.py",
    "verification/test_bundle_spoiled.py",
    "verification/test_bundle_times.py",
    "core/test_sct.py",
)
COMMAND = "cli/test_bundle_commands.py"


@pytest.mark.parametrize("case", SUITE)
def test_every_case_of_the_suite_has_its_like(case: str) -> None:
    """By its name: in a table, in a docstring or as the name of a test; and no case in the wrong table."""
    name, fails = case.removesuffix("_fail"), case.endswith("_fail")
    if name in ACCEPTED or name in REFUSED:
        assert (name in REFUSED) == fails
        return
    tests = Path(__file__).parents[1]
    text = "".join((tests / place).read_text(encoding="utf-8") for place in (*ELSEWHERE, COMMAND))
    text += str(test_malformed_json.__doc__) + str(test_managed_keys.__doc__)
    assert name in text or f"def test_{name.replace('-', '_')}(" in text
