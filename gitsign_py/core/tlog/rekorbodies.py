"""Bodies of log entries over DSSE envelopes: dsse 0.0.1, intoto 0.0.2 (Rekor v1) and dsse 0.0.2 (Rekor v2).

Source: sigstore/rekor pkg/types/{dsse,intoto}/*_schema.json, sigstore/rekor-tiles api/proto. This module reads the
canonicalized body, RFC 8785 JSON. envelopeHash (dsse 0.0.1) and hash (intoto 0.0.2) go over a JSON text that the
bundle does not keep: they cannot be checked by anybody and decide nothing; payload hash, signatures and verifiers do.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from gitsign_py.core.dsse import MAX_SIGNATURES, Envelope
from gitsign_py.core.encoding import b64_decode, b64_encode, hex_decode, load_json, pem_decode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keydetails import key_details
from gitsign_py.core.protojson import Message
from gitsign_py.core.tlog.hashedrekord import MAX_BODY_BYTES
from gitsign_py.errors import FormatError

_HASH_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
_PROTO_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
_VERIFIERS = {"CERTIFICATE": "certificate", "PUBLIC KEY": "public-key"}


@frozen
class LoggedSignature:
    """A signature as the log has it: ``verifier_der`` is a certificate or a SubjectPublicKeyInfo, DER.

    ``verifier_kind`` is ``certificate`` or ``public-key``; ``key_kind`` the kind of key that the entry states (Rekor v2
    alone, else empty).
    """

    signature: bytes
    verifier_der: bytes
    verifier_kind: str
    key_kind: str = ""


@frozen
class LoggedEnvelope:
    """The statement of an entry about an envelope: the payload's digest under ``algorithm`` (sha256, ...), the
    signatures.
    """

    kind: str
    version: str
    algorithm: str
    payload_digest: bytes
    signatures: tuple[LoggedSignature, ...]
    payload_type: str | None = None


def parse_envelope_body(body: bytes, kind: str, version: str) -> LoggedEnvelope:
    """Parse the canonicalized body of an entry over an envelope; ``kind`` and ``version`` are those of the entry.

    Raises FormatError ``log-body-malformed``, ``log-body-kind``, ``json-...`` or those of the encodings.
    """
    readers = {("dsse", "0.0.1"): _dsse_v001, ("intoto", "0.0.2"): _intoto_v002, ("dsse", "0.0.2"): _dsse_v002}
    reader = readers.get((kind, version))
    if reader is None:
        raise FormatError("log-body-kind", f"log entries of kind {kind} {version} are not over an envelope")
    top = Message(load_json(body, max_bytes=MAX_BODY_BYTES), ("apiVersion", "kind", "spec"), "log entry")
    if (top.text("kind"), top.text("apiVersion")) != (kind, version):
        raise FormatError(
            "log-body-kind",
            "body of the log entry is of another kind than the entry says",
            facts={"expected": f"{kind} {version}", "got": f"{top.text('kind')} {top.text('apiVersion')}"[:80]},
        )
    return reader(top)


def _required(parent: Message, name: str, fields: tuple[str, ...]) -> Message:
    message = parent.message(name, fields)
    if message is None:
        raise FormatError("log-body-malformed", f"log entry has no {parent.path(name)}")
    return message


def _rekor_hash(parent: Message, name: str) -> tuple[str, bytes]:
    """Rekor v1's {"algorithm": "sha256", "value": hex}."""
    value = _required(parent, name, ("algorithm", "value"))
    algorithm = value.text("algorithm")
    if algorithm not in _HASH_SIZES:
        raise FormatError("log-body-malformed", f"log entry's {name} has an algorithm that is not supported")
    return algorithm, hex_decode(value.text("value"), length=_HASH_SIZES[algorithm])


def _pem_verifier(encoded: str) -> tuple[bytes, str]:
    text = b64_decode(encoded)
    for label, kind in _VERIFIERS.items():
        if text.startswith(f"-----BEGIN {label}-----".encode()):
            blocks = pem_decode(text, label)
            if len(blocks) == 1:
                return blocks[0], kind
    raise FormatError("log-body-malformed", "verifier in the log entry is neither one certificate nor one public key")


def _signatures(parent: Message, fields: tuple[str, ...]) -> list[Message]:
    items = parent.items("signatures", most=MAX_SIGNATURES)
    if not items:
        raise FormatError("log-body-malformed", "log entry has no signatures")
    return [Message(item, fields, parent.path(f"signatures[{number}]")) for number, item in enumerate(items)]


def _dsse_v001(top: Message) -> LoggedEnvelope:
    spec = _required(top, "spec", ("envelopeHash", "payloadHash", "signatures"))
    _rekor_hash(spec, "envelopeHash")
    algorithm, digest = _rekor_hash(spec, "payloadHash")
    signatures = tuple(
        LoggedSignature(b64_decode(item.text("signature")), *_pem_verifier(item.text("verifier")))
        for item in _signatures(spec, ("signature", "verifier"))
    )
    return LoggedEnvelope("dsse", "0.0.1", algorithm, digest, signatures)


def _intoto_v002(top: Message) -> LoggedEnvelope:
    content = _required(_required(top, "spec", ("content",)), "content", ("envelope", "hash", "payloadHash"))
    envelope = _required(content, "envelope", ("payload", "payloadType", "signatures"))
    if content.has("hash"):
        _rekor_hash(content, "hash")
    algorithm, digest = _rekor_hash(content, "payloadHash")
    if envelope.has("payload"):
        payload = _unwrapped(envelope.text("payload"))
        if hashlib.new(algorithm, payload).digest() != digest:
            raise FormatError("log-body-malformed", "log entry's payload does not have the entry's payload hash")
    signatures = tuple(
        LoggedSignature(_unwrapped(item.text("sig")), *_pem_verifier(item.text("publicKey")))
        for item in _signatures(envelope, ("keyid", "sig", "publicKey"))
    )
    return LoggedEnvelope("intoto", "0.0.2", algorithm, digest, signatures, envelope.text("payloadType"))


def _unwrapped(text: str) -> bytes:
    """Undo the two layers of base64 that intoto 0.0.2 has: its schema's "byte" format around the envelope's own."""
    return b64_decode(b64_decode(text))


def _dsse_v002(top: Message) -> LoggedEnvelope:
    spec = _required(_required(top, "spec", ("dsseV002",)), "dsseV002", ("payloadHash", "signatures"))
    value = _required(spec, "payloadHash", ("algorithm", "digest"))
    algorithm = _PROTO_HASHES.get(value.text("algorithm"), "")
    digest = value.data("digest")
    if len(digest) != _HASH_SIZES.get(algorithm):
        raise FormatError("log-body-malformed", "log entry's payload hash does not fit its algorithm")
    signatures = tuple(_proto_signature(item) for item in _signatures(spec, ("content", "verifier")))
    return LoggedEnvelope("dsse", "0.0.2", algorithm, digest, signatures)


def _proto_signature(item: Message) -> LoggedSignature:
    verifier = _required(item, "verifier", ("x509Certificate", "publicKey", "keyDetails"))
    which = verifier.only_one("x509Certificate", "publicKey")
    if which is None:
        raise FormatError("log-body-malformed", "log entry's signature has no verifier")
    details = key_details(verifier.value("keyDetails"))
    if details is None:
        raise FormatError("log-body-malformed", "log entry's keyDetails names an algorithm that is not supported")
    raw = _required(verifier, which, ("rawBytes",)).data("rawBytes")
    kind = "certificate" if which == "x509Certificate" else "public-key"
    return LoggedSignature(item.data("content"), raw, kind, details.kind)


def dsse_v001_body(envelope: Envelope, verifier_pems: Sequence[bytes]) -> bytes:
    """Build the canonicalized body of a dsse 0.0.1 entry; one verifier PEM for each signature."""
    original = {
        "payload": b64_encode(envelope.payload),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": item.keyid, "sig": b64_encode(item.signature)} for item in envelope.signatures],
    }
    spec = {
        "envelopeHash": _hash_object(_canonical(original)),
        "payloadHash": _hash_object(envelope.payload),
        "signatures": [
            {"signature": b64_encode(item.signature), "verifier": b64_encode(pem)}
            for item, pem in zip(envelope.signatures, verifier_pems, strict=True)
        ],
    }
    return _canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


def intoto_v002_body(envelope: Envelope, verifier_pems: Sequence[bytes]) -> bytes:
    """Build the canonicalized body of an intoto 0.0.2 entry; one verifier PEM for each signature."""
    signatures = [
        {"publicKey": b64_encode(pem), "sig": b64_encode(b64_encode(item.signature).encode())}
        for item, pem in zip(envelope.signatures, verifier_pems, strict=True)
    ]
    logged = {"payloadType": envelope.payload_type, "signatures": signatures}
    content = {
        "envelope": logged,
        "hash": _hash_object(_canonical(logged)),
        "payloadHash": _hash_object(envelope.payload),
    }
    return _canonical({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}})


def _hash_object(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _canonical(value: Any) -> bytes:
    """RFC 8785 for what these bodies hold: ASCII names and strings, no numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
