"""What the tests of the services need again and again: a certified key, a proposed entry, the shape of a JSON body."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from tests.support.stack import RunningStack, StackAnswer

REAL = Path(__file__).resolve().parents[1] / "vectors" / "foreign" / "realstack" / "http" / "probe"
PEM_SPKI = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ecdsa(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return private.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class Certified:
    """A fresh key with its chain, leaf first."""

    private: ec.EllipticCurvePrivateKey
    chain: tuple[bytes, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.chain[0])

    def entry(self, data: bytes) -> dict[str, Any]:
        """A proposed hashedrekord over ``data``."""
        value = {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
        signature = {"content": b64(ecdsa(self.private, data)), "publicKey": {"content": b64(self.chain[0])}}
        return {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {"data": {"hash": value}, "signature": signature},
        }


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signing_request(private: ec.EllipticCurvePrivateKey, token: str, challenge: str) -> dict[str, Any]:
    """The body of Fulcio v2 with a public key and its proof of possession."""
    public = {"algorithm": "ECDSA", "content": private.public_key().public_bytes(*PEM_SPKI).decode()}
    proof = b64(ecdsa(private, challenge.encode()))
    return {
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {"publicKey": public, "proofOfPossession": proof},
    }


def certify(stack: RunningStack, email: str = "alice@example.com") -> Certified:
    """A certificate of the running stack for a fresh key."""
    private = new_key()
    answer = stack.post("/api/v2/signingCert", signing_request(private, stack.token(email), email))
    assert answer.status == 200, answer.body
    return Certified(private, chain_of(answer))


def chain_of(answer: StackAnswer) -> tuple[bytes, ...]:
    """The certificates of a Fulcio v2 answer, PEM, leaf first."""
    return tuple(pem.encode() for pem in answer.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"])


def trusted_root(stack: RunningStack) -> TrustedRoot:
    return parse_trusted_root(stack.trusted_root.read_bytes())


@dataclass(frozen=True)
class Recorded:
    """One answer of a real server: status, media type, JSON body or None, header names."""

    status: int
    media_type: str
    body: bytes
    headers: frozenset[str]


def recorded(name: str) -> Recorded:
    """The answer in the transcript ``name`` (its service and number)."""
    service, number = name.split("/")
    (path,) = (REAL / service).glob(f"{number}-*.http")
    answer = path.read_bytes().split(b"=== response ===", 1)[1].lstrip(b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().splitlines()
    headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}
    return Recorded(int(status.split()[1]), headers.get("content-type", ""), body, frozenset(headers))


ODD_VALUES: tuple[Any, ...] = (None, "", 0, -1, 1.5, True, [], {}, [[]], ["x"], [None])
ODD_VALUES += ("\ud800", "\u00e4", "A", "AAAA", "====", "x" * 50)


def spoiled(value: Any) -> Iterator[Any]:
    """The JSON value again and again, each time with another value somewhere in it."""
    yield from ODD_VALUES
    if isinstance(value, dict):
        for name, item in value.items():
            yield from ({**value, name: other} for other in spoiled(item))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ([*value[:number], other, *value[number + 1 :]] for other in spoiled(item))


def shape(value: object) -> object:
    """JSON with types in place of values: dictionaries keep their keys unless those are log UUIDs."""
    if isinstance(value, dict):
        return {("UUID" if len(key) == 80 else key): shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


WORKFLOW = {
    "job_workflow_ref": "o/r/.github/workflows/sign.yml@refs/heads/main",
    "job_workflow_sha": "1" * 40,
    "runner_environment": "github-hosted",
    "repository": "o/r",
    "repository_id": "11",
    "repository_owner": "o",
    "repository_owner_id": "22",
    "repository_visibility": "public",
    "sha": "2" * 40,
    "ref": "refs/heads/main",
    "workflow": "Sign",
    "workflow_ref": "o/r/.github/workflows/top.yml@refs/heads/main",
    "workflow_sha": "3" * 40,
    "event_name": "push",
    "run_id": "33",
    "run_attempt": "1",
}
