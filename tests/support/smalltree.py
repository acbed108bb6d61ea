"""A Merkle tree of some leaves with every hash by definition (RFC 6962 §2.1), and a head of a log over it."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.tlog import merkle
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity

LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(140)]
ORIGIN = "ct.example.com/2026"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = load_spki(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
LOG = TransparencyLogInstance(
    f"https://{ORIGIN}/",
    "SHA2_256",
    PUBLIC,
    "PKIX_ECDSA_P256_SHA_256",
    Validity(parse_rfc3339("2020-01-01T00:00:00Z"), None),
    PUBLIC.key_id,
)


@cache
def hash_at(level: int, index: int) -> bytes:
    if level == 0:
        return LEAVES[index]
    return merkle.node_hash(hash_at(level - 1, 2 * index), hash_at(level - 1, 2 * index + 1))


@cache
def root(size: int) -> bytes:
    return merkle.root(size, hash_at)
