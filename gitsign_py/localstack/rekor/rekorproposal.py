"""The parts that every kind of proposed entry of Rekor v1 has: members, verifiers, search terms."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.errors import FormatError
from gitsign_py.localstack.service import Refusal

_PEM, _DER, _SPKI = (
    serialization.Encoding.PEM,
    serialization.Encoding.DER,
    serialization.PublicFormat.SubjectPublicKeyInfo,
)


@dataclass(frozen=True, slots=True)
class Proposed:
    """``body`` is canonical JSON (RFC 8785), the leaf of the log; ``terms`` are what the entry is found by."""

    body: bytes
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verifier:
    """The key or certificate of the signature, in its canonical PEM, and the names in it."""

    pem: bytes
    key: PublicKey
    names: frozenset[str]

    @property
    def terms(self) -> frozenset[str]:
        """The search terms of an entry with this verifier."""
        return self.names | {key_term(self.pem)}


def entry_error(message: str) -> Refusal:
    """A proposed entry that Rekor does not take: 400 and its way of beginning the sentence."""
    return Refusal(400, f"error processing entry: {message}")


def canonical_body(kind: str, version: str, spec: dict[str, Any]) -> bytes:
    """The leaf of the log (RFC 8785)."""
    return rfc8785.dumps({"apiVersion": version, "kind": kind, "spec": spec})


def read_verifier(pem: bytes) -> Verifier:
    """A PEM certificate or public key. Its canonical form is PEM of 64 columns with a newline at the end."""
    if b"-----BEGIN" not in pem:
        raise entry_error("invalid public key: failure decoding PEM")
    try:
        if b"CERTIFICATE" in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            spki = certificate.public_key().public_bytes(_DER, _SPKI)
            canonical, names = certificate.public_bytes(_PEM), _names(certificate)
        else:
            public = serialization.load_pem_public_key(pem)
            spki, canonical, names = public.public_bytes(_DER, _SPKI), public.public_bytes(_PEM, _SPKI), frozenset()
        return Verifier(canonical, load_spki(spki), names)
    except FormatError as error:
        raise entry_error("this kind of public key is not supported") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise entry_error("the public key or certificate cannot be read") from error


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


def children(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A member that must be a list of objects, one at least."""
    found = value.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise entry_error(f"{name} in body should have at least 1 items")
    return found


def text(value: dict[str, Any], name: str) -> str:
    """A member that must be a text; half of a surrogate pair, which JSON can spell, is none (RFC 8785 §3.2.2.2)."""
    found = value.get(name)
    if not isinstance(found, str):
        raise entry_error(f"{name} is missing")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise entry_error(f"{name} is not valid Unicode") from error
    return found


def b64(value: dict[str, Any], name: str) -> bytes:
    """A member that must be standard base64, not empty."""
    return decoded(text(value, name), name)


def decoded(encoded: str, name: str) -> bytes:
    """Standard base64, not empty; ``name`` is what a refusal calls it."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise entry_error(f"{name} is not base64") from error
    if not data:
        raise entry_error(f"{name} is empty")
    return data
