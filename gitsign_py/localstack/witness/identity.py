"""A witness's name and Ed25519 key, in a directory of its own: made once, on disk before anybody is told of it."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import note
from gitsign_py.core.tlog.vkey import COSIGNATURE, VerifierKey, parse_vkey
from gitsign_py.errors import ConfigError, FormatError, UsageError
from gitsign_py.host.paths import private_directory
from gitsign_py.host.privatefile import open_private, sync_directory, write_whole
from gitsign_py.localstack.keyfiles import parse_key, write_key

KEY, NAME, RECORD = "key.pem", "vkey", "witness.sqlite"
_MAX_FILE = 64 * 1024


@frozen
class WitnessIdentity:
    """Who cosigns: the verifier key that others put into their policies, and the private key."""

    key: VerifierKey
    private: ed25519.Ed25519PrivateKey

    def cosign(self, text: bytes, time: int) -> note.NoteSignature:
        """Sign a checkpoint's text, stating the time (POSIX seconds) in it."""
        return note.cosign(self.key.name, self.key.public_key, self.private.sign, text, time)


def make_identity(directory: Path, name: str) -> WitnessIdentity:
    """Make key and name.

    Raises UsageError ``witness-name-invalid``, ConfigError ``witness-exists``, ``witness-unusable``.
    """
    if not note.is_key_name(name) or len(name) > 255 or not name.isprintable():
        raise UsageError(
            "witness-name-invalid",
            f"{name[:100]!r} is no name for a witness",
            hint="give a URL without its scheme, such as witness.example.com/team",
        )
    private = ed25519.Ed25519PrivateKey.generate()
    key = VerifierKey(name, COSIGNATURE, private.public_key().public_bytes_raw())
    try:
        private_directory(directory)
        _write_once(directory / KEY, write_key(private))
        write_whole(directory / NAME, f"{key}\n".encode(), 0o644, synced=True)
    except FileExistsError as error:
        raise ConfigError(
            "witness-exists",
            f"{directory} has the key of a witness already",
            hint="a second name needs a second key: give another directory (--dir)",
        ) from error
    except OSError as error:
        raise _unusable(directory, error.strerror or str(error)) from error
    return WitnessIdentity(key, private)


def _write_once(path: Path, data: bytes) -> None:
    """A whole file under this name, or none; one that is there stays (link(2))."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(open_private(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def read_identity(directory: Path) -> WitnessIdentity:
    """Read them. Raises ConfigError ``witness-missing``, ``witness-unusable``, ``stack-key-encrypted``."""
    try:
        data, named = ((directory / name).read_bytes()[:_MAX_FILE] for name in (KEY, NAME))
        private, key = parse_key(data), parse_vkey(named.decode().removesuffix("\n"))
    except FileNotFoundError as error:
        raise ConfigError(
            "witness-missing",
            f"there is no witness in {directory}",
            hint="make one: gitsign-py monitor --witness init --name NAME",
        ) from error
    except (OSError, ValueError, FormatError) as error:
        raise _unusable(directory, str(error)) from error
    if not isinstance(private, ed25519.Ed25519PrivateKey) or private.public_key().public_bytes_raw() != key.raw:
        raise _unusable(directory, f"{KEY} is not the key that {NAME} names")
    return WitnessIdentity(key, private)


def _unusable(directory: Path, why: str) -> ConfigError:
    return ConfigError("witness-unusable", f"the witness in {directory} cannot be used: {why}")
