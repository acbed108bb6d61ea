"""OpenPGP signatures (RFC 9580) checked by our own code, with a key that gpg has already found good for its like.

A strict part of what gpg accepts, read by ``openpgpform.py``: RSA, ECDSA and EdDSALegacy by SHA-2. Everything else, and
everything that is not good, is left to gpg. Whether a key counts (its bindings, its end, its revocation) is gpg's
affair alone: callers ask gpg about one signature of each key, algorithm and hash first (``audit/foreign.py``).
"""

import hashlib
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from gitsign_py.core.git.openpgpform import OpenPgpKey, OpenPgpSignature, left_to_gpg
from gitsign_py.errors import InvalidSignatureError

_RSA, _ECDSA, _EDDSA = 1, 19, 22  # §9.1
_HASHES: Mapping[int, tuple[str, type[hashes.HashAlgorithm]]] = {  # §9.5
    8: ("sha256", hashes.SHA256),
    9: ("sha384", hashes.SHA384),
    10: ("sha512", hashes.SHA512),
}
_CURVES: Mapping[bytes, tuple[type[ec.EllipticCurve], int]] = {  # §9.2
    bytes.fromhex("2a8648ce3d030107"): (ec.SECP256R1, 32),
    bytes.fromhex("2b81040022"): (ec.SECP384R1, 48),
    bytes.fromhex("2b81040023"): (ec.SECP521R1, 66),
}
_ED25519 = bytes.fromhex("2b06010401da470f01")
_RSA_BITS = (2048, 16384)


def verify_openpgp_signature(signature: OpenPgpSignature, payload: bytes, key: OpenPgpKey) -> None:
    """Check a signature over ``payload``.

    Raises FormatError for what is left to gpg, InvalidSignatureError where the key says no.
    """
    if key.algorithm != signature.algorithm or signature.fingerprint not in ("", key.fingerprint):
        raise left_to_gpg("another key")
    if key.made > signature.made:  # gpg: "public key is newer than the signature"
        raise left_to_gpg("a time before its key's")
    name, algorithm = _HASHES[signature.hashing]
    trailer = b"\x04\xff" + len(signature.head).to_bytes(4, "big")  # §5.2.4
    digest = hashlib.new(name, payload + signature.head + trailer).digest()
    if digest[:2] != signature.left:
        raise InvalidSignatureError("signature-invalid", "signature is over another document")
    try:
        _CHECKS[signature.algorithm](key.numbers, signature.numbers, digest, algorithm())
    except InvalidSignature as error:
        raise InvalidSignatureError("signature-invalid", "signature does not verify with its key") from error
    except (ValueError, LookupError) as error:  # a point that is none, numbers that cannot be
        raise left_to_gpg("a key that cannot be used here") from error


def _rsa(key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    modulus, exponent = (int.from_bytes(number, "big") for number in key)
    bits = modulus.bit_length()
    if not _RSA_BITS[0] <= bits <= _RSA_BITS[1] or exponent >= 1 << 32:
        raise left_to_gpg("another size of key")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    signed = _padded(signature[0], (bits + 7) // 8)
    public.verify(signed, digest, padding.PKCS1v15(), Prehashed(algorithm))


def _ecdsa(
    key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, algorithm: hashes.HashAlgorithm
) -> None:
    curve, size = _CURVES[_oid(key[0])]
    if key[1][:1] != b"\x04" or len(key[1]) != 2 * size + 1:  # SEC 1 §2.3.3, uncompressed
        raise left_to_gpg("a point that is not written in full")
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve(), key[1])
    r, s = (int.from_bytes(number, "big") for number in signature)
    public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(algorithm)))


def _eddsa(
    key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, _algorithm: hashes.HashAlgorithm
) -> None:
    if _oid(key[0]) != _ED25519 or key[1][:1] != b"\x40" or len(key[1]) != 33:  # §11.2.1: a prefixed native point
        raise left_to_gpg("another curve")
    public = ed25519.Ed25519PublicKey.from_public_bytes(key[1][1:])
    public.verify(b"".join(_padded(number, 32) for number in signature), digest)


_CHECKS: Mapping[
    int, Callable[[tuple[bytes, ...], tuple[bytes, ...], bytes, hashes.HashAlgorithm], None]
] = {_RSA: _rsa, _ECDSA: _ecdsa, _EDDSA: _eddsa}  # fmt: skip


def _oid(number: bytes) -> bytes:
    """A curve's name with its length before it, as gpg lists it."""
    return number[1:] if number[:1] == bytes([len(number) - 1]) else b""


def _padded(number: bytes, size: int) -> bytes:
    if len(number) > size:
        raise left_to_gpg("a number that is too long")
    return number.rjust(size, b"\0")
