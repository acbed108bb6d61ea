"""TrustedRoot: the logs, certificate authorities and timestamp authorities that are believed, each with its window.

Source: protobuf-specs, sigstore_trustroot.proto. Keys that this package cannot use (and certificates with such keys)
do not spoil the rest: their entries are left out and named in ``unsupported``, so nothing by them is ever believed.
SigningConfig, its services and Validity have modules of their own and can be had from here too.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from gitsign_py.core import digests
from gitsign_py.core.encoding import b64_encode, load_json
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keydetails import KeyDetails, key_details
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.protojson import Message
from gitsign_py.core.trust.validity import Validity, read_validity, write_validity
from gitsign_py.errors import FormatError

__all__ = [
    "CertificateAuthority",
    "TransparencyLogInstance",
    "TrustedRoot",
    "Validity",
    "format_trusted_root",
    "parse_trusted_root",
    "read_trusted_root",
]

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_MEDIA_TYPES = (
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
MAX_BYTES = 4 << 20
MAX_INSTANCES = 256
MAX_CHAIN = 16
_LISTS = ("tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
_LOG = ("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator")
_AUTHORITY = ("subject", "uri", "certChain", "validFor", "operator")
_SHA256 = ("SHA2_256", 1)
_UNSPECIFIED = (None, "", 0, "HASH_ALGORITHM_UNSPECIFIED", "PUBLIC_KEY_DETAILS_UNSPECIFIED")
T = TypeVar("T")


class _Unsupported(Exception):  # noqa: N818 - not an error: an entry that is left out
    """An entry whose algorithm this package cannot use."""


@frozen
class TransparencyLogInstance:
    """A signature log or CT log. ``log_id`` is its full key id (32 bytes) as entries and SCTs name it.

    ``key_details`` names the signature algorithm (``keydetails.py``); ``checkpoint_key_id`` the key id in checkpoints
    (4 bytes or more, the first 4 count), None when it starts ``log_id``.
    """

    base_url: str
    hash_algorithm: str
    public_key: PublicKey
    key_details: str
    valid_for: Validity
    log_id: bytes
    checkpoint_key_id: bytes | None = None
    operator: str = ""


@frozen
class CertificateAuthority:
    """A CA or TSA: ``chain`` has the certificate nearest to the leaf first and the root last."""

    organization: str
    common_name: str
    uri: str
    chain: tuple[Certificate, ...]
    valid_for: Validity
    operator: str = ""


@frozen
class TrustedRoot:
    """Everything that is believed. ``digest`` is the SHA-256 (hex) of the JSON that was read, empty when built."""

    tlogs: tuple[TransparencyLogInstance, ...] = ()
    certificate_authorities: tuple[CertificateAuthority, ...] = ()
    ctlogs: tuple[TransparencyLogInstance, ...] = ()
    timestamp_authorities: tuple[CertificateAuthority, ...] = ()
    media_type: str = MEDIA_TYPE
    digest: str = ""
    unsupported: tuple[str, ...] = ()

    @property
    def has_no_log(self) -> bool:
        """Tell whether it lists no transparency log at all, not even one that this package cannot use."""
        return not self.tlogs and not any(one.startswith("tlogs[") for one in self.unsupported)

    @property
    def has_no_ct_log(self) -> bool:
        """Tell whether it lists neither a transparency log nor a CT log."""
        return self.has_no_log and not self.ctlogs and not any(one.startswith("ctlogs[") for one in self.unsupported)


def parse_trusted_root(data: bytes) -> TrustedRoot:
    """Parse the JSON of a trusted root (at most 4 MiB).

    Raises FormatError ``trusted-root-...`` or the reasons of what is inside it: json, time, key, certificate, der.
    """
    return read_trusted_root(load_json(data, max_bytes=MAX_BYTES), digests.sha256(data).hexdigest())


def read_trusted_root(value: Any, digest: str) -> TrustedRoot:
    """Read a TrustedRoot from parsed JSON; ``digest`` is noted in the result. Raises as ``parse_trusted_root`` does."""
    top = Message(value, ("mediaType", *_LISTS), "trusted root")
    media_type = top.text("mediaType")
    if media_type not in _MEDIA_TYPES:
        raise FormatError(
            "trusted-root-version",
            "trusted root has a media type that is not supported",
            facts={"expected": MEDIA_TYPE, "got": media_type[:100]},
        )
    unsupported: list[str] = []
    return TrustedRoot(
        tlogs=_read_all(top, "tlogs", _LOG, _read_log, unsupported),
        certificate_authorities=_read_all(top, "certificateAuthorities", _AUTHORITY, _read_authority, unsupported),
        ctlogs=_read_all(top, "ctlogs", _LOG, _read_log, unsupported),
        timestamp_authorities=_read_all(top, "timestampAuthorities", _AUTHORITY, _read_authority, unsupported),
        media_type=media_type,
        digest=digest,
        unsupported=tuple(unsupported),
    )


def _read_all(
    top: Message, name: str, fields: tuple[str, ...], read: Callable[[Message], T], unsupported: list[str]
) -> tuple[T, ...]:
    found: list[T] = []
    for number, item in enumerate(top.items(name, most=MAX_INSTANCES)):
        message = Message(item, fields, f"{name}[{number}]")
        try:
            found.append(read(message))
        except _Unsupported:
            unsupported.append(f"{name}[{number}] {message.value('baseUrl') or message.value('uri') or ''}".strip())
    return tuple(found)


def _read_log(message: Message) -> TransparencyLogInstance:
    key, log_id = message.message("publicKey", ("rawBytes", "keyDetails", "validFor")), _log_id(message, "logId")
    if key is None or not log_id:
        raise _malformed(f"{message.where} needs publicKey and logId")
    for name, given in (("hashAlgorithm", message.value("hashAlgorithm")), ("keyDetails", key.value("keyDetails"))):
        if given in _UNSPECIFIED:  # one that is named and not supported is left out; this one may be any
            where = message.value("baseUrl") or "without a URL"
            raise _malformed(f"{message.where}, the log {where}, has no {name}")
    details = key_details(key.value("keyDetails"))
    if details is None or details.scheme == "pss" or message.value("hashAlgorithm") not in _SHA256:
        raise _Unsupported  # no log signs with RSA-PSS
    public_key = _supported(load_spki, _spki(details, key.data("rawBytes")))
    if public_key.kind != details.kind:
        raise _malformed(f"{message.where} has a key of kind {public_key.kind} under the name {details.name}")
    return TransparencyLogInstance(
        base_url=message.text("baseUrl"),
        hash_algorithm="SHA2_256",
        public_key=public_key,
        key_details=details.name,
        valid_for=read_validity(key, required=True),
        log_id=log_id,
        checkpoint_key_id=_log_id(message, "checkpointKeyId") or None,
        operator=message.text("operator"),
    )


def _spki(details: KeyDetails, raw: bytes) -> bytes:
    """The old PKCS1 names stand for a bare RSAPublicKey (RFC 8017 §A.1.1): give it its SubjectPublicKeyInfo."""
    if not details.bare:
        return raw
    return der.sequence(der.sequence(der.oid(oids.RSA), der.null()), der.bit_string(raw))


def _log_id(message: Message, name: str) -> bytes:
    log_id = message.message(name, ("keyId",))
    value = log_id.data("keyId") if log_id else b""
    if value and not 4 <= len(value) <= 64:
        raise _malformed(f"{message.path(name)} has {len(value)} bytes")
    return value


def _read_authority(message: Message) -> CertificateAuthority:
    subject = message.message("subject", ("organization", "commonName"))
    chain = message.message("certChain", ("certificates",))
    items = chain.items("certificates", most=MAX_CHAIN) if chain else []
    if not items:
        raise _malformed(f"{message.where} needs certChain")
    raw = [Message(item, ("rawBytes",), message.path("certChain")).data("rawBytes") for item in items]
    return CertificateAuthority(
        organization=subject.text("organization") if subject else "",
        common_name=subject.text("commonName") if subject else "",
        uri=message.text("uri"),
        chain=tuple(_supported(parse_certificate, data) for data in raw),
        valid_for=read_validity(message),
        operator=message.text("operator"),
    )


def _supported(parse: Callable[[bytes], T], data: bytes) -> T:
    try:
        return parse(data)
    except FormatError as error:
        if error.reason == "key-unsupported":
            raise _Unsupported from error
        raise


def format_trusted_root(root: TrustedRoot) -> bytes:
    """Write a trusted root as indented JSON with a newline at the end; what was unsupported is gone."""
    value = {
        "mediaType": root.media_type,
        "tlogs": [_log_object(log) for log in root.tlogs],
        "certificateAuthorities": [_authority_object(authority) for authority in root.certificate_authorities],
        "ctlogs": [_log_object(log) for log in root.ctlogs],
        "timestampAuthorities": [_authority_object(authority) for authority in root.timestamp_authorities],
    }
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _log_object(log: TransparencyLogInstance) -> dict[str, Any]:
    details = key_details(log.key_details)
    raw = log.public_key.raw if details is not None and details.bare else log.public_key.spki
    key = {"rawBytes": b64_encode(raw), "keyDetails": log.key_details}
    value: dict[str, Any] = {
        "baseUrl": log.base_url,
        "hashAlgorithm": log.hash_algorithm,
        "publicKey": {**key, "validFor": write_validity(log.valid_for)},
        "logId": {"keyId": b64_encode(log.log_id)},
    }
    if log.checkpoint_key_id is not None:
        value["checkpointKeyId"] = {"keyId": b64_encode(log.checkpoint_key_id)}
    return value | ({"operator": log.operator} if log.operator else {})


def _authority_object(authority: CertificateAuthority) -> dict[str, Any]:
    value = {
        "subject": {"organization": authority.organization, "commonName": authority.common_name},
        "uri": authority.uri,
        "certChain": {"certificates": [{"rawBytes": b64_encode(one.raw)} for one in authority.chain]},
        "validFor": write_validity(authority.valid_for),
    }
    return value | ({"operator": authority.operator} if authority.operator else {})


def _malformed(why: str) -> FormatError:
    return FormatError("trusted-root-malformed", f"trusted root is malformed: {why}")
