"""The requests that the local Rekor v2 takes: ``hashedRekordRequestV002``, checked, becomes the canonical body of an
entry.

Source: sigstore/rekor-tiles v2, api/proto (messages, read as protobuf JSON) and pkg/types/hashedrekord (checks).
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gitsign_py.core.pki.keydetails import KeyDetails, key_details
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.protojson import Message
from gitsign_py.core.tlog.hashedrekord import VerifierKind, hashedrekord_v002_body
from gitsign_py.errors import FormatError, InvalidSignatureError
from gitsign_py.localstack.service import Refusal, Request

REQUEST = "hashedRekordRequestV002"
_ENVELOPE_REQUEST = "dsseRequestV002"
"""The request that early servers took for DSSE envelopes; since rekor-tiles 2 these are logged as hashedrekord over
the PAE.
"""
# keyDetails (protobuf-specs, PublicKeyDetails) that the real server takes, with the size of an RSA key in bits.
# It takes PKIX_ED25519_PH too; cryptography has no pre-hashed Ed25519.
_TAKEN = {
    "PKIX_ECDSA_P256_SHA_256": 0,
    "PKIX_ECDSA_P384_SHA_384": 0,
    "PKIX_ECDSA_P521_SHA_512": 0,
    "PKIX_RSA_PKCS1V15_2048_SHA256": 2048,
    "PKIX_RSA_PKCS1V15_3072_SHA256": 3072,
    "PKIX_RSA_PKCS1V15_4096_SHA256": 4096,
}
_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


def propose(request: Request) -> bytes:
    """Check a request, its signature included, and give the canonical body (RFC 8785). Raises Refusal 400."""
    try:
        top = Message(request.json_object(), (REQUEST, _ENVELOPE_REQUEST), "request")
        if top.only_one(REQUEST, _ENVELOPE_REQUEST) != REQUEST:
            raise Refusal(400, "invalid type, must be hashedrekord")
        return _body(_child(top, REQUEST, "digest", "signature"))
    except FormatError as error:
        raise Refusal(400, f"proto: {error.message}") from error


def _body(asked: Message) -> bytes:
    signature = _child(asked, "signature", "content", "verifier")
    verifier = _child(signature, "verifier", "publicKey", "x509Certificate", "keyDetails")
    digest, content = asked.data("digest"), signature.data("content")
    details = key_details(verifier.value("keyDetails"))
    which = verifier.only_one("publicKey", "x509Certificate")
    if which is None or details is None or details.name not in _TAKEN or len(digest) != _SIZES[details.hash_name]:
        raise _invalid()
    raw = _child(verifier, which, "rawBytes").data("rawBytes")
    try:
        _key(raw, which, details).verify_digest(content, digest, details.hash_name)
    except (InvalidSignatureError, FormatError) as error:
        raise _invalid() from error
    kind: VerifierKind = "certificate" if which == "x509Certificate" else "public-key"
    return hashedrekord_v002_body(digest, content, raw, details.name, verifier_kind=kind)


def _key(raw: bytes, which: str, details: KeyDetails) -> PublicKey:
    try:
        native: PublicKeyTypes
        if which == "x509Certificate":
            native = x509.load_der_x509_certificate(raw).public_key()
        else:
            native = serialization.load_der_public_key(raw)
        spki = native.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid() from error
    key = load_spki(spki)
    bits = native.key_size if isinstance(native, rsa.RSAPublicKey) else 0
    if key.kind != details.kind or bits != _TAKEN[details.name]:
        raise _invalid()
    return key


def _invalid() -> Refusal:
    """The one sentence that the real server has for all of these."""
    return Refusal(400, "invalid hashedrekord request")


def _child(parent: Message, name: str, *fields: str) -> Message:
    found = parent.message(name, fields)
    if found is None:
        raise _invalid()
    return found
