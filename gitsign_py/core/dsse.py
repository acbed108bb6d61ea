"""Dead Simple Signing Envelopes and the in-toto statements inside them.

DSSE: github.com/secure-systems-lab/dsse, protocol.md and envelope.md (version 1.0.2). in-toto: in-toto/attestation,
spec/v1 (statement, resource descriptor, digest set). A statement is only ever parsed after its envelope was verified.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gitsign_py.core.encoding import b64_encode, load_json
from gitsign_py.core.frozen import field, frozen
from gitsign_py.errors import FormatError

IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
MAX_SIGNATURES = 32
MAX_SUBJECTS = 1024  # these two are the limits of sigstore-go
MAX_DIGESTS = 32
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
MAX_STATEMENT_BYTES = 16 << 20


@frozen
class EnvelopeSignature:
    """One signature over the envelope's PAE; ``keyid`` is an unauthenticated hint and decides nothing."""

    signature: bytes
    keyid: str = ""


@frozen
class Envelope:
    """A DSSE envelope: ``payload`` of ``payload_type`` with its signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]


@frozen
class Subject:
    """The subject of a statement: ``digests`` maps an algorithm's name to lower-case hex.

    ``annotations`` are what else the statement says of it, as they stand; empty where they are no JSON object.
    """

    name: str
    digests: Mapping[str, str]
    annotations: Mapping[str, Any] = field(default_factory=dict)


@frozen
class Statement:
    """An in-toto statement; ``predicate`` is the JSON object as it stands, None when there is none."""

    type: str
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any] | None


def pae(payload_type: str, payload: bytes) -> bytes:
    """Give the bytes that are signed: pre-authentication encoding, version 1 (protocol.md, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope_json(envelope: Envelope) -> bytes:
    """Write a DSSE envelope as JSON (envelope.md)."""
    signatures = [{"keyid": one.keyid, "sig": b64_encode(one.signature)} for one in envelope.signatures]
    value = {"payloadType": envelope.payload_type, "payload": b64_encode(envelope.payload), "signatures": signatures}
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def parse_statement(payload: bytes) -> Statement:
    """Parse an in-toto statement v1 or v0.1.

    Fields that the specification does not know are passed over, as it asks; a missing or unknown ``_type`` is not.
    Raises FormatError ``json-...``, ``statement-type`` or ``statement-malformed``.
    """
    value = load_json(payload, max_bytes=MAX_STATEMENT_BYTES)
    if not isinstance(value, dict):
        raise FormatError("statement-malformed", "in-toto statement is not a JSON object")
    kind = value.get("_type")
    if not isinstance(kind, str) or kind not in STATEMENT_TYPES:
        raise FormatError(
            "statement-type",
            "payload is not an in-toto statement of version 1 or 0.1",
            facts={"expected": "https://in-toto.io/Statement/v1", "got": str(kind)[:80]},
        )
    predicate_type, predicate = value.get("predicateType"), value.get("predicate")
    if not isinstance(predicate_type, str) or not predicate_type:
        raise FormatError("statement-malformed", "in-toto statement has no predicateType")
    if predicate is not None and not isinstance(predicate, dict):
        raise FormatError("statement-malformed", "in-toto predicate is not a JSON object")
    return Statement(kind, _subjects(value.get("subject")), predicate_type, predicate)


def _subjects(value: Any) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SUBJECTS:
        raise FormatError("statement-malformed", f"in-toto statement needs 1 to {MAX_SUBJECTS} subjects")
    return tuple(_subject(item) for item in value)


def _subject(value: Any) -> Subject:
    digests = value.get("digest") if isinstance(value, dict) else None
    if not isinstance(digests, dict) or not digests:
        raise FormatError("statement-malformed", "in-toto subject has no digest")
    if len(digests) > MAX_DIGESTS:
        raise FormatError("statement-malformed", f"in-toto subject has more than {MAX_DIGESTS} digests")
    if not all(isinstance(digest, str) for digest in digests.values()):
        raise FormatError("statement-malformed", "in-toto subject's digest is not a string")
    if not all(_is_digest(*item) for item in digests.items()):
        raise FormatError("statement-malformed", "in-toto subject's digest is not lower-case hex of its length")
    name = value.get("name", "")
    if not isinstance(name, str):
        raise FormatError("statement-malformed", "in-toto subject's name is not a string")
    annotations = value.get("annotations")
    said = MappingProxyType(annotations if isinstance(annotations, dict) else {})
    return Subject(name, MappingProxyType(dict(digests)), said)


def _is_digest(algorithm: str, digest: str) -> bool:
    """Whether a digest under one of the names that count here has its form; others are not looked at."""
    return algorithm not in _HEX_DIGITS or re.fullmatch(f"[0-9a-f]{{{_HEX_DIGITS[algorithm]}}}", digest) is not None


def names_artifact(statement: Statement, digests: Mapping[str, bytes]) -> bool:
    """Whether a subject is the artifact whose ``digests`` (algorithm name to bytes) are given.

    One digest in common is needed, and none of those in common may differ (spec/v1/digest_set.md).
    """
    wanted = {name: digest.hex() for name, digest in digests.items()}
    for subject in statement.subjects:
        shared = [name for name in wanted if name in subject.digests]
        if shared and all(subject.digests[name] == wanted[name] for name in shared):
            return True
    return False
