"""Entries of Rekor v1 over DSSE envelopes: dsse 0.0.1 and intoto 0.0.2, checked and made canonical.

Source: sigstore/rekor pkg/types/dsse/v0.0.1 and pkg/types/intoto/v0.0.2 with go-securesystemslib's dsse. Their rules
are kept: SHA-256 with every key; each verifier stands for the first signature that it verifies and for one alone; no
signature is left over, and no verifier that comes before the last signature has found its own. A keyid is a hint.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, pae
from gitsign_py.core.encoding import load_json
from gitsign_py.errors import FormatError, InvalidSignatureError
from gitsign_py.localstack.rekor.rekorproposal import (
    Proposed,
    Verifier,
    b64,
    canonical_body,
    child,
    children,
    decoded,
    entry_error,
    read_verifier,
    text,
)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """The parts that are verified; ``signatures`` are texts in base64, since the log keeps the spelling of the
    envelope.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[str, ...]


def dsse(spec: dict[str, Any]) -> Proposed:
    """Dsse 0.0.1: an envelope as JSON text and its verifiers; payload and envelope are logged as hashes alone."""
    proposed = child(spec, "proposedContent")
    if any(spec.get(name) for name in ("envelopeHash", "payloadHash", "signatures")):
        each = "envelopeHash, payloadHash, and signatures"
        raise entry_error(f"either proposedContent or {each} must be present but not both")
    stated = text(proposed, "envelope").encode()
    envelope, verifiers = _read_envelope(stated), proposed.get("verifiers")
    if not isinstance(verifiers, list) or not verifiers:
        raise entry_error("proposedContent.verifiers in body should have at least 1 items")
    matched = _match(envelope, [read_verifier(decoded(str(item), "verifier")) for item in verifiers])
    logged = {
        "envelopeHash": _sha256(stated),
        "payloadHash": _sha256(envelope.payload),
        # Sorted, as the schema asks, so that the order in the envelope makes no other entry.
        "signatures": [{"signature": name, "verifier": _b64(matched[name].pem)} for name in sorted(matched)],
    }
    terms = _terms(envelope, matched) | {f"sha256:{_sha256(stated)['value']}"}
    return Proposed(canonical_body("dsse", "0.0.1", logged), terms)


def intoto(spec: dict[str, Any]) -> Proposed:
    """Intoto 0.0.2: payload and signatures in base64 twice, a verifier beside each; ``hash`` is the client's word."""
    content = child(spec, "content")
    asked, stated = child(content, "envelope"), child(content, "hash")
    signatures = children(asked, "signatures")
    envelope = _Envelope(
        _flexible(_inner(asked, "payload")),
        text(asked, "payloadType"),
        tuple(_inner(item, "sig") for item in signatures),
    )
    matched = _match(envelope, [read_verifier(b64(item, "publicKey")) for item in signatures])
    if text(stated, "algorithm") != "sha256":
        raise entry_error("content.hash.algorithm in body should be one of [sha256]")
    logged = {
        "envelope": {"payloadType": envelope.payload_type, "signatures": [_logged(item) for item in signatures]},
        "hash": {"algorithm": "sha256", "value": text(stated, "value")},
        "payloadHash": _sha256(envelope.payload),
    }
    return Proposed(canonical_body("intoto", "0.0.2", {"content": logged}), _terms(envelope, matched))


def _inner(value: dict[str, Any], name: str) -> str:
    """The outer of two layers of base64 taken off."""
    return b64(value, name).decode("latin-1")


def _logged(item: dict[str, Any]) -> dict[str, str]:
    logged = {name: _b64(b64(item, name)) for name in ("publicKey", "sig")}
    return logged | ({"keyid": text(item, "keyid")} if item.get("keyid") else {})


def _read_envelope(data: bytes) -> _Envelope:
    """The envelope of a dsse entry (DSSE envelope.md), a JSON text inside the JSON."""
    try:
        value = load_json(data, max_bytes=len(data))
    except FormatError as error:
        raise entry_error(error.message) from error
    if not isinstance(value, dict):
        raise entry_error("the envelope is not a JSON object")
    if not value.get("signatures"):
        raise entry_error("DSSE envelope must contain 1 or more signatures")
    signatures = tuple(text(item, "sig") for item in children(value, "signatures"))
    return _Envelope(_flexible(text(value, "payload")), text(value, "payloadType"), signatures)


def _flexible(encoded: str) -> bytes:
    """Base64 of an envelope: the standard alphabet, else the URL-safe one (envelope.md), with padding."""
    for alphabet in (None, b"-_"):
        try:
            return base64.b64decode(encoded, altchars=alphabet, validate=True)
        except (binascii.Error, ValueError):
            continue
    raise entry_error("could not verify envelope: unable to base64 decode payload (is payload in the right format?)")


def _match(envelope: _Envelope, verifiers: list[Verifier]) -> dict[str, Verifier]:
    """Each signature's verifier. Raises Refusal."""
    signed = pae(envelope.payload_type, envelope.payload)
    raw = {name: _flexible(name) for name in envelope.signatures}
    found: dict[str, Verifier] = {}
    for verifier in verifiers:
        if len(found) == len(raw):
            break
        first = next((name for name in envelope.signatures if _verifies(verifier, raw[name], signed)), None)
        if first is None:
            unmatched = "accepted signatures do not match threshold, Found: 0, Expected 1"
            raise entry_error(f"could not verify envelope: {unmatched}")
        found[first] = verifier
    if len(found) < len(raw):
        raise entry_error("all signatures must have a key that verifies it")
    return found


def _verifies(verifier: Verifier, signature: bytes, signed: bytes) -> bool:
    try:
        verifier.key.verify(signature, signed, "sha256")
    except InvalidSignatureError:
        return False
    return True


def _terms(envelope: _Envelope, matched: dict[str, Verifier]) -> frozenset[str]:
    """Keys, names, the payload's hash; of an in-toto statement its subjects' and materials' digests."""
    terms = {f"sha256:{_sha256(envelope.payload)['value']}"}
    terms.update(term for verifier in matched.values() for term in verifier.terms)
    if envelope.payload_type == IN_TOTO_PAYLOAD_TYPE:
        terms |= _statement_terms(envelope.payload)
    return frozenset(terms)


def _statement_terms(payload: bytes) -> set[str]:
    """The digests that are found, if any: an entry is logged whether or not its payload is a good statement."""
    try:
        value = load_json(payload, max_bytes=len(payload))
    except FormatError:
        return set()
    statement = value if isinstance(value, dict) else {}
    predicate = statement.get("predicate")
    materials = predicate.get("materials") if isinstance(predicate, dict) else None
    return {
        f"{algorithm}:{digest.lower()}"
        for group in (statement.get("subject"), materials)
        for item in (group if isinstance(group, list) else [])
        if isinstance(item, dict) and isinstance(item.get("digest"), dict)
        for algorithm, digest in item["digest"].items()
        if isinstance(digest, str)
    }


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
