"""Sigstore bundles, versions 0.1 to 0.3, as protobuf JSON (sigstore/protobuf-specs, sigstore_bundle.proto).

Parsing checks the form and what the versions require of it; nothing here is verified. Limits: 16 MiB, 32 log entries,
32 timestamps, 32 certificates, 64 hashes in a proof.
"""

import json
from typing import Any

from gitsign_py.core.dsse import MAX_SIGNATURES, Envelope, EnvelopeSignature
from gitsign_py.core.encoding import b64_encode, load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.core.protojson import Message
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.core.tlog.rekorjson import entry_from_protojson, entry_to_protojson
from gitsign_py.errors import FormatError

MAX_BUNDLE_BYTES = 16 << 20
MAX_ENTRIES = 32
MAX_TIMESTAMPS = 32
MAX_CERTIFICATES = 32
_MAX_TOKENS = 20_000  # commas and brackets: the largest bundle that the other limits allow has far fewer

MEDIA_TYPE_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VERSIONS = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": "0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2": "0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3": "0.3",
    MEDIA_TYPE_V03: "0.3",
}
_HASHES: dict[Any, tuple[str, int]] = {
    name: (known, size)
    for number, proto, known, size in (
        (1, "SHA2_256", "sha256", 32),
        (2, "SHA2_384", "sha384", 48),
        (3, "SHA2_512", "sha512", 64),
    )
    for name in (number, proto)  # protobuf JSON takes an enum by name or number
}
_PROTO_NAMES = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}
_MATERIAL = ("publicKey", "x509CertificateChain", "certificate", "tlogEntries", "timestampVerificationData")


@frozen
class MessageSignature:
    """A signature over an artifact; ``algorithm`` (sha256, ...) and ``digest`` say which."""

    signature: bytes
    algorithm: str
    digest: bytes


@frozen
class Bundle:
    """A parsed bundle, nothing of it verified.

    ``version`` is 0.1, 0.2 or 0.3; ``certificates`` DER, leaf first, empty for a bundle by a managed key, whose
    ``key_hint`` is then set; ``timestamps`` are DER TimeStampResp.
    """

    version: str
    certificates: tuple[bytes, ...]
    key_hint: str | None
    entries: tuple[LogEntry, ...]
    timestamps: tuple[bytes, ...]
    content: MessageSignature | Envelope

    @property
    def signature(self) -> bytes:
        """The signature's bytes, of whichever content; an envelope has exactly one when the bundle was parsed."""
        return self.content.signatures[0].signature if isinstance(self.content, Envelope) else self.content.signature


def parse_bundle(data: bytes) -> Bundle:
    """Parse the JSON of a bundle. Raises FormatError ``bundle-...`` or ``json-...``."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise FormatError(
            "bundle-too-large", f"bundle has {len(data)} bytes, at most {MAX_BUNDLE_BYTES} are read", facts={}
        )
    # Counting is cheap, building millions of objects is not: refuse before the JSON parser sees it.
    if sum(data.count(token) for token in (b",", b"[", b"{", b":")) > _MAX_TOKENS:
        raise FormatError("bundle-too-large", "bundle has more parts than any bundle needs")
    fields = ("mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
    top = Message(load_json(data, max_bytes=MAX_BUNDLE_BYTES), fields, "bundle")
    version = _VERSIONS.get(top.text("mediaType"))
    if version is None:
        raise FormatError(
            "bundle-version",
            "bundle has a media type that is not supported",
            facts={"expected": MEDIA_TYPE_V03, "got": top.text("mediaType")[:100]},
        )
    material = top.message("verificationMaterial", _MATERIAL)
    if material is None:
        raise FormatError("bundle-malformed", "bundle has no verificationMaterial")
    certificates, key_hint = _signer(material, version)
    return Bundle(version, certificates, key_hint, _entries(material, version), _timestamps(material), _content(top))


def _signer(material: Message, version: str) -> tuple[tuple[bytes, ...], str | None]:
    """Read the oneof ``content``: v0.1 and v0.2 have a chain, v0.3 has one certificate; a key's hint any of them."""
    which = material.only_one("publicKey", "x509CertificateChain", "certificate")
    if which == "publicKey":
        key = material.message("publicKey", ("hint",))
        return (), key.text("hint") if key else ""
    expected = "certificate" if version == "0.3" else "x509CertificateChain"
    if which != expected:
        raise FormatError("bundle-signer", f"bundle of version {version} needs {expected} or publicKey")
    if which == "certificate":
        items: list[Any] = [material.value("certificate")]
    else:
        chain = material.message("x509CertificateChain", ("certificates",))
        items = chain.items("certificates", most=MAX_CERTIFICATES) if chain else []
    certificates = tuple(Message(item, ("rawBytes",), "certificate").data("rawBytes") for item in items)
    if not certificates or not all(certificates):
        raise FormatError("bundle-signer", "bundle has an empty certificate or certificate chain")
    return certificates, None


def _entries(material: Message, version: str) -> tuple[LogEntry, ...]:
    items = material.items("tlogEntries", most=MAX_ENTRIES)
    entries = tuple(_entry(item, material.path(f"tlogEntries[{number}]"), version) for number, item in enumerate(items))
    if len({(entry.log_id, entry.log_index) for entry in entries}) != len(entries):  # however else they differ
        raise FormatError("bundle-duplicate", "bundle has the same log entry twice")
    return entries


def _entry(value: Any, where: str, version: str) -> LogEntry:
    entry = entry_from_protojson(value, where)
    if not entry.body:
        raise FormatError("bundle-entry", f"{where} needs canonicalizedBody")
    proof = entry.inclusion_proof
    if proof is not None and not (proof.root_hash and proof.tree_size):  # sigstore_rekor.proto: both REQUIRED
        raise FormatError("bundle-entry", f"{where} has an inclusion proof without rootHash or treeSize")
    if version == "0.1" and not entry.signed_entry_timestamp:
        raise FormatError("bundle-promise-missing", "bundle of version 0.1 needs an inclusion promise")
    if version != "0.1" and (proof is None or not proof.checkpoint):
        raise FormatError(
            "bundle-proof-missing", f"bundle of version {version} needs an inclusion proof with a checkpoint"
        )
    return entry


def _timestamps(material: Message) -> tuple[bytes, ...]:
    data = material.message("timestampVerificationData", ("rfc3161Timestamps",))
    items = data.items("rfc3161Timestamps", most=MAX_TIMESTAMPS) if data else []
    timestamps = tuple(Message(item, ("signedTimestamp",), "timestamp").data("signedTimestamp") for item in items)
    if not all(timestamps):
        raise FormatError("bundle-malformed", "bundle has an empty timestamp")
    if len(set(timestamps)) != len(timestamps):
        raise FormatError("bundle-duplicate", "bundle has the same timestamp twice")
    return timestamps


def _content(top: Message) -> MessageSignature | Envelope:
    which = top.only_one("messageSignature", "dsseEnvelope")
    if which == "messageSignature":
        return _message_signature(Message(top.value(which), ("messageDigest", "signature"), which))
    if which == "dsseEnvelope":
        return _envelope(Message(top.value(which), ("payload", "payloadType", "signatures"), which))
    raise FormatError("bundle-content", "bundle has neither a messageSignature nor a dsseEnvelope")


def _message_signature(message: Message) -> MessageSignature:
    signature = message.data("signature")
    if not signature:
        raise FormatError("bundle-content", "bundle has an empty signature")
    digest = message.message("messageDigest", ("algorithm", "digest"))
    if digest is None:  # a hint alone (sigstore_common.proto), but the clients in Go and JavaScript ask for it
        raise FormatError("bundle-digest", "bundle has no messageDigest")
    name = digest.value("algorithm")
    named = isinstance(name, str | int) and not isinstance(name, bool)
    algorithm, size = _HASHES.get(name, ("", 0)) if named else ("", 0)
    if not algorithm or len(digest.data("digest")) != size:
        raise FormatError("bundle-digest", "bundle's messageDigest has an unsupported algorithm or the wrong length")
    return MessageSignature(signature, algorithm, digest.data("digest"))


def _envelope(message: Message) -> Envelope:
    items = [
        Message(item, ("sig", "keyid"), message.path("signatures"))
        for item in message.items("signatures", most=MAX_SIGNATURES)
    ]
    if len(items) != 1:  # sigstore_bundle.proto: "DSSE envelopes in a bundle MUST have exactly one signature"
        raise FormatError("bundle-dsse-signatures", f"DSSE envelope has {len(items)} signatures, a bundle needs one")
    signatures = tuple(EnvelopeSignature(item.data("sig"), item.text("keyid")) for item in items)
    if not signatures[0].signature:
        raise FormatError("bundle-content", "bundle has an empty signature")
    return Envelope(message.data("payload"), message.text("payloadType"), signatures)


def format_bundle(bundle: Bundle) -> bytes:
    """Encode a bundle as JSON of version 0.3: the leaf alone, padded standard base64, int64 as strings.

    Raises FormatError ``bundle-proof-missing`` when an entry has no inclusion proof with a checkpoint: version 0.3
    requires one.
    """
    material: dict[str, Any] = {}
    if bundle.certificates:
        material["certificate"] = {"rawBytes": b64_encode(bundle.certificates[0])}
    else:
        material["publicKey"] = {"hint": bundle.key_hint or ""}
    for entry in bundle.entries:
        if entry.inclusion_proof is None or not entry.inclusion_proof.checkpoint:
            raise FormatError("bundle-proof-missing", "a bundle needs an inclusion proof with a checkpoint")
    material["tlogEntries"] = [entry_to_protojson(entry) for entry in bundle.entries]
    if bundle.timestamps:
        material["timestampVerificationData"] = {
            "rfc3161Timestamps": [{"signedTimestamp": b64_encode(item)} for item in bundle.timestamps]
        }
    top = {"mediaType": MEDIA_TYPE_V03, "verificationMaterial": material, **_content_object(bundle.content)}
    return json.dumps(top, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def _content_object(content: MessageSignature | Envelope) -> dict[str, Any]:
    if isinstance(content, Envelope):
        signatures = [
            {"sig": b64_encode(item.signature)} | ({"keyid": item.keyid} if item.keyid else {})
            for item in content.signatures
        ]
        envelope = {"payload": b64_encode(content.payload), "payloadType": content.payload_type}
        return {"dsseEnvelope": {**envelope, "signatures": signatures}}
    digest = {"algorithm": _PROTO_NAMES[content.algorithm], "digest": b64_encode(content.digest)}
    return {"messageSignature": {"messageDigest": digest, "signature": b64_encode(content.signature)}}
