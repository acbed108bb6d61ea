"""Key files: PKCS #8 in PEM (RFC 5958, RFC 7468 §10, §11), encrypted when there is a passphrase.

It comes from the environment, as a value or as the name of a file, so that every command that reads keys has it alike.
"""

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gitsign_py.errors import ConfigError

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
VARIABLE, FILE_VARIABLE = "SIGSTORE_STACK_PASSPHRASE", "SIGSTORE_STACK_PASSPHRASE_FILE"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_MAX_FILE = 4096


def passphrase() -> bytes | None:
    """The passphrase that encrypts key files; None for not at all. Raises ConfigError
    ``stack-passphrase-unreadable``.
    """
    path = os.environ.get(FILE_VARIABLE, "")
    if not path:
        return os.environ.get(VARIABLE, "").encode() or None
    try:
        with Path(path).open("rb") as file:
            found = file.read(_MAX_FILE).split(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise ConfigError("stack-passphrase-unreadable", f"cannot read {FILE_VARIABLE}: {error.strerror}") from error
    if not found:
        raise ConfigError("stack-passphrase-unreadable", f"the file that {FILE_VARIABLE} names is empty")
    return found


def write_key(private: PrivateKey) -> bytes:
    """The key as PEM, encrypted when there is a passphrase."""
    word = passphrase()
    how = serialization.BestAvailableEncryption(word) if word else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def parse_key(data: bytes) -> PrivateKey:
    """A server's key. Raises ValueError for what is none, ConfigError ``stack-key-encrypted``."""
    encrypted = _ENCRYPTED in data
    word = passphrase() if encrypted else None
    if encrypted and word is None:
        raise ConfigError(
            "stack-key-encrypted", "the server keys are encrypted", hint=f"set {FILE_VARIABLE} or {VARIABLE}"
        )
    private = serialization.load_pem_private_key(data, word)
    if not isinstance(private, PrivateKey):
        raise ValueError("it is of another kind")
    return private


@lru_cache(maxsize=256)
def read_key(path: str) -> PrivateKey:
    """Key files never change: their name is their hash. Raises ConfigError ``stack-key-unreadable``."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - cached by the text of the path
            return parse_key(file.read())
    except (OSError, ValueError) as error:
        raise ConfigError("stack-key-unreadable", f"cannot read the server key {path}: {error}") from error
