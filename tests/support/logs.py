"""Transparency logs in memory for the tests: Rekor v1's style (ECDSA, SETs, tree ids) and tiled (Ed25519, origins)."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.tlog import merkle, note
from gitsign_py.core.tlog.checkpoint import Checkpoint, seal_checkpoint
from gitsign_py.core.tlog.entrytypes import InclusionProof, LogEntry
from gitsign_py.core.tlog.logentry import set_payload
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
TREE_ID = "6332920020225541387"
TIME = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
_DETAILS = {
    "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
    "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
    "ed25519": "PKIX_ED25519",
}
_HASHES = {"ecdsa-p256": hashes.SHA256(), "ecdsa-p384": hashes.SHA384()}


def public(key: Key) -> PublicKey:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return load_spki(key.public_key().public_bytes(encoding, form))


class MemoryLog:
    """A log with a key of its own. ``tiled`` signs under its origin and states no times."""

    def __init__(self, name: str = "log.example.com", *, key: Key | None = None, tiled: bool = False) -> None:
        default: Key = ed25519.Ed25519PrivateKey.generate() if tiled else ec.generate_private_key(ec.SECP256R1())
        self.name, self.tiled, self.key = name, tiled, key or default
        self.public = public(self.key)
        self.origin = name if tiled else f"{name} - {TREE_ID}"
        self.log_id = note.key_id(name, self.public) if tiled else self.public.key_id
        self.bodies: list[bytes] = []
        self._nodes: dict[tuple[int, int], bytes] = {}

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(_HASHES[self.public.kind]))

    def trusted(self, *, start: datetime | None = START, end: datetime | None = END) -> TransparencyLogInstance:
        return TransparencyLogInstance(
            base_url=f"https://{self.name}",
            hash_algorithm="SHA2_256",
            public_key=self.public,
            key_details=_DETAILS[self.public.kind],
            valid_for=Validity(start, end),
            log_id=self.log_id,
        )

    def fill(self, count: int) -> None:
        for number in range(count):
            self.append(b"filler %d of %d" % (number, len(self.bodies)))

    def append(self, body: bytes) -> int:
        index = len(self.bodies)
        self.bodies.append(body)
        for level, at, value in merkle.complete_subtrees(index, merkle.leaf_hash(body), self.hash_at):
            self._nodes[level, at] = value
        return index

    def hash_at(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def root(self, size: int | None = None) -> bytes:
        return merkle.root(len(self.bodies) if size is None else size, self.hash_at)

    def checkpoint(self, size: int | None = None, *, origin: str | None = None) -> bytes:
        size = len(self.bodies) if size is None else size
        return seal_checkpoint(Checkpoint(origin or self.origin, size, self.root(size)), self.public, self.sign)

    def proof(self, index: int) -> InclusionProof:
        size = len(self.bodies)
        path = merkle.prove_inclusion(index, size, self.hash_at)
        return InclusionProof(index, self.root(), size, path, self.checkpoint())

    def entry(self, index: int, *, offset: int = 0, time: int | None = None, version: str | None = None) -> LogEntry:
        """The entry with its proof; ``offset`` is the number of entries in earlier shards (Rekor v1)."""
        bare = LogEntry(
            log_index=index + offset,
            log_id=self.log_id,
            kind="hashedrekord",
            version=version or ("0.0.2" if self.tiled else "0.0.1"),
            integrated_time=(0 if self.tiled else TIME) if time is None else time,
            signed_entry_timestamp=b"",
            inclusion_proof=self.proof(index),
            body=self.bodies[index],
        )
        return bare if self.tiled else self.promise(bare)

    def promise(self, entry: LogEntry) -> LogEntry:
        return LogEntry(
            entry.log_index,
            entry.log_id,
            entry.kind,
            entry.version,
            entry.integrated_time,
            self.sign(set_payload(entry)),
            entry.inclusion_proof,
            entry.body,
        )
