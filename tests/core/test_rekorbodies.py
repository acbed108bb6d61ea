"""Entries over envelopes: what our builders write is read, and other clients' forms are."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from gitsign_py.core.dsse import Envelope, EnvelopeSignature
from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.tlog.rekorbodies import LoggedSignature, dsse_v001_body, intoto_v002_body, parse_envelope_body
from gitsign_py.errors import FormatError

CERTIFICATE, KEY = b"\x30\x03\x02\x01\x01", b"\x30\x03\x02\x01\x02"
PEMS = {"certificate": pem_encode(CERTIFICATE, "CERTIFICATE"), "public-key": pem_encode(KEY, "PUBLIC KEY")}
DERS = {"certificate": CERTIFICATE, "public-key": KEY}
ENVELOPE = Envelope(b'{"a":1}', "application/vnd.in-toto+json", (EnvelopeSignature(b"signature"),))
DIGEST = hashlib.sha256(ENVELOPE.payload).digest()


@pytest.mark.parametrize("verifier", ["certificate", "public-key"])
@pytest.mark.parametrize(
    ("build", "kind", "version"), [(dsse_v001_body, "dsse", "0.0.1"), (intoto_v002_body, "intoto", "0.0.2")]
)
def test_what_is_built_is_read(build: Callable[..., bytes], kind: str, version: str, verifier: str) -> None:
    logged = parse_envelope_body(build(ENVELOPE, [PEMS[verifier]]), kind, version)
    assert (logged.kind, logged.version, logged.algorithm, logged.payload_digest) == (kind, version, "sha256", DIGEST)
    assert logged.signatures == (LoggedSignature(b"signature", DERS[verifier], verifier),)


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def dsse_v002(**change: Any) -> bytes:
    spec = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": b64(DIGEST)},
        "signatures": [
            {
                "content": b64(b"signature"),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "x509Certificate": {"rawBytes": b64(CERTIFICATE)},
                },
            }
        ],
        **change,
    }
    return json.dumps({"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": spec}}).encode()


def test_the_form_of_rekor_v2_is_read() -> None:
    logged = parse_envelope_body(dsse_v002(), "dsse", "0.0.2")
    assert logged.payload_digest == DIGEST
    assert logged.signatures == (LoggedSignature(b"signature", CERTIFICATE, "certificate", "ecdsa-p256"),)
    assert logged.payload_type is None


@pytest.mark.parametrize(
    "change",
    [
        {"payloadHash": None},
        {"payloadHash": {"algorithm": "SHA1", "digest": b64(DIGEST)}},
        {"payloadHash": {"algorithm": "SHA2_512", "digest": b64(DIGEST)}},
        {"signatures": []},
        {"signatures": [{"content": "c2ln"}]},
        {"signatures": [{"content": "c2ln", "verifier": {"keyDetails": "x"}}]},
        {"signatures": [{}] * 33},
        {"extra": 1},
    ],
)
def test_other_forms_of_rekor_v2_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        parse_envelope_body(dsse_v002(**change), "dsse", "0.0.2")


def intoto(change: Callable[[dict[str, Any]], None]) -> bytes:
    value = json.loads(intoto_v002_body(ENVELOPE, [PEMS["certificate"]]))
    change(value["spec"]["content"])
    return json.dumps(value).encode()


def test_intoto_may_carry_the_payload_when_it_has_the_hash() -> None:
    twice = b64(b64(ENVELOPE.payload).encode())
    body = intoto(lambda content: content["envelope"].update(payload=twice))
    assert parse_envelope_body(body, "intoto", "0.0.2").payload_digest == DIGEST
    body = intoto(lambda content: content["envelope"].update(payload=b64(b64(b"other").encode())))
    with pytest.raises(FormatError, match="payload hash"):
        parse_envelope_body(body, "intoto", "0.0.2")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("payloadHash"),
        lambda content: content["payloadHash"].update(algorithm="sha1"),
        lambda content: content["payloadHash"].update(value="00"),
        lambda content: content["envelope"].update(signatures=[]),
        lambda content: content["envelope"]["signatures"][0].update(sig=b64(b"once, not twice")),
        lambda content: content["envelope"]["signatures"][0].update(publicKey=b64(b"no PEM")),
        lambda content: content["envelope"]["signatures"][0].update(publicKey=b64(PEMS["certificate"] * 2)),
        lambda content: content.update(other=1),
    ],
)
def test_other_forms_of_intoto_are_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(FormatError):
        parse_envelope_body(intoto(change), "intoto", "0.0.2")


@pytest.mark.parametrize(("kind", "version"), [("dsse", "0.0.3"), ("intoto", "0.0.1"), ("rekord", "0.0.1")])
def test_other_kinds_are_refused(kind: str, version: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_envelope_body(dsse_v002(), kind, version)
    assert caught.value.reason == "log-body-kind"


def test_a_body_of_another_kind_than_the_entry_says_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        parse_envelope_body(dsse_v002(), "dsse", "0.0.1")
    assert caught.value.reason == "log-body-kind"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"kind":"dsse","apiVersion":"0.0.1"}'])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(FormatError):
        parse_envelope_body(body, "dsse", "0.0.1")
