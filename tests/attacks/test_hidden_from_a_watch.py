"""Entries spelled so that a watch list looks past them: what ``decode`` reads, the quick look must not pass over."""

import base64
import json

import pytest

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body, hashedrekord_v002_body
from gitsign_py.monitor.decode import decode
from gitsign_py.monitor.sources import RawEntry
from gitsign_py.monitor.watch import may_hold
from tests.support.rekor2kit import CERTIFICATE

NEEDLE = CERTIFICATE[-90:-60]
PEM = pem_encode(CERTIFICATE, "CERTIFICATE")
DETAILS = "PKIX_ECDSA_P256_SHA_256"


def dsse(raw: str, name: str = "rawBytes") -> bytes:
    """A body of kind dsse 0.0.2, as ProtoJSON lets it be spelled."""
    verifier = {"keyDetails": DETAILS, "x509Certificate": {name: raw}}
    spec = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": base64.b64encode(b"\1" * 32).decode()},
        "signatures": [{"content": "AAAA", "verifier": verifier}],
    }
    return json.dumps(
        {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": spec}}, separators=(",", ":")
    ).encode()


def shifted() -> str:
    """The certificate in URL-safe base64, with characters that the two alphabets write apart."""
    text = base64.urlsafe_b64encode(CERTIFICATE).decode()
    assert set(text) & set("-_")
    return text


BODIES = {
    "hashedrekord 0.0.1": hashedrekord_v001_body(b"\1" * 32, b"signature", PEM),
    "hashedrekord 0.0.2": hashedrekord_v002_body(b"\1" * 32, b"signature", CERTIFICATE, DETAILS),
    "a line before the certificate": hashedrekord_v001_body(b"\1" * 32, b"s", b"-----BEGIN CERTIFICATE-----x\n" + PEM),
    "dashes before the certificate": hashedrekord_v001_body(
        b"\1" * 32, b"s", b"-----BEGIN CERTIFICATE-----x\n-----\n-- --\n" + PEM
    ),
    "lines with white space": hashedrekord_v001_body(b"\1" * 32, b"s", PEM.replace(b"\n", b" \r\n").rstrip()),
    "dsse": dsse(base64.b64encode(CERTIFICATE).decode()),
    "URL-safe base64": dsse(shifted()),
    "without padding": dsse(shifted().rstrip("=")),
    "another name of the field": dsse(shifted(), "raw_bytes"),
    "a PEM beside it": dsse(shifted())[:-1] + b',"x":"' + base64.b64encode(PEM) + b'"}',
    "an escape": dsse(shifted()).replace(b"rawBytes", b"raw\\u0042ytes"),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_read_is_not_passed_over(name: str) -> None:
    entry = RawEntry(0, BODIES[name])
    seen = decode(entry)
    if seen.signers:
        assert [one.fingerprint for one in seen.signers] == [parse_certificate(CERTIFICATE).fingerprint]
    else:
        assert name == "a PEM beside it", seen.problem
    assert may_hold(entry, (NEEDLE,))
    assert not may_hold(RawEntry(0, b'{"kind":"dsse","apiVersion":"0.0.2"}'), (NEEDLE,))
