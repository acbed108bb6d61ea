"""Requests to a Rekor v2 log, signed by a key of its own."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.support import tsafactory as factory
from tests.support.localstackkit import b64

ENTRIES = "/api/v2/log/entries"
SIGNER = factory.make_authority()
CERTIFICATE = factory.der_of(SIGNER.leaf)
SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
VERIFIER = {"x509Certificate": {"rawBytes": b64(CERTIFICATE)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
KEY = {"rawBytes": b64(SIGNER.key.public_key().public_bytes(*SPKI))}


def proposal(message: bytes, **changes: Any) -> dict[str, Any]:
    """A request; ``changes`` replace parts of it."""
    asked: dict[str, Any] = {
        "digest": b64(hashlib.sha256(message).digest()),
        "signature": {
            "content": b64(factory.sign(SIGNER.key, message, "sha256")),
            "verifier": changes.pop("verifier", VERIFIER),
        },
    }
    return {"hashedRekordRequestV002": {**asked, **changes}}
