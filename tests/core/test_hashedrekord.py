"""Bodies of hashedrekord entries: the same bytes as a canonicalizer and real logs give; the strict way back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.encoding import b64_decode, b64_encode, pem_encode
from gitsign_py.core.tlog.hashedrekord import (
    HashedRekord,
    body_kind,
    hashedrekord_v001_body,
    hashedrekord_v002_body,
    parse_hashedrekord,
)
from gitsign_py.errors import FormatError, GitsignError, VerificationError
from tests.support import pki, vectors

LEAF = pki.Authority().certificate
PEM = pem_encode(LEAF.raw, "CERTIFICATE")
DETAILS = "PKIX_ECDSA_P256_SHA_256"
V001 = hashedrekord_v001_body(bytes(32), b"signature", PEM)
V002 = hashedrekord_v002_body(bytes(32), b"signature", LEAF.raw, DETAILS)
SIGNATURES = st.binary(min_size=1, max_size=200)
DIGESTS = st.sampled_from([32, 48, 64]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
NAMES = {32: "sha256", 48: "sha384", 64: "sha512"}


def refused(body: bytes) -> str:
    with pytest.raises(GitsignError) as caught:
        parse_hashedrekord(body)
    assert isinstance(caught.value, FormatError | VerificationError)
    return caught.value.reason


@given(DIGESTS, SIGNATURES)
def test_version_001_is_the_canonical_json_and_reads_back(digest: bytes, signature: bytes) -> None:
    name = NAMES[len(digest)]
    spec: Any = {
        "signature": {"publicKey": {"content": b64_encode(PEM)}, "content": b64_encode(signature)},
        "data": {"hash": {"value": digest.hex(), "algorithm": name}},
    }
    body = hashedrekord_v001_body(digest, signature, PEM)
    assert body == rfc8785.dumps({"spec": spec, "kind": "hashedrekord", "apiVersion": "0.0.1"})
    assert parse_hashedrekord(body) == HashedRekord("0.0.1", name, digest, signature, LEAF.raw, "certificate")


@given(DIGESTS, SIGNATURES, st.sampled_from(["certificate", "public-key"]))
def test_version_002_is_the_canonical_json_and_reads_back(digest: bytes, signature: bytes, kind: Any) -> None:
    name = NAMES[len(digest)]
    member, raw = ("publicKey", LEAF.public_key.spki) if kind == "public-key" else ("x509Certificate", LEAF.raw)
    record: Any = {
        "signature": {
            "verifier": {member: {"rawBytes": b64_encode(raw)}, "keyDetails": DETAILS},
            "content": b64_encode(signature),
        },
        "data": {"digest": b64_encode(digest), "algorithm": f"SHA2_{name[3:]}"},
    }
    body = hashedrekord_v002_body(digest, signature, raw, DETAILS, verifier_kind=kind)
    assert body == rfc8785.dumps({"spec": {"hashedRekordV002": record}, "kind": "hashedrekord", "apiVersion": "0.0.2"})
    assert parse_hashedrekord(body) == HashedRekord("0.0.2", name, digest, signature, raw, kind, DETAILS)


def test_what_has_no_body_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        hashedrekord_v001_body(bytes(20), b"s", PEM)
    assert caught.value.reason == "log-body-malformed"
    for details in ("", 'a"b', "SCHLÜSSEL"):
        with pytest.raises(FormatError):
            hashedrekord_v002_body(bytes(32), b"s", LEAF.raw, details)


def test_public_keys_verify_too() -> None:
    spki = LEAF.public_key.spki
    found = parse_hashedrekord(hashedrekord_v001_body(bytes(32), b"s", pem_encode(spki, "PUBLIC KEY")))
    assert (found.verifier_kind, found.verifier_der) == ("public-key", spki)


def changed(body: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(body)
    change(value)
    return json.dumps(value).encode()


def v1(path: str, content: object) -> Callable[[dict[str, Any]], object]:
    """Set the member at a dotted path below spec; with ``...`` it is taken away."""
    *parents, last = path.split(".")

    def change(value: dict[str, Any]) -> None:
        for parent in ("spec", *parents):
            value = value[parent]
        if content is ...:
            del value[last]
        else:
            value[last] = content

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value.update(kind="rpm"), "entry-kind-unsupported"),
        (lambda value: value.update(apiVersion="0.0.3"), "entry-version-unsupported"),
        (lambda value: value.update(apiVersion=1), "log-body-malformed"),
        (lambda value: value.update(more=1), "log-body-malformed"),
        (lambda value: value.pop("spec"), "log-body-malformed"),
        (lambda value: value.update(apiVersion="0.0.2"), "log-body-malformed"),
        (v1("data", []), "log-body-malformed"),
        (v1("data.url", "http://x"), "log-body-malformed"),
        (v1("data.hash.algorithm", "sha512"), "log-body-malformed"),
        (v1("data.hash.algorithm", "sha1"), "log-body-malformed"),
        (v1("data.hash.value", "00" * 20), "log-body-malformed"),
        (v1("data.hash.value", "AA" * 32), "hex-invalid"),
        (v1("data.hash.value", 7), "log-body-malformed"),
        (v1("signature.content", ""), "log-body-malformed"),
        (v1("signature.content", "YQ"), "base64-invalid"),
        (v1("signature.format", "x509"), "log-body-malformed"),
        (v1("signature.publicKey", ...), "log-body-malformed"),
        (v1("signature.publicKey.content", b64_encode(b"text")), "log-body-malformed"),
        (v1("signature.publicKey.content", b64_encode(PEM + PEM)), "log-body-malformed"),
        (v1("signature.publicKey.content", b64_encode(PEM[:100])), "pem-invalid"),
    ],
)
def test_malformed_bodies_of_version_001_are_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    assert refused(changed(V001, change)) == reason


def v2(path: str, content: object) -> Callable[[dict[str, Any]], object]:
    return v1(f"hashedRekordV002.{path}", content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (v1("dsseV002", {}), "log-body-malformed"),
        (v2("data.algorithm", "SHA2_512"), "log-body-malformed"),
        (v2("data.algorithm", 1), "log-body-malformed"),
        (v2("data.digest", "AAAA"), "log-body-malformed"),
        (v2("signature.verifier", []), "log-body-malformed"),
        (v2("signature.verifier.publicKey", {"rawBytes": "AAAA"}), "log-body-malformed"),
        (v2("signature.verifier.x509Certificate", ...), "log-body-malformed"),
        (v2("signature.verifier.keyDetails", "LMS_SHA256"), "log-body-malformed"),
        (v2("signature.verifier.keyDetails", 5), "log-body-malformed"),
        (v2("signature.verifier.x509Certificate.rawBytes", "?"), "base64-invalid"),
    ],
)
def test_malformed_bodies_of_version_002_are_refused(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    assert refused(changed(V002, change)) == reason


def test_text_that_is_no_body_is_refused() -> None:
    assert refused(b"") == refused(V001 + b"x") == "json-invalid"
    assert refused(b"[]") == "log-body-malformed"
    assert refused(V001[:-1] + b',"kind":"hashedrekord"}') == "json-invalid"
    assert refused(b" " * (1 << 20) + V001) == "json-too-large"


def test_any_body_states_its_kind() -> None:
    assert body_kind(V002) == ("hashedrekord", "0.0.2")
    assert body_kind(b'{"kind":"intoto","apiVersion":"0.0.2","spec":[]}') == ("intoto", "0.0.2")
    for body in (b"[]", b"{}", b'{"kind":1,"apiVersion":"0.0.1"}', b'{"kind":"x"}'):
        with pytest.raises(FormatError):
            body_kind(body)


@given(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from([V001, V002]))
def test_a_changed_byte_ends_in_a_record_or_a_refusal(at: int, value: int, body: bytes) -> None:
    data = bytearray(body)
    data[at % len(data)] = value
    try:
        assert parse_hashedrekord(bytes(data)).version in ("0.0.1", "0.0.2")
    except (FormatError, VerificationError):
        return


def test_bodies_of_real_logs_are_built_again() -> None:
    answer = vectors.http_json("gitsign-sign-v1-offline/rekor1/025-POST_api_v1_log_entries.http")
    (value,) = answer.values()
    body = b64_decode(value["body"])
    found = parse_hashedrekord(body)
    assert hashedrekord_v001_body(found.digest, found.signature, pem_encode(found.verifier_der, "CERTIFICATE")) == body
    answer = vectors.http_json("gitsign-sign-v2-offline-tsa/rekor2/013-POST_api_v2_log_entries.http")
    body = b64_decode(answer["canonicalizedBody"])
    found = parse_hashedrekord(body)
    assert hashedrekord_v002_body(found.digest, found.signature, found.verifier_der, found.key_details) == body
