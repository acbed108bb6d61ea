"""The contents of a signing request to the local Fulcio: which key, proven how (CSR or signature over the
challenge).
"""

import base64
import binascii
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gitsign_py.core.pki.keys import load_spki
from gitsign_py.errors import FormatError, InvalidSignatureError
from gitsign_py.localstack.fulcio.certificates import CertifiedKey
from gitsign_py.localstack.fulcio.claims import Identity
from gitsign_py.localstack.service import Refusal, Request

BAD_SIGNATURE = "The signature supplied in the request could not be verified"
BAD_KEY = "The public key supplied in the request could not be parsed"
WEAK_KEY = "The public key supplied in the request is insecure"
BAD_CSR = "The certificate signing request could not be parsed"
_HASHES = {"ecdsa-p384": "sha384", "ecdsa-p521": "sha512"}


_KEY_FIELDS = ("publicKeyRequest", "certificateSigningRequest")


def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object, whatever the media type says. Raises Refusal (400)."""
    try:
        return request.json_object()
    except FormatError as error:
        raise Refusal(400, error.message) from error


def read_v2(request: Request) -> dict[str, Any]:
    """The body of a v2 request, whose two ways to name a key are fields of one oneof. Raises Refusal (400)."""
    body = read_object(request)
    given = [name for name in body if name in _KEY_FIELDS and body[name] is not None]
    if len(given) > 1:
        oneof = "dev.sigstore.fulcio.v2.CreateSigningCertificateRequest.key"
        raise Refusal(400, f'proto: error parsing "{given[1]}", oneof {oneof} is already set')
    return body


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _bytes(value: dict[str, Any], name: str, message: str) -> bytes:
    """A base64 field; Go's protobuf JSON takes both alphabets and does not ask for padding.

    ``message`` is the refusal of an empty one.
    """
    text = _text(value, name).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f'proto: invalid value for bytes field {name}: "{_text(value, name)}"') from error
    if not data:
        raise Refusal(400, message)
    return data


def bearer(request: Request) -> str:
    """The token of the Authorization header (RFC 6750 §2.1), empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def body_token(body: dict[str, Any]) -> str:
    """The token of a v2 request's ``credentials``, empty when there is none."""
    credentials = body.get("credentials")
    return _text(credentials, "oidcIdentityToken") if isinstance(credentials, dict) else ""


def asked_key_v2(body: dict[str, Any], identity: Identity) -> CertifiedKey:
    """The key that a v2 request proves to hold: by a CSR, or by ``publicKeyRequest`` (PEM)."""
    if body.get("certificateSigningRequest"):
        return _key_of_csr(_bytes(body, "certificateSigningRequest", BAD_CSR))
    asked = body.get("publicKeyRequest")
    if not isinstance(asked, dict) or not isinstance(asked.get("publicKey"), dict):
        raise Refusal(400, BAD_KEY)
    content = _text(asked["publicKey"], "content").encode()
    return _proven_key(content, _bytes(asked, "proofOfPossession", BAD_SIGNATURE), identity)


def asked_key_v1(body: dict[str, Any], identity: Identity) -> CertifiedKey:
    """The key that a v1 request proves to hold: by a CSR, or by ``publicKey`` (base64) and ``signedEmailAddress``."""
    if body.get("certificateSigningRequest"):
        return _key_of_csr(_bytes(body, "certificateSigningRequest", BAD_CSR))
    public_key = body.get("publicKey")
    content = _bytes(public_key if isinstance(public_key, dict) else {}, "content", BAD_KEY)
    return _proven_key(content, _bytes(body, "signedEmailAddress", BAD_SIGNATURE), identity)


def _proven_key(content: bytes, proof: bytes, identity: Identity) -> CertifiedKey:
    """The key in ``content`` (PEM, or DER SubjectPublicKeyInfo) when ``proof`` signs the identity's challenge."""
    try:
        if content.lstrip().startswith(b"-----BEGIN"):
            key = serialization.load_pem_public_key(content)
        else:
            key = serialization.load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(400, BAD_KEY) from error
    known = _supported(key)
    public = load_spki(_spki(known))
    try:
        public.verify(proof, identity.challenge.encode(), _HASHES.get(public.kind, "sha256"))
    except InvalidSignatureError as error:
        raise Refusal(400, BAD_SIGNATURE) from error
    return known


def _key_of_csr(pem: bytes) -> CertifiedKey:
    """The key of a PKCS #10 request, whose own signature is the proof of possession (RFC 2986 §4.2)."""
    try:
        csr = x509.load_pem_x509_csr(pem)
        valid = csr.is_signature_valid
        key = csr.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(400, BAD_CSR) from error
    if not valid:
        raise Refusal(400, BAD_SIGNATURE)
    return _supported(key)


def _supported(key: object) -> CertifiedKey:
    if not isinstance(key, CertifiedKey):
        raise Refusal(400, WEAK_KEY)
    try:
        load_spki(_spki(key))  # curve, RSA size
    except FormatError as error:
        raise Refusal(400, WEAK_KEY) from error
    return key


def _spki(key: CertifiedKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
