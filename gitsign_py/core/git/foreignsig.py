"""The key that an OpenPGP or SSH signature names as its own, from the signature alone: a claim until a program
checked it.
"""

import re

from gitsign_py.core.encoding import ByteReader, b64_decode, b64_encode
from gitsign_py.errors import FormatError

_SSH = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n?\Z")
_KEY_TYPE = re.compile(rb"[a-z0-9@.-]+\Z")  # RFC 4251 §6, as far as OpenSSH's names go: no space, no line end
_EMPTY_LINE = re.compile(rb"(?:\A|\n)[ \t\r\f\v]*\n")
_LAST_LINE = re.compile(rb"\n[ \t\r\f\v]*(?:=|-----END )")
_SIGNATURE_PACKET = 2
_ISSUER_KEY_ID, _ISSUER_FINGERPRINT = 16, 33  # RFC 9580 §5.2.3.12 and §5.2.3.35
_KEY_ID_BYTES = 8
_LENGTH_OF_HASHED = {4: 2, 6: 4}  # RFC 9580 §5.2.3: octets of the count, by the version of the signature
_FINGERPRINT_BYTES = {4: 20, 6: 32}


def ssh_public_key(armored: bytes) -> str:
    """``TYPE BASE64`` of the key within an SSH signature (OpenSSH's PROTOCOL.sshsig); empty when it is none."""
    try:
        reader = ByteReader(ssh_signature(armored))
        if reader.take(6) != b"SSHSIG" or reader.uint(4) != 1:
            return ""
        blob = reader.opaque(4)
        name = ByteReader(blob).opaque(4)
    except FormatError:
        return ""
    return f"{name.decode('ascii')} {b64_encode(blob)}" if _KEY_TYPE.match(name) else ""


def ssh_key_blob(armored: bytes) -> bytes:
    """The key within an SSH signature as it is written there; empty when it is none."""
    return b64_decode(ssh_public_key(armored).partition(" ")[2])


def ssh_signature(armored: bytes) -> bytes:
    """The bytes of an SSH signature without its armor; empty where that is none. Raises FormatError."""
    found = _SSH.match(armored)
    return b64_decode(found[1].replace(b"\n", b"")) if found else b""


def openpgp_may_be_by(armored: bytes, key_ids: "frozenset[bytes]") -> bool:
    """Whether a program that knows keys of these ids (8 bytes each) could find the key of a signature among them.

    A signature names its key by that id, or by a fingerprint that holds it; so one in which none of them occurs is by
    another. Where it is no single signature that can be read here, the answer is yes.
    """
    try:
        data = _dearmored(armored)
    except FormatError:
        return True
    whole = armored.count(b"-----BEGIN ") == 1 and (openpgp_fingerprint(armored) or openpgp_key_id(armored))
    return not whole or any(one in data for one in key_ids)


def openpgp_fingerprint(armored: bytes) -> str:
    """The fingerprint (upper-case hex) that an OpenPGP signature names in its hashed part; empty when there is none.

    It is that of the very key, often a subkey. Signatures older than GnuPG 2.1.16 name 64 bits of it at most.
    """
    return _named(armored, _ISSUER_FINGERPRINT, parts=1)


def openpgp_key_id(armored: bytes) -> str:
    """The 64 bits of a fingerprint (upper-case hex) that a signature names, hashed or not; empty without them.

    GitHub's own key for merges is named so, and every key of an old GnuPG. They serve to find a key, not to trust it.
    """
    return _named(armored, _ISSUER_KEY_ID, parts=2)


def _named(armored: bytes, kind: int, *, parts: int) -> str:
    """Look in the hashed subpackets, and with two ``parts`` in the others as well."""
    try:
        body = _packet(ByteReader(_dearmored(armored)))
        width = _begin(body)
        return next((found for _ in range(parts) if (found := _issuer(ByteReader(body.opaque(width)), kind))), "")
    except FormatError:
        return ""


def _dearmored(armored: bytes) -> bytes:
    """The first block of OpenPGP's own armor: headers, an empty line, base64, a checksum perhaps (RFC 9580 §6.2)."""
    start = _EMPTY_LINE.search(armored)
    end = _LAST_LINE.search(armored, start.end() - 1) if start else None
    body = armored[start.end() : end.start() + 1] if start and end else b""
    if body.translate(None, b"\n").isalnum():
        return b64_decode(body.replace(b"\n", b""))
    return b64_decode(b"".join(line.strip() for line in body.split(b"\n")))


def _packet(reader: ByteReader) -> ByteReader:
    """The body of the first packet, which must be a signature; empty else (RFC 9580 §4.2)."""
    head = reader.uint(1)
    if head & 0xC0 == 0xC0:
        kind, length = head & 0x3F, _length(reader)
    else:
        kind, width = (head >> 2) & 0x0F, 1 << (head & 3)
        length = reader.uint(width) if width < 8 else reader.remaining
    is_signature = head & 0x80 and kind == _SIGNATURE_PACKET
    return ByteReader(reader.take(length) if is_signature else b"")


def _length(reader: ByteReader) -> int:
    """RFC 9580 §4.2.1 and §5.2.3.7 agree below 224, and signatures have no partial lengths."""
    first = reader.uint(1)
    if first < 192:
        return first
    return reader.uint(4) if first == 255 else ((first - 192) << 8) + reader.uint(1) + 192


def _begin(body: ByteReader) -> int:
    """Pass over version, type and two algorithms; gives the octets of the counts that follow (RFC 9580 §5.2.3)."""
    version = body.uint(1)
    body.take(3)
    return _LENGTH_OF_HASHED.get(version, 0)


def _issuer(reader: ByteReader, kind: int) -> str:
    while reader.remaining:
        subpacket = ByteReader(reader.take(_length(reader)))
        if subpacket.uint(1) & 0x7F == kind:  # the upper bit: critical
            size = _KEY_ID_BYTES if kind == _ISSUER_KEY_ID else _FINGERPRINT_BYTES.get(subpacket.uint(1), 0)
            return subpacket.take(size).hex().upper()
    return ""
