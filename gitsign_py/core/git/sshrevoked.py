"""Lists of revoked SSH keys, as far as they can clear a key: a KRL (OpenSSH's PROTOCOL.krl), or public keys by line.

A strict part of what ssh-keygen reads. Nobody is told here that a key is revoked: one that is in the list, and every
key where the list is not understood to its last byte, is left to ssh-keygen. Lists with signatures or extensions are
such a case.
"""

import hashlib
import re
from typing import NamedTuple

from gitsign_py.core.encoding import ByteReader, b64_decode, b64_encode
from gitsign_py.errors import FormatError

MAX_BYTES = 16 << 20
_MAGIC = b"SSHKRL\n\0"
_CERTIFICATES, _KEYS, _SHA1, _SHA256 = 1, 2, 3, 5
_DIGEST_BYTES = {_SHA1: 20, _SHA256: 32}
_SERIALS, _RANGE, _BITMAP, _KEY_IDS = 0x20, 0x21, 0x22, 0x23
_BITMAP_BYTES = 2048
_RSA_LEAST_BITS = 2048
_LINE = re.compile(rb"([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\n\0]*)?\Z")
_PLAIN_KINDS = frozenset(
    {
        b"ssh-ed25519",
        b"ssh-rsa",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"sk-ssh-ed25519@openssh.com",
        b"sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


class RevokedSshKeys(NamedTuple):
    """What a list revokes: keys as blobs, and digests of blobs."""

    keys: frozenset[bytes]
    sha1: frozenset[bytes]
    sha256: frozenset[bytes]

    def clears(self, blob: bytes) -> bool:
        """Whether a plain key is certainly not in the list."""
        return not (
            blob in self.keys
            or hashlib.sha1(blob, usedforsecurity=False).digest() in self.sha1
            or hashlib.sha256(blob).digest() in self.sha256
        )


NONE = RevokedSshKeys(frozenset(), frozenset(), frozenset())


def read_revoked(data: bytes) -> RevokedSshKeys:
    """Read a list. Raises FormatError for one that is left to ssh-keygen."""
    if len(data) > MAX_BYTES:
        raise _left("of more than 16 MiB")
    return _read_krl(ByteReader(data[len(_MAGIC) :])) if data.startswith(_MAGIC) else _read_lines(data)


def _read_lines(data: bytes) -> RevokedSshKeys:
    """OpenSSH's authfile.c, sshkey_in_file: a line that is no key there hides all others below it."""
    lines = (line.lstrip(b" \t") for line in data.split(b"\n"))
    return RevokedSshKeys(
        frozenset(_line(line) for line in lines if line and not line.startswith(b"#")), frozenset(), frozenset()
    )


def _line(line: bytes) -> bytes:
    found = _LINE.match(line)
    if found is None or found[1] not in _PLAIN_KINDS:
        raise _left("with other lines than keys")
    blob = b64_decode(found[2])
    if ByteReader(blob).opaque(4) != found[1]:
        raise _left("with a key of two kinds")
    return blob


def _read_krl(reader: ByteReader) -> RevokedSshKeys:
    """Header: format, version, time, flags, two strings. Then sections."""
    if reader.uint(4) != 1:
        raise _left("of another version")
    reader.take(24)
    reader.opaque(4)
    reader.opaque(4)
    found: dict[int, set[bytes]] = {_KEYS: set(), _SHA1: set(), _SHA256: set()}
    while reader.remaining:
        kind, section = reader.uint(1), ByteReader(reader.opaque(4))
        if kind == _CERTIFICATES:
            _pass_certificates(section)
        elif kind in found:
            found[kind].update(_strings(section, _DIGEST_BYTES.get(kind, 0)))
        else:
            raise _left("with other sections")
    return RevokedSshKeys(frozenset(found[_KEYS]), frozenset(found[_SHA1]), frozenset(found[_SHA256]))


def _strings(section: ByteReader, size: int) -> list[bytes]:
    found = []
    while section.remaining:
        found.append(one := section.opaque(4))
        if not one or (size and len(one) != size):
            raise _left("with a digest of another size")
    return found


def _pass_certificates(section: ByteReader) -> None:
    """Certificates are left to ssh-keygen; their part is read all the same, since it stops at what it cannot read."""
    _check_authority(section.opaque(4))
    section.opaque(4)
    while section.remaining:
        kind, part = section.uint(1), section.opaque(4)
        if kind == _SERIALS and len(part) % 8 == 0 and all(any(part[at : at + 8]) for at in range(0, len(part), 8)):
            continue
        if kind == _RANGE and len(part) == 16 and any(part[:8]) and part[:8] <= part[8:]:
            continue
        if kind == _BITMAP and _is_bitmap(ByteReader(part)):
            continue
        if kind != _KEY_IDS:
            raise _left("with other parts for certificates")
        _strings(ByteReader(part), 0)


def _check_authority(blob: bytes) -> None:
    """ssh-keygen reads the authority's key (none stands for any), and goes no further than one that it cannot use."""
    if not blob:
        return
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - few lists have this part
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    try:
        text = ByteReader(blob).opaque(4) + b" " + b64_encode(blob).encode()
        key = serialization.load_ssh_public_key(text)
        same = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH) == text
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _left("with an authority that is none") from error
    if not same or (isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_LEAST_BITS):
        raise _left("with an authority that is none")


def _is_bitmap(part: ByteReader) -> bool:
    """The first serial number, and a positive number in its shortest form (RFC 4251 §5) whose bits count from there."""
    first, bits = part.uint(8), part.opaque(4)
    part.finish()
    shortest = bits and not bits[0] & 0x80 and (bits[0] or (len(bits) > 1 and bits[1] & 0x80))
    return 0 < first < 1 << 63 and bool(shortest) and len(bits) <= _BITMAP_BYTES


def _left(what: str) -> FormatError:
    return FormatError("ssh-revocations-unsupported", f"a list of revoked SSH keys {what} is left to ssh-keygen")
