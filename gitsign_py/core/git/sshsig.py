"""SSH signatures (OpenSSH's PROTOCOL.sshsig) checked by our own code, where nothing but their own key has a say.

A strict part of what ``ssh-keygen -Y verify`` accepts: it is asked about whatever is refused here, and it alone says
that a signature is bad. Keys: Ed25519, ECDSA on the three NIST curves, RSA from 2048 bits by SHA-2, and the first two
on a token (PROTOCOL.u2f) that was touched. Certificates, RSA by SHA-1 and WebAuthn are left to ssh-keygen.
"""

import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gitsign_py.core.encoding import ByteReader, b64_encode, opaque
from gitsign_py.core.git.foreignsig import ssh_signature
from gitsign_py.errors import FormatError, InvalidSignatureError

_MAGIC = b"SSHSIG"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_CURVES: dict[bytes, tuple[type[ec.EllipticCurve], type[hashes.HashAlgorithm], int]] = {  # RFC 5656 §6.2.1 and §10.1
    b"nistp256": (ec.SECP256R1, hashes.SHA256, 32),
    b"nistp384": (ec.SECP384R1, hashes.SHA384, 48),
    b"nistp521": (ec.SECP521R1, hashes.SHA512, 66),
}
_RSA_HASHES: dict[bytes, type[hashes.HashAlgorithm]] = {  # RFC 8332 §3
    b"rsa-sha2-256": hashes.SHA256,
    b"rsa-sha2-512": hashes.SHA512,
}
_RSA_BITS = (2048, 16384)
_TOUCHED = 0x01  # PROTOCOL.u2f, "SSH U2F Signatures": somebody was there
_SK_ED25519, _SK_ECDSA = b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"


def verify_ssh_signature(armored: bytes, message: bytes, namespace: bytes) -> str:
    """Check a signature over ``message`` with the key that is in it. Gives that key's fingerprint, ``SHA256:...``.

    Raises FormatError for what is left to ssh-keygen, InvalidSignatureError where the key says no.
    """
    reader = ByteReader(ssh_signature(armored))
    if reader.take(len(_MAGIC)) != _MAGIC or reader.uint(4) != 1:
        raise _left("another version")
    key, named, reserved = reader.opaque(4), reader.opaque(4), reader.opaque(4)
    algorithm, signature = reader.opaque(4), reader.opaque(4)
    reader.finish()
    if named != namespace or algorithm not in _HASHES:
        raise _left("another namespace or hash")
    digest = _HASHES[algorithm](message).digest()
    _verify(key, signature, _MAGIC + b"".join(opaque(part, 4) for part in (named, reserved, algorithm, digest)))
    return "SHA256:" + b64_encode(hashlib.sha256(key).digest()).rstrip("=")


def _verify(blob: bytes, signature: bytes, data: bytes) -> None:
    key, signed = ByteReader(blob), ByteReader(signature)
    kind, by = key.opaque(4), signed.opaque(4)
    check = _KINDS.get(kind)
    if check is None or kind not in (by, b"ssh-rsa"):
        raise _left("another kind of key")
    try:
        check(key, signed, data, by)
    except InvalidSignature as error:
        raise InvalidSignatureError("signature-invalid", "signature does not verify with its own key") from error
    except ValueError as error:  # a point that is none, numbers that cannot be
        raise _left("a key that is none") from error


def _ed25519(key: ByteReader, signed: ByteReader, data: bytes, _by: bytes) -> None:
    public, signature = key.opaque(4), signed.opaque(4)
    _finish(key, signed)
    ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)


def _ecdsa(key: ByteReader, signed: ByteReader, data: bytes, by: bytes) -> None:
    curve, point, numbers = key.opaque(4), key.opaque(4), ByteReader(signed.opaque(4))
    _finish(key, signed)
    if by != b"ecdsa-sha2-" + curve or curve not in _CURVES:
        raise _left("another curve")
    _verify_ecdsa(curve, point, numbers, data)


def _verify_ecdsa(curve: bytes, point: bytes, numbers: ByteReader, data: bytes) -> None:
    made, hash_of_curve, size = _CURVES[curve]
    r, s = _positive(numbers), _positive(numbers)
    numbers.finish()
    if point[:1] != b"\x04" or len(point) != 2 * size + 1:  # SEC 1 §2.3.3, uncompressed
        raise _left("a point that is not written in full")
    public = ec.EllipticCurvePublicKey.from_encoded_point(made(), point)
    public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hash_of_curve()))


def _rsa(key: ByteReader, signed: ByteReader, data: bytes, by: bytes) -> None:
    exponent, modulus, signature = _positive(key), _positive(key), signed.opaque(4)
    _finish(key, signed)
    bits = modulus.bit_length()
    if by not in _RSA_HASHES or not _RSA_BITS[0] <= bits <= _RSA_BITS[1] or len(signature) != (bits + 7) // 8:
        raise _left("another hash or size")
    if exponent >= 1 << 32:  # whoever writes a key chooses what one verification costs
        raise _left("an exponent that is too large")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(signature, data, padding.PKCS1v15(), _RSA_HASHES[by]())


def _sk_ed25519(key: ByteReader, signed: ByteReader, data: bytes, _by: bytes) -> None:
    public, application, signature = key.opaque(4), key.opaque(4), signed.opaque(4)
    by_token = _by_token(application, signed, data)
    _finish(key, signed)
    ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, by_token)


def _sk_ecdsa(key: ByteReader, signed: ByteReader, data: bytes, _by: bytes) -> None:
    curve, point, application = key.opaque(4), key.opaque(4), key.opaque(4)
    numbers = ByteReader(signed.opaque(4))
    by_token = _by_token(application, signed, data)
    _finish(key, signed)
    if curve != b"nistp256":
        raise _left("another curve")
    _verify_ecdsa(curve, point, numbers, by_token)


def _by_token(application: bytes, signed: ByteReader, data: bytes) -> bytes:
    """The bytes that a token signs: the application's hash, flags, a counter, the message's hash (PROTOCOL.u2f)."""
    flags, counter = signed.take(1), signed.take(4)
    if not flags[0] & _TOUCHED:
        raise _left("a token that nobody touched")
    return hashlib.sha256(application).digest() + flags + counter + hashlib.sha256(data).digest()


def _finish(*readers: ByteReader) -> None:
    for reader in readers:
        reader.finish()


def _positive(reader: ByteReader) -> int:
    """An mpint above zero in its shortest form (RFC 4251 §5)."""
    data = reader.opaque(4)
    if not data or data[0] & 0x80 or (data[0] == 0 and not (len(data) > 1 and data[1] & 0x80)):
        raise _left("a number that is not in its shortest form")
    return int.from_bytes(data, "big")


def _left(what: str) -> FormatError:
    return FormatError("ssh-signature-unsupported", f"an SSH signature with {what} is left to ssh-keygen")


_Check = Callable[[ByteReader, ByteReader, bytes, bytes], None]
_KINDS: dict[bytes, _Check] = {
    b"ssh-ed25519": _ed25519,
    **{b"ecdsa-sha2-" + curve: _ecdsa for curve in _CURVES},
    b"ssh-rsa": _rsa,
    _SK_ED25519: _sk_ed25519,
    _SK_ECDSA: _sk_ecdsa,
}
