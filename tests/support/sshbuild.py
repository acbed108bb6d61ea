"""SSH signatures by the thousand, without a process for each (OpenSSH's PROTOCOL.sshsig, Ed25519)."""

import hashlib
from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric import ed25519

from gitsign_py.core.encoding import opaque

_TYPE = b"ssh-ed25519"


def words(*parts: bytes) -> bytes:
    """Strings as SSH writes them (RFC 4251 §5), one after the other."""
    return b"".join(opaque(part, 4) for part in parts)


class SshSigner:
    """A key that signs, made from a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.blob = words(_TYPE, self._private.public_key().public_bytes_raw())

    @property
    def public(self) -> str:
        """Type and key, without a comment."""
        return f"{_TYPE.decode()} {b64encode(self.blob).decode()}"

    def sign(self, payload: bytes, namespace: bytes = b"git") -> bytes:
        """An armored signature."""
        digest = hashlib.sha512(payload).digest()
        signed = self._private.sign(b"SSHSIG" + words(namespace, b"", b"sha512", digest))
        tail = words(self.blob, namespace, b"", b"sha512", words(_TYPE, signed))
        body = b64encode(b"SSHSIG" + (1).to_bytes(4, "big") + tail).decode()
        lines = [body[at : at + 70] for at in range(0, len(body), 70)]
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()
