"""An OpenPGP key and its signatures by the thousand, without a process for each (RFC 9580, version 4, EdDSALegacy)."""

import hashlib
from base64 import b64encode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

_OID = bytes.fromhex("2b06010401da470f01")  # Ed25519Legacy, §9.2
_MADE = 1_700_000_000
_USER = b"pat <pat@example.com>"
_EDDSA, _SHA256 = 22, 8
_BINARY, _CERTIFICATION, _REVOCATION, _KEY, _USER_ID, _SIGNATURE = 0x00, 0x13, 0x20, 6, 13, 2


class OpenPgpSigner:
    """A key that signs; always the same one."""

    def __init__(self, seed: bytes = b"\x06" * 32) -> None:
        self._private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        point = _mpi(b"\x40" + raw)
        self._body = b"\x04" + _MADE.to_bytes(4, "big") + bytes([_EDDSA, len(_OID)]) + _OID + point
        self._framed = b"\x99" + len(self._body).to_bytes(2, "big") + self._body
        self.fingerprint = hashlib.sha1(self._framed).hexdigest().upper()

    @property
    def public(self) -> bytes:
        """The certificate, as gpg imports it."""
        return self._certificate(_MADE)

    @property
    def revocation(self) -> bytes:
        """The certificate with its revocation."""
        return _packet(_KEY, self._body) + self._signature(_REVOCATION, self._framed, _MADE + 30)

    def expiring(self, seconds: int) -> bytes:
        """The certificate with a newer word: that it ends so long after it was made (§5.2.3.13)."""
        return self._certificate(_MADE + 10, b"\x05\x09" + seconds.to_bytes(4, "big"))

    def _certificate(self, at: int, more: bytes = b"") -> bytes:
        user = b"\xb4" + len(_USER).to_bytes(4, "big") + _USER
        flags = b"\x02\x1b\x03"  # certify and sign
        own = self._signature(_CERTIFICATION, self._framed + user, at, flags + more)
        return _packet(_KEY, self._body) + _packet(_USER_ID, _USER) + own

    def sign(self, payload: bytes) -> bytes:
        """An armored signature."""
        data = self._signature(_BINARY, payload, _MADE + 60)
        lines = b64encode(data).decode()
        body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
        return f"-----BEGIN PGP SIGNATURE-----\n\n{body}\n-----END PGP SIGNATURE-----\n".encode()

    def _signature(self, kind: int, data: bytes, at: int, more: bytes = b"") -> bytes:
        """§5.2.3 and §5.2.4."""
        name = bytes.fromhex(self.fingerprint)
        hashed = b"\x05\x02" + at.to_bytes(4, "big") + b"\x16\x21\x04" + name + more
        head = bytes([4, kind, _EDDSA, _SHA256]) + len(hashed).to_bytes(2, "big") + hashed
        digest = hashlib.sha256(data + head + b"\x04\xff" + len(head).to_bytes(4, "big")).digest()
        signed = self._private.sign(digest)
        rest = b"\x00\x0a\x09\x10" + name[-8:] + digest[:2]
        return _packet(_SIGNATURE, head + rest + _mpi(signed[:32]) + _mpi(signed[32:]))


def _packet(tag: int, body: bytes) -> bytes:
    """§4.2.1; all bodies here are shorter than 8384 bytes."""
    size = len(body)
    length = bytes([size]) if size < 192 else bytes([((size - 192) >> 8) + 192, (size - 192) & 0xFF])
    return bytes([0xC0 | tag]) + length + body


def _mpi(data: bytes) -> bytes:
    number = data.lstrip(b"\0")
    bits = int.from_bytes(number, "big").bit_length()
    return bits.to_bytes(2, "big") + number
