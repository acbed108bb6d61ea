"""What the local Rekor v2 takes: ``hashedRekordRequestV002``, checked, becomes the canonical body of an entry."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from gitsign_py.errors import FormatError
from gitsign_py.localstack.service import Refusal, Request

REQUEST = "hashedRekordRequestV002"
_ENVELOPE_REQUEST = "dsseRequestV002"
"""What early servers took for DSSE envelopes; since rekor-tiles 2 these are logged as hashedrekord over the PAE."""
_Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """What keyDetails (protobuf-specs, PublicKeyDetails) says: the key's ``kind``, ``size`` in bits, and the hash."""

    kind: type
    size: int
    name: str
    hash: hashes.HashAlgorithm


_ALGORITHMS = {
    "PKIX_ECDSA_P256_SHA_256": _Algorithm(ec.EllipticCurvePublicKey, 256, "SHA2_256", hashes.SHA256()),
    "PKIX_ECDSA_P384_SHA_384": _Algorithm(ec.EllipticCurvePublicKey, 384, "SHA2_384", hashes.SHA384()),
    "PKIX_ECDSA_P521_SHA_512": _Algorithm(ec.EllipticCurvePublicKey, 521, "SHA2_512", hashes.SHA512()),
    "PKIX_RSA_PKCS1V15_2048_SHA256": _Algorithm(rsa.RSAPublicKey, 2048, "SHA2_256", hashes.SHA256()),
    "PKIX_RSA_PKCS1V15_3072_SHA256": _Algorithm(rsa.RSAPublicKey, 3072, "SHA2_256", hashes.SHA256()),
    "PKIX_RSA_PKCS1V15_4096_SHA256": _Algorithm(rsa.RSAPublicKey, 4096, "SHA2_256", hashes.SHA256()),
}


def propose(request: Request) -> bytes:
    """Check a request, its signature included, and give the canonical body (RFC 8785). Raises Refusal 400."""
    try:
        value = request.json_object()
    except FormatError as error:
        raise Refusal(400, error.message) from error
    unknown = next((name for name in value if name not in {REQUEST, _ENVELOPE_REQUEST}), None)
    if unknown is not None:
        raise Refusal(400, f'proto: unknown field "{unknown}"')
    given = [name for name, asked in value.items() if asked is not None]  # null is not set (protobuf JSON)
    if len(given) > 1:
        raise Refusal(400, f'proto: error parsing "{given[1]}", oneof rekor.v2.CreateEntryRequest.spec is already set')
    if given != [REQUEST]:
        raise Refusal(400, "invalid type, must be hashedrekord")
    return _body(_child(value, REQUEST))


def _body(asked: dict[str, Any]) -> bytes:
    digest, signature = _bytes(asked, "digest"), _child(asked, "signature")
    content, verifier = _bytes(signature, "content"), _child(signature, "verifier")
    details = verifier.get("keyDetails")
    algorithm = _ALGORITHMS.get(details) if isinstance(details, str) else None
    if algorithm is None or len(digest) != algorithm.hash.digest_size:
        raise _invalid()
    which = "x509Certificate" if verifier.get("x509Certificate") is not None else "publicKey"
    raw = _bytes(_child(verifier, which), "rawBytes")
    _verify(_key(raw, which, algorithm), content, digest, algorithm)
    logged: dict[str, Any] = {"keyDetails": details, which: {"rawBytes": _b64(raw)}}
    spec: dict[str, Any] = {
        "data": {"algorithm": algorithm.name, "digest": _b64(digest)},
        "signature": {"content": _b64(content), "verifier": logged},
    }
    return rfc8785.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": spec}})


def _key(raw: bytes, which: str, algorithm: _Algorithm) -> _Key:
    try:
        if which == "x509Certificate":
            key: object = x509.load_der_x509_certificate(raw).public_key()
        else:
            key = serialization.load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid() from error
    if not isinstance(key, _Key) or not isinstance(key, algorithm.kind) or key.key_size != algorithm.size:
        raise _invalid()
    return key


def _verify(key: _Key, signature: bytes, digest: bytes, algorithm: _Algorithm) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(algorithm.hash))
        else:
            key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm.hash)))
    except InvalidSignature as error:
        raise _invalid() from error


def _invalid() -> Refusal:
    """The one sentence that the real server has for all of these."""
    return Refusal(400, "invalid hashedrekord request")


def _child(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _invalid()
    return found


def _bytes(value: dict[str, Any], name: str) -> bytes:
    """A bytes field of protobuf JSON: either alphabet, padding optional."""
    text = value.get(name)
    if not isinstance(text, str):
        raise _invalid()
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if not data:
        raise _invalid()
    return data


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
