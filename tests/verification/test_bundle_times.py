"""Bundles whose times fall outside a window are refused: of the certificate, the authority, the log, the CA.

The names of the cases are those of sigstore-conformance where it has one; the bundles are our own.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.core.trust.validity import Validity
from gitsign_py.errors import FormatError, VerificationError
from tests.support import tsafactory
from tests.support.bundlecheck import MATERIAL, NOW, content_of, entry_of, refused, verify
from tests.support.bundles import AT, START, BundleMaker, b64, bundle_object, unb64
from tests.support.logs import MemoryLog


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


def test_a_timestamp_by_an_unknown_authority_beside_the_log_s_time_is_named(maker: BundleMaker) -> None:
    """It says nothing about the signature; one by an authority that is known still has to hold."""
    bundle = maker.message()
    signature = unb64(bundle["messageSignature"]["signature"])
    token = tsafactory.make_token(tsafactory.make_authority(), signature, time=AT)
    stamp = {"signedTimestamp": b64(tsafactory.make_response(token))}
    bundle[MATERIAL]["timestampVerificationData"] = {"rfc3161Timestamps": [stamp]}
    verified = verify(maker, bundle)
    facts = next(step.facts for step in verified.steps if step.number == "5.1")
    assert str(facts["left_out"]).startswith("1 by an authority that the trust root lacks")
    assert [one.source for one in verified.times] == ["log"]
    bundle[MATERIAL]["timestampVerificationData"]["rfc3161Timestamps"].append(
        {"signedTimestamp": b64(maker.stamp(b"another signature"))}
    )
    refused(maker, bundle, "5.1", "timestamp-imprint-mismatch")
