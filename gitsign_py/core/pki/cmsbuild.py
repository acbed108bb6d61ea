"""Build the detached SignedData that git stores (RFC 5652 §5): one signer, SHA-256, ecdsa-with-SHA256, DER.

The three steps are apart, since between them others act: the attributes are made, the key signs them, the log and the
timestamp authority answer, and only then the whole is put together with what they said.
"""

from datetime import datetime

from gitsign_py.core import digests
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.cms import Attribute

_SHA256 = der.sequence(der.oid(oids.SHA256))  # parameters absent, RFC 5754 §2
_ECDSA_SHA256 = der.sequence(der.oid(oids.ECDSA_SHA256))  # parameters absent, RFC 5758 §3.2


def build_signed_attributes(content: bytes, signing_time: datetime) -> bytes:
    """DER SET OF contentType, signingTime, messageDigest (SHA-256 of ``content``): the bytes that the key signs."""
    moment = der.utc_time(signing_time) if 1950 <= signing_time.year < 2050 else der.generalized_time(signing_time)
    return der.set_of(
        [
            _attribute(oids.CONTENT_TYPE, der.oid(oids.DATA)),
            _attribute(oids.SIGNING_TIME, moment),
            _attribute(oids.MESSAGE_DIGEST, der.octet_string(digests.sha256(content).digest())),
        ]
    )


def build_signed_data(
    certificate: Certificate,
    signed_attributes: bytes,
    signature: bytes,
    unsigned_attributes: tuple[Attribute, ...] = (),
) -> bytes:
    """DER ContentInfo(SignedData), detached, with the leaf ``certificate`` alone.

    ``signed_attributes`` is what ``build_signed_attributes`` gave, ``signature`` the DER Ecdsa-Sig-Value over it.
    """
    signer = der.sequence(
        der.integer(1),
        der.sequence(certificate.issuer, der.integer(certificate.serial)),
        _SHA256,
        der.context(0, der.parse(signed_attributes, der.SET).content),
        _ECDSA_SHA256,
        der.octet_string(signature),
        *_unsigned(unsigned_attributes),
    )
    signed = der.sequence(
        der.integer(1),
        der.set_of([_SHA256]),
        der.sequence(der.oid(oids.DATA)),
        der.context(0, certificate.raw),
        der.set_of([signer]),
    )
    return der.sequence(der.oid(oids.SIGNED_DATA), der.context(0, signed))


def _unsigned(attributes: tuple[Attribute, ...]) -> list[bytes]:
    if not attributes:
        return []
    encoded = [attribute.raw for attribute in attributes]
    return [der.context(1, der.parse(der.set_of(encoded)).content)]


def _attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of(values))


def log_entry_attribute(entry: bytes) -> Attribute:
    """The unsigned attribute with a protobuf TransparencyLogEntry, in an OCTET STRING (OID 1.3.6.1.4.1.57264.3.1)."""
    return _with_value(oids.LOG_ENTRY, der.octet_string(entry))


def timestamp_attribute(token: bytes) -> Attribute:
    """The unsigned attribute with an RFC 3161 TimeStampToken (appendix A), DER as the authority gave it."""
    return _with_value(oids.TIMESTAMP_TOKEN, token)


def _with_value(oid: str, value: bytes) -> Attribute:
    return Attribute(oid, (value,), _attribute(oid, value))
