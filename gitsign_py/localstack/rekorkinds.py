"""The kinds of entries that the local Rekor v1 takes: from a proposed entry to its canonical body and search terms.

``KINDS`` is the registry: a further kind is one function here or in a file of its own.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from gitsign_py.localstack.service import Refusal

_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Proposed:
    """``body`` is canonical JSON (RFC 8785), the leaf of the log; ``terms`` are what the entry is found by."""

    body: bytes
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verifier:
    """What the signature is checked with, in its canonical PEM, and whom it names."""

    pem: bytes
    key: _Key
    names: frozenset[str]


def entry_error(message: str) -> Refusal:
    """A proposed entry that Rekor does not take: 400 and its way of beginning the sentence."""
    return Refusal(400, f"error processing entry: {message}")


def propose(entry: object) -> Proposed:
    """Check a proposed entry, its signature included. Raises Refusal."""
    if not isinstance(entry, dict):
        raise entry_error("not a JSON object")
    kind, version = entry.get("kind"), entry.get("apiVersion")
    versions = {known_version: make for (known, known_version), make in KINDS.items() if known == kind}
    if not versions:
        raise entry_error(f"entry kind '{kind}' is not known to this log")
    if version not in versions:
        missing = f"unable to locate entry for version {version}"
        raise entry_error(f"{kind} implementation for version '{version}' not found: {missing}")
    return versions[version](child(entry, "spec"))


def _hashedrekord(spec: dict[str, Any]) -> Proposed:
    """Hashedrekord 0.0.1: the digest of something, a signature over it, a certificate or public key."""
    data, signature = child(spec, "data"), child(spec, "signature")
    digest = child(data, "hash")
    algorithm, value = text(digest, "algorithm"), text(digest, "value")
    if algorithm not in _ALGORITHMS:
        raise entry_error(f"hash algorithm '{algorithm}' is not supported")
    hashed = _hex(value, _ALGORITHMS[algorithm].digest_size)
    content = b64(signature, "content")
    verifier = read_verifier(b64(child(signature, "publicKey"), "content"))
    _verify(verifier.key, content, hashed, _ALGORITHMS[algorithm])
    spec_out: dict[str, Any] = {
        "data": {"hash": {"algorithm": algorithm, "value": value}},
        "signature": {
            "content": base64.b64encode(content).decode(),
            "publicKey": {"content": base64.b64encode(verifier.pem).decode()},
        },
    }
    body = rfc8785.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec_out})
    return Proposed(body, frozenset({f"{algorithm}:{value}", key_term(verifier.pem)}) | verifier.names)


def _verify(key: _Key, signature: bytes, digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm))
        else:
            key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
    except InvalidSignature as error:
        message = "verifying signature: invalid signature when validating ASN.1 encoded signature"
        raise entry_error(message) from error


def read_verifier(pem: bytes) -> Verifier:
    """A PEM certificate or public key. Its canonical form is PEM of 64 columns with a newline at the end."""
    encoding = serialization.Encoding.PEM
    try:
        if b"CERTIFICATE" in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            key: object = certificate.public_key()
            canonical, names = certificate.public_bytes(encoding), _names(certificate)
        else:
            public = serialization.load_pem_public_key(pem)
            canonical = public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
            key, names = public, frozenset()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise entry_error("the public key or certificate cannot be read") from error
    if not isinstance(key, _Key):  # Ed25519 signs no digest, so hashedrekord has no use for it
        raise entry_error("this kind of public key is not supported")
    return Verifier(canonical, key, names)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    """E-mail addresses and URIs of a certificate: what ``email`` in a search finds."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    found = names.get_values_for_type(x509.RFC822Name) + names.get_values_for_type(x509.UniformResourceIdentifier)
    return frozenset(name_term(name) for name in found)


def name_term(name: str) -> str:
    """The search term of an identity; addresses are compared without regard to case, as Rekor does."""
    return f"name:{name.lower()}"


def key_term(pem: bytes) -> str:
    """The search term of a verifier: SHA-256 of its canonical PEM."""
    return f"key:{hashlib.sha256(pem).hexdigest()}"


def child(value: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that must be an object."""
    found = value.get(name)
    if not isinstance(found, dict):
        raise entry_error(f"{name} is missing")
    return found


def text(value: dict[str, Any], name: str) -> str:
    """A member that must be a text."""
    found = value.get(name)
    if not isinstance(found, str):
        raise entry_error(f"{name} is missing")
    return found


def b64(value: dict[str, Any], name: str) -> bytes:
    """A member that must be standard base64, not empty."""
    try:
        data = base64.b64decode(text(value, name), validate=True)
    except (binascii.Error, ValueError) as error:
        raise entry_error(f"{name} is not base64") from error
    if not data:
        raise entry_error(f"{name} is empty")
    return data


def _hex(value: str, length: int) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise entry_error("invalid value for hash") from error
    if len(data) != length or value != data.hex():
        raise entry_error("invalid value for hash")
    return data


KINDS: dict[tuple[str, str], Callable[[dict[str, Any]], Proposed]] = {("hashedrekord", "0.0.1"): _hashedrekord}
