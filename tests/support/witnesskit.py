"""Witnesses for tests: keys that follow from a number, their lines in a policy, their cosignatures on a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519

from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, format_checkpoint, seal_checkpoint
from gitsign_py.core.tlog.vkey import COSIGNATURE, ED25519, VerifierKey
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy, parse_policy

ORIGIN = "log.example.com"
NOW = 1_800_000_000


def private(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def vkey(name: str, number: int, kind: int = COSIGNATURE) -> VerifierKey:
    return VerifierKey(name, kind, private(number).public_key().public_bytes_raw())


@dataclass(frozen=True)
class Cosigner:
    """A witness with the key of this number."""

    name: str
    number: int

    @property
    def key(self) -> VerifierKey:
        return vkey(f"{self.name}.example.net", self.number)

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.key}"

    def cosign(self, text: bytes, time: int = NOW) -> note.NoteSignature:
        """Its line below a checkpoint's text."""
        return note.cosign(self.key.name, self.key.public_key, private(self.number).sign, text, time)


A, B, C = Cosigner("a", 1), Cosigner("b", 2), Cosigner("c", 3)
LOG = vkey(ORIGIN, 200, ED25519)


def log_key() -> PublicKey:
    return LOG.public_key


def policy(*lines: str, witnesses: Sequence[Cosigner] = (A, B, C)) -> WitnessPolicy:
    """A policy over these witnesses, with further lines."""
    return parse_policy("".join(f"{line}\n" for line in (*(one.line for one in witnesses), *lines)).encode())


def checkpoint(size: int = 1, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, merkle.leaf_hash(b"%d" % size))


def sealed(of: Checkpoint, *cosignatures: note.NoteSignature) -> bytes:
    """A checkpoint signed by the log, with these lines below its own."""
    own = note.parse_note(seal_checkpoint(of, log_key(), private(200).sign))
    return note.format_note(own.text, (*own.signatures, *cosignatures))


def cosigned(*several: Cosigner, of: Checkpoint | None = None, time: int = NOW) -> bytes:
    """A checkpoint with the cosignatures of these witnesses."""
    of = of or checkpoint()
    return sealed(of, *(one.cosign(format_checkpoint(of), time) for one in several))
