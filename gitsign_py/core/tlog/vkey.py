"""Verifier keys: name and public key of who signs notes, as one word of text (C2SP signed-note, "Verifier keys")."""

import hashlib
import re

from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.tlog.note import HINT_BYTES, is_key_name
from gitsign_py.errors import FormatError

ED25519, ECDSA, COSIGNATURE, ML_DSA_COSIGNATURE = 0x01, 0x02, 0x04, 0x06
"""Signature types: signed-note ("Signature types"), and those of witnesses (tlog-cosignature, "Format")."""
MAX_VKEY = 4096
_KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_COSIGNATURE: 1312}
_HINT = re.compile(r"[0-9a-f]{8}\Z")
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410 §4: all of it but the key


@frozen
class VerifierKey:
    """A key under its name: ``type`` is the signature type, ``raw`` the key as the type has it (ECDSA: its SPKI)."""

    name: str
    type: int
    raw: bytes

    @property
    def hint(self) -> bytes:
        """The 4 bytes that stand before its signatures, called key ID by signed-note."""
        if self.type == ECDSA:
            return hashlib.sha256(self.raw).digest()[:HINT_BYTES]
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.raw).digest()[:HINT_BYTES]

    @property
    def public_key(self) -> PublicKey:
        """The key of types 0x01, 0x02 and 0x04. Raises FormatError ``key-...`` for one that is no such key."""
        return load_spki(self.raw if self.type == ECDSA else _ED25519_SPKI + self.raw)

    def __str__(self) -> str:
        return f"{self.name}+{self.hint.hex()}+{b64_encode(bytes([self.type]) + self.raw)}"


def parse_vkey(text: str) -> VerifierKey:
    """Read ``NAME+HINT+BASE64``, so strictly that it is written back the same.

    Raises FormatError ``vkey-malformed``, and ``vkey-unsupported`` for a signature type that is not known here.
    """
    parts = text.split("+", 2)  # base64 has plus signs of its own
    if len(parts) != 3 or len(text) > MAX_VKEY or not is_key_name(parts[0]) or not _HINT.match(parts[1]):
        raise _malformed("it is not NAME+HINT+BASE64, with a hint of 8 lower-case hex digits")
    try:
        parts[0].encode()
        data = b64_decode(parts[2])
    except (UnicodeEncodeError, FormatError) as error:
        raise _malformed("its name is not UTF-8 or its key not base64") from error
    if not data:
        raise _malformed("its key is empty")
    key = VerifierKey(parts[0], data[0], data[1:])
    _check_type(key)
    if key.hint.hex() != parts[1]:
        raise _malformed(f"its name and key have the hint {key.hint.hex()}, and it says {parts[1]}")
    return key


def _check_type(key: VerifierKey) -> None:
    if key.type != ECDSA and key.type not in _KEY_BYTES:
        raise FormatError("vkey-unsupported", f"verifier key has the signature type {key.type:#04x}, not known here")
    expected = _KEY_BYTES.get(key.type)
    if expected is not None and len(key.raw) != expected:
        raise _malformed(f"its key has {len(key.raw)} bytes, type {key.type:#04x} has {expected}")
    if expected is None or expected == 32:
        try:
            found = key.public_key
        except FormatError as error:
            raise _malformed(error.message) from error
        if key.type == ECDSA and not found.kind.startswith("ecdsa"):
            raise _malformed(f"its key is {found.kind}, type {ECDSA:#04x} is ECDSA")


def _malformed(why: str) -> FormatError:
    return FormatError("vkey-malformed", f"verifier key is malformed: {why}")
