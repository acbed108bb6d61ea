"""The kinds of entries that the local Rekor v1 takes: from a proposed entry to its canonical body and search terms.

``KINDS`` is the registry: a further kind is one function here or in a file of its own.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.errors import FormatError, InvalidSignatureError
from gitsign_py.localstack.rekor import rekorenvelopes
from gitsign_py.localstack.rekor.rekorproposal import (
    Proposed,
    b64,
    canonical_body,
    child,
    entry_error,
    read_verifier,
    text,
)

_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


def propose(entry: object) -> Proposed:
    """Check a proposed entry, its signature included. Raises Refusal."""
    if not isinstance(entry, dict):
        raise entry_error("not a JSON object")
    kind, version = entry.get("kind"), entry.get("apiVersion")
    versions = {known_version: make for (known, known_version), make in KINDS.items() if known == kind}
    if not versions:
        raise entry_error(f"entry kind '{kind}' is not known to this log")
    if not isinstance(version, str) or version not in versions:
        missing = f"unable to locate entry for version {version}"
        raise entry_error(f"{kind} implementation for version '{version}' not found: {missing}")
    return versions[version](child(entry, "spec"))


def _hashedrekord(spec: dict[str, Any]) -> Proposed:
    """Hashedrekord 0.0.1: the digest of something, a signature over it, a certificate or public key."""
    data, signature = child(spec, "data"), child(spec, "signature")
    digest = child(data, "hash")
    algorithm, value = text(digest, "algorithm"), text(digest, "value")
    if algorithm not in _SIZES:
        raise entry_error(f"hash algorithm '{algorithm}' is not supported")
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * _SIZES[algorithm]}}}", value):
        raise entry_error("invalid value for hash")
    content = b64(signature, "content")
    verifier = read_verifier(b64(child(signature, "publicKey"), "content"))
    _verify(verifier.key, content, bytes.fromhex(value), algorithm)
    spec_out: dict[str, Any] = {
        "data": {"hash": {"algorithm": algorithm, "value": value}},
        "signature": {
            "content": base64.b64encode(content).decode(),
            "publicKey": {"content": base64.b64encode(verifier.pem).decode()},
        },
    }
    terms = verifier.terms | {f"{algorithm}:{value.lower()}"}
    return Proposed(canonical_body("hashedrekord", "0.0.1", spec_out), terms)


def _verify(key: PublicKey, signature: bytes, digest: bytes, algorithm: str) -> None:
    try:
        key.verify_digest(signature, digest, algorithm)
    except FormatError as error:  # Ed25519 signs no digest, so hashedrekord has no use for it
        raise entry_error("this kind of public key is not supported") from error
    except InvalidSignatureError as error:
        rsa, ecdsa = "crypto/rsa: verification error", "invalid signature when validating ASN.1 encoded signature"
        raise entry_error(f"verifying signature: {rsa if key.kind == 'rsa' else ecdsa}") from error


KINDS: dict[tuple[str, str], Callable[[dict[str, Any]], Proposed]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord,
    ("dsse", "0.0.1"): rekorenvelopes.dsse,
    ("intoto", "0.0.2"): rekorenvelopes.intoto,
}
