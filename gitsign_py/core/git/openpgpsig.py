"""OpenPGP signatures (RFC 9580) checked by our own code, with a key that gpg has already found good for its like.

A strict part of what gpg accepts: one signature of version 4 over a binary document, by RSA, ECDSA or EdDSALegacy and
SHA-2, with the subpackets that gpg and its relatives write. Everything else, and everything that is not good, is left
to gpg. Whether a key counts (its bindings, its end, its revocation) is gpg's affair alone: whoever calls this asks gpg
about one signature of each key, algorithm and hash first (``audit/openpgp.py``).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from gitsign_py.core.encoding import ByteReader, b64_decode
from gitsign_py.errors import FormatError, InvalidSignatureError

_ARMOR = re.compile(
    rb"-----BEGIN PGP SIGNATURE-----\n(?:(?:Version|Comment): [ -~]*\n)*\n"
    rb"((?:[A-Za-z0-9+/]{1,76}\n)*[A-Za-z0-9+/]{1,76}={0,2}\n)(?:=([A-Za-z0-9+/]{4})\n)?"
    rb"-----END PGP SIGNATURE-----\n?\Z"
)
_MOST = 16_384
_CRC_BEGIN, _CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB  # §6.1.1
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
_CREATED, _ISSUER, _SIGNER, _ISSUER_FINGERPRINT = 2, 16, 28, 33  # §5.2.3.7
_CRITICAL = 0x80
_RSA_BITS = (2048, 16384)


class OpenPgpKey(NamedTuple):
    """A key as gpg lists it: fingerprint in upper-case hex, when it was made, algorithm, the numbers of the key."""

    fingerprint: str
    made: int
    algorithm: int
    numbers: tuple[bytes, ...]


class OpenPgpSignature(NamedTuple):
    """A signature as read: a claim until it is verified. ``head`` is what the hash runs over after the document."""

    issuer: bytes
    fingerprint: str
    made: int
    algorithm: int
    hashing: int
    head: bytes
    left: bytes
    numbers: tuple[bytes, ...]


def read_openpgp_signature(armored: bytes) -> OpenPgpSignature:
    """Read a signature of the strict form. Raises FormatError for what is left to gpg."""
    reader = ByteReader(_dearmored(armored))
    body = ByteReader(reader.take(_packet_length(reader)))
    reader.finish()
    whole = body.take(4)
    if whole[:2] != b"\x04\x00" or whole[3] not in _HASHES:
        raise _left("another version, type or hash")
    area = body.opaque(2)
    issuer, fingerprint, made = _named(ByteReader(area), ByteReader(body.opaque(2)))
    left = body.take(2)
    numbers = tuple(_number(body) for _ in range(1 if whole[2] == _RSA else 2))
    body.finish()
    head = whole + len(area).to_bytes(2, "big") + area
    return OpenPgpSignature(issuer, fingerprint, made, whole[2], whole[3], head, left, numbers)


def verify_openpgp_signature(signature: OpenPgpSignature, payload: bytes, key: OpenPgpKey) -> None:
    """Check a signature over ``payload``.

    Raises FormatError for what is left to gpg, InvalidSignatureError where the key says no.
    """
    if key.algorithm != signature.algorithm or signature.fingerprint not in ("", key.fingerprint):
        raise _left("another key")
    if key.made > signature.made:  # gpg: "public key is newer than the signature"
        raise _left("a time before its key's")
    name, algorithm = _HASHES[signature.hashing]
    trailer = b"\x04\xff" + len(signature.head).to_bytes(4, "big")  # §5.2.4
    digest = hashlib.new(name, payload + signature.head + trailer).digest()
    if digest[:2] != signature.left:
        raise InvalidSignatureError("signature-invalid", "signature is over another document")
    try:
        _CHECKS[signature.algorithm](key.numbers, signature.numbers, digest, algorithm())
    except InvalidSignature as error:
        raise InvalidSignatureError("signature-invalid", "signature does not verify with its key") from error
    except (ValueError, KeyError) as error:  # a point that is none, numbers that cannot be
        raise _left("a key that cannot be used here") from error


def _rsa(key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    modulus, exponent = (int.from_bytes(number, "big") for number in key)
    bits = modulus.bit_length()
    if not _RSA_BITS[0] <= bits <= _RSA_BITS[1] or exponent >= 1 << 32:
        raise _left("another size of key")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    signed = _padded(signature[0], (bits + 7) // 8)
    public.verify(signed, digest, padding.PKCS1v15(), Prehashed(algorithm))


def _ecdsa(
    key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, algorithm: hashes.HashAlgorithm
) -> None:
    curve, size = _CURVES[_oid(key[0])]
    if key[1][:1] != b"\x04" or len(key[1]) != 2 * size + 1:  # SEC 1 §2.3.3, uncompressed
        raise _left("a point that is not written in full")
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve(), key[1])
    r, s = (int.from_bytes(number, "big") for number in signature)
    public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(algorithm)))


def _eddsa(
    key: tuple[bytes, ...], signature: tuple[bytes, ...], digest: bytes, _algorithm: hashes.HashAlgorithm
) -> None:
    if _oid(key[0]) != _ED25519 or key[1][:1] != b"\x40" or len(key[1]) != 33:  # §11.2.1: a prefixed native point
        raise _left("another curve")
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
        raise _left("a number that is too long")
    return number.rjust(size, b"\0")


def _dearmored(armored: bytes) -> bytes:
    """§6.2, without whatever may stand around it; the checksum must be right where there is one."""
    found = _ARMOR.match(armored) if len(armored) <= _MOST else None
    if found is None:
        raise _left("another armor")
    data = b64_decode(found[1].replace(b"\n", b""))
    if found[2] is not None and int.from_bytes(b64_decode(found[2]), "big") != _crc24(data):
        raise _left("a wrong checksum")
    return data


def _crc24(data: bytes) -> int:
    crc = _CRC_BEGIN
    for octet in data:
        crc = ((crc << 8) & 0xFFFFFF) ^ _CRC_TABLE[(crc >> 16) ^ octet]
    return crc


def _crc_entry(octet: int) -> int:
    crc = octet << 16
    for _ in range(8):
        crc = crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


_CRC_TABLE = tuple(map(_crc_entry, range(256)))


def _packet_length(reader: ByteReader) -> int:
    """The length of the one packet, which must be a signature, in the formats that are written (§4.2)."""
    head = reader.uint(1)
    if head in (0x88, 0x89):
        return reader.uint(head - 0x87)
    first = reader.uint(1) if head == 0xC2 else 255
    if first < 192:
        return first
    if first > 223:
        raise _left("another packet")
    return ((first - 192) << 8) + reader.uint(1) + 192


def _named(hashed: ByteReader, beside: ByteReader) -> tuple[bytes, str, int]:
    """Key id, fingerprint (may be empty) and time. Each subpacket once, and none but these."""
    found: dict[int, bytes] = {}
    for reader, known in ((hashed, (_CREATED, _ISSUER, _SIGNER, _ISSUER_FINGERPRINT)), (beside, (_ISSUER,))):
        while reader.remaining:
            kind, content = _subpacket(reader)
            if kind not in known or kind in found:
                raise _left("other subpackets")
            found[kind] = content
    named, issuer = found.get(_ISSUER_FINGERPRINT, b""), found.get(_ISSUER, b"")
    fingerprint = named[1:]
    if named and (named[0] != 4 or len(fingerprint) != 20 or issuer not in (b"", fingerprint[-8:])):
        raise _left("two issuers")
    if len(found.get(_CREATED, b"")) != 4 or len(issuer or fingerprint[-8:]) != 8:
        raise _left("no time or issuer")
    return issuer or fingerprint[-8:], fingerprint.hex().upper(), int.from_bytes(found[_CREATED], "big")


def _subpacket(reader: ByteReader) -> tuple[int, bytes]:
    """Kind and content. The time may be critical: every reader knows it."""
    length = reader.uint(1)
    if not 2 <= length < 192:
        raise _left("other subpackets")
    kind, content = reader.uint(1), reader.take(length - 1)
    return (_CREATED if kind == _CREATED | _CRITICAL else kind), content


def _number(reader: ByteReader) -> bytes:
    """§3.2: as many bits as it says, no more and no fewer."""
    bits = reader.uint(2)
    data = reader.take((bits + 7) // 8)
    if not bits or int.from_bytes(data, "big").bit_length() != bits:
        raise _left("a number that is not in its shortest form")
    return data


def _left(what: str) -> FormatError:
    return FormatError("openpgp-signature-unsupported", f"an OpenPGP signature with {what} is left to gpg")
