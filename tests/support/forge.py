"""Complete signatures made in process, every part changeable by keyword: what an attacker could hand to a verifier.

``forge(world)`` gives a good commit. Each keyword replaces one part: the CMS structures are written here once more, so
that they can be wrong in ways that the project's own builder cannot be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.git import armor, gitobject
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry, hashedrekord_v001_body, hashedrekord_v002_body
from gitsign_py.core.trust.root import TrustedRoot
from tests.support.forgedworld import LOGGED, T0, ForgedLog, World, digest, key, sign

PERSON = b"Alice <alice@example.com> 1748779200 +0000"
TREE = b"4b825dc642cb6eb9a060e54bf8d69288fbee4904"
COMMIT = b"tree " + TREE + b"\nauthor " + PERSON + b"\ncommitter " + PERSON + b"\n\nhello\n"
TAG = b"object " + TREE + b"\ntype tree\ntag v1\ntagger " + PERSON + b"\n\nfirst\n"
SHA256 = der.sequence(der.oid(oids.SHA256))
ECDSA_SHA256 = der.sequence(der.oid(oids.ECDSA_SHA256))
DATA = der.sequence(der.oid(oids.DATA))
Parts = list[bytes]


def same(value: Any) -> Any:
    return value


def attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.encode(der.SET, b"".join(values)))


def signed_attributes(payload: bytes) -> Parts:
    """contentType, signingTime and messageDigest, in DER order."""
    return sorted(
        (
            attribute(oids.CONTENT_TYPE, der.oid(oids.DATA)),
            attribute(oids.SIGNING_TIME, der.utc_time(T0)),
            attribute(oids.MESSAGE_DIGEST, der.octet_string(digest(payload))),
        )
    )


def signer_info(
    certificate: Certificate,
    attributes: bytes,
    signature: bytes,
    unsigned: Sequence[bytes] = (),
    *,
    version: int = 1,
    sid: bytes | None = None,
    digest_algorithm: bytes = SHA256,
    signature_algorithm: bytes = ECDSA_SHA256,
    trailing: bytes = b"",
) -> bytes:
    """SignerInfo (RFC 5652 §5.3); ``attributes`` is the content of the SET OF, empty for none."""
    named = der.sequence(certificate.issuer, der.integer(certificate.serial)) if sid is None else sid
    return der.sequence(
        der.integer(version),
        named,
        digest_algorithm,
        der.context(0, attributes) if attributes else b"",
        signature_algorithm,
        der.octet_string(signature),
        der.context(1, b"".join(unsigned)) if unsigned else b"",
        trailing,
    )


def signed_data(
    certificates: Sequence[bytes],
    signers: Sequence[bytes],
    *,
    version: int = 1,
    digests: Sequence[bytes] = (SHA256,),
    content: bytes = DATA,
    crls: bytes = b"",
    content_type: str = oids.SIGNED_DATA,
    trailing: bytes = b"",
    outer_trailing: bytes = b"",
) -> bytes:
    """ContentInfo(SignedData) (RFC 5652 §5.1)."""
    inner = der.sequence(
        der.integer(version),
        der.encode(der.SET, b"".join(digests)),
        content,
        der.context(0, b"".join(certificates)) if certificates else b"",
        crls,
        der.encode(der.SET, b"".join(signers)),
        trailing,
    )
    return der.sequence(der.oid(content_type), der.context(0, inner), outer_trailing)


@dataclass(frozen=True)
class Forged:
    """What was made: the stored object and the trust root to judge it by.

    ``entries`` are what a log answers in online mode; None when no log is asked.
    """

    kind: Literal["commit", "tag"]
    data: bytes
    root: TrustedRoot
    payload: bytes = b""
    signature: bytes = b""
    entries: tuple[LogEntry, ...] | None = None

    @property
    def oid(self) -> str:
        return gitobject.object_id(self.kind, self.data)


def forge(
    world: World,
    *,
    kind: Literal["commit", "tag"] = "commit",
    payload: bytes | None = None,
    signed_payload: bytes | None = None,
    leaf: Certificate | dict[str, Any] | None = None,
    signing_key: int = 20,
    attributes: Callable[[Parts], Parts] = same,
    attributes_bytes: Callable[[bytes], bytes] = same,
    signature: Callable[[bytes], bytes] = same,
    hash_name: str = "sha256",
    log: ForgedLog | Literal["v1", "v2"] | None = "v1",
    body: Callable[[bytes, bytes, Certificate], bytes] | None = None,
    time: datetime = LOGGED,
    before: Callable[[LogEntry], LogEntry] = same,
    entry: Callable[[LogEntry], LogEntry] = same,
    entry_bytes: Callable[[bytes], bytes] = same,
    timestamp: dict[str, Any] | Callable[[bytes], bytes] | None = None,
    unsigned: Callable[[Parts], Parts] = same,
    certificates: Callable[[Parts], Parts] = same,
    signer: dict[str, Any] | None = None,
    signers: Callable[[Parts], Parts] = same,
    cms: dict[str, Any] | None = None,
    der_bytes: Callable[[bytes], bytes] = same,
    armored: Callable[[bytes], bytes] = same,
    stored: Callable[[bytes], bytes] = same,
    root: Callable[[TrustedRoot], TrustedRoot] = same,
) -> Forged:
    """Make a signed object. ``before`` changes the entry before the log promises it, ``entry`` afterwards.

    ``signed_payload`` is what the signature is over when that is not ``payload``. ``attributes`` sees the list of DER
    attributes before they are signed, ``attributes_bytes`` what is stored of them after.
    """
    payload = payload if payload is not None else {"commit": COMMIT, "tag": TAG}[kind]
    certificate = leaf if isinstance(leaf, Certificate) else world.leaf(**(leaf or {}))
    parts = attributes(signed_attributes(payload if signed_payload is None else signed_payload))
    content = b"".join(parts)
    to_sign = der.encode(der.SET, content) if parts else payload
    made = signature(sign(key(signing_key), to_sign, hash_name))
    extra = []
    if log is not None:
        chosen = {"v1": world.v1, "v2": world.v2}[log] if isinstance(log, str) else log
        logged = _logged(chosen, (body or _body(chosen))(to_sign, made, certificate), time, before)
        value = entry_bytes(encode_entry(entry(logged)))
        extra.append(attribute(oids.LOG_ENTRY, der.octet_string(value)))
    if timestamp is not None:
        token = timestamp(made) if callable(timestamp) else world.token(made, **timestamp)
        extra.append(attribute(oids.TIMESTAMP_TOKEN, token))
    info = signer_info(certificate, attributes_bytes(content), made, unsigned(sorted(extra)), **(signer or {}))
    whole = der_bytes(signed_data(certificates([certificate.raw]), signers([info]), **(cms or {})))
    text = armored(armor.armor(whole))
    return Forged(kind, stored(join(kind, payload, text)), root(world.trusted), payload, text)


def join(kind: str, payload: bytes, armored: bytes, header: bytes = b"gpgsig") -> bytes:
    """Put a signature where git puts it, whatever both of them are."""
    if kind == "tag":
        return payload + armored
    head, _, message = payload.partition(b"\n\n")
    folded = header + b" " + armored.rstrip(b"\n").replace(b"\n", b"\n ")
    return head + b"\n" + folded + b"\n\n" + message


def _body(log: ForgedLog) -> Callable[[bytes, bytes, Certificate], bytes]:
    return v002_body if log.tiled else v001_body


def v001_body(message: bytes, signature: bytes, certificate: Certificate) -> bytes:
    return hashedrekord_v001_body(digest(message), signature, pem_encode(certificate.raw, "CERTIFICATE"))


def v002_body(message: bytes, signature: bytes, certificate: Certificate) -> bytes:
    return hashedrekord_v002_body(digest(message), signature, certificate.raw, "PKIX_ECDSA_P256_SHA_256")


def _logged(log: ForgedLog, body: bytes, time: datetime, before: Callable[[LogEntry], LogEntry]) -> LogEntry:
    index = log.append(body)
    log.fill(2)
    made = before(log.entry(index, time=None if log.tiled else int(time.timestamp())))
    return made if log.tiled else log.promise(made)
