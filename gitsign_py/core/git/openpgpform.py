"""OpenPGP signatures (RFC 9580) in the strict form that ``core/git/openpgpsig.py`` verifies, read and no more.

One signature of version 4 over a binary document by SHA-2, with the subpackets that gpg and its relatives write. No
end of its own is among them: such a signature stays what it is. Everything else is left to gpg.
"""

import re
from typing import NamedTuple

from gitsign_py.core.encoding import ByteReader, b64_decode
from gitsign_py.errors import FormatError

_ARMOR = re.compile(
    rb"-----BEGIN PGP SIGNATURE-----\n(?:(?:Version|Comment): [ -~]*\n)*\n"
    rb"((?:[A-Za-z0-9+/]{1,76}\n)*[A-Za-z0-9+/]{1,76}={0,2}\n)(?:=([A-Za-z0-9+/]{4})\n)?"
    rb"-----END PGP SIGNATURE-----\n?\Z"
)
_MOST = 16_384
_CRC_BEGIN, _CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB  # §6.1.1
_RSA = 1  # §9.1
_HASHES = frozenset({8, 9, 10})  # §9.5: SHA-256, SHA-384, SHA-512
_CREATED, _ISSUER, _SIGNER, _ISSUER_FINGERPRINT = 2, 16, 28, 33  # §5.2.3.7
_CRITICAL = 0x80


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
        raise left_to_gpg("another version, type or hash")
    area = body.opaque(2)
    issuer, fingerprint, made = _named(ByteReader(area), ByteReader(body.opaque(2)))
    left = body.take(2)
    numbers = tuple(_number(body) for _ in range(1 if whole[2] == _RSA else 2))
    body.finish()
    head = whole + len(area).to_bytes(2, "big") + area
    return OpenPgpSignature(issuer, fingerprint, made, whole[2], whole[3], head, left, numbers)


def _dearmored(armored: bytes) -> bytes:
    """§6.2, without whatever may stand around it; the checksum must be right where there is one."""
    found = _ARMOR.match(armored) if len(armored) <= _MOST else None
    if found is None:
        raise left_to_gpg("another armor")
    data = b64_decode(found[1].replace(b"\n", b""))
    if found[2] is not None and int.from_bytes(b64_decode(found[2]), "big") != _crc24(data):
        raise left_to_gpg("a wrong checksum")
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
        raise left_to_gpg("another packet")
    return ((first - 192) << 8) + reader.uint(1) + 192


def _named(hashed: ByteReader, beside: ByteReader) -> tuple[bytes, str, int]:
    """Key id, fingerprint (may be empty) and time. Each subpacket once, and none but these."""
    found: dict[int, bytes] = {}
    for reader, known in ((hashed, (_CREATED, _ISSUER, _SIGNER, _ISSUER_FINGERPRINT)), (beside, (_ISSUER,))):
        while reader.remaining:
            kind, content = _subpacket(reader)
            if kind not in known or kind in found:
                raise left_to_gpg("other subpackets")
            found[kind] = content
    named, issuer = found.get(_ISSUER_FINGERPRINT, b""), found.get(_ISSUER, b"")
    fingerprint = named[1:]
    if named and (named[0] != 4 or len(fingerprint) != 20 or issuer not in (b"", fingerprint[-8:])):
        raise left_to_gpg("two issuers")
    if len(found.get(_CREATED, b"")) != 4 or len(issuer or fingerprint[-8:]) != 8:
        raise left_to_gpg("no time or issuer")
    return issuer or fingerprint[-8:], fingerprint.hex().upper(), int.from_bytes(found[_CREATED], "big")


def _subpacket(reader: ByteReader) -> tuple[int, bytes]:
    """Kind and content. The time may be critical: every reader knows it."""
    length = reader.uint(1)
    if not 2 <= length < 192:
        raise left_to_gpg("other subpackets")
    kind, content = reader.uint(1), reader.take(length - 1)
    return (_CREATED if kind == _CREATED | _CRITICAL else kind), content


def _number(reader: ByteReader) -> bytes:
    """§3.2: as many bits as it says, no more and no fewer."""
    bits = reader.uint(2)
    data = reader.take((bits + 7) // 8)
    if not bits or int.from_bytes(data, "big").bit_length() != bits:
        raise left_to_gpg("a number that is not in its shortest form")
    return data


def left_to_gpg(what: str) -> FormatError:
    """The error about a signature that gpg is to judge."""
    return FormatError("openpgp-signature-unsupported", f"an OpenPGP signature with {what} is left to gpg")
