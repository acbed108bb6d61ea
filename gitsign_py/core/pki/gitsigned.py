"""The one shape of CMS that git signatures have, read in one pass; every other one is left to the general reader.

gitsign and this project write SignedData with one certificate, one signer that is named by it, SHA-256, three signed
attributes of fixed length, and ECDSA. All octets around the values are the same in each, or follow from the lengths:
so they are compared as a whole, and few are taken apart. Nothing is refused here: bytes that differ anywhere go to
``cms.parse_signed_data``. For those that do not, it gives the same record (tests/core/test_gitsigned.py).
"""

from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.errors import FormatError

_SHORT = 0x7F  # octets of the longest content whose length takes one octet
_LEAST, _MOST = 0x100, 0xFFFF  # those whose length takes three
_TIME, _DIGEST = bytes(13), bytes(32)  # in the places of a UTCTime and of SHA-256
_SHA256 = der.sequence(der.oid(oids.SHA256))
_ONE = der.integer(1)  # the version of SignedData and of SignerInfo
_DATA, _SIGNED_DATA = der.oid(oids.DATA), der.oid(oids.SIGNED_DATA)
_HEAD = _ONE + der.set_of([_SHA256]) + der.sequence(_DATA)
_CERTIFICATE = 4 + len(_SIGNED_DATA) + 4 + 4 + len(_HEAD) + 4  # where it begins
_TYPE = cms.Attribute(oids.CONTENT_TYPE, (_DATA,), der.sequence(der.oid(oids.CONTENT_TYPE), der.set_of([_DATA])))
_TIME_FRAME = der.sequence(der.oid(oids.SIGNING_TIME), der.set_of([der.encode(der.UTC_TIME, _TIME)]))
_DIGEST_FRAME = der.sequence(der.oid(oids.MESSAGE_DIGEST), der.set_of([der.octet_string(_DIGEST)]))
_TIME_HEAD, _DIGEST_HEAD = _TIME_FRAME[: -len(_TIME)], _DIGEST_FRAME[: -len(_DIGEST)]
_SIGNED = der.context(0, _TYPE.raw + _TIME_FRAME + _DIGEST_FRAME)  # in the order of a SET OF: the shorter one first
_SIGNED_HEAD = _SIGNED[: -len(_TIME_FRAME + _DIGEST_FRAME)]
_SIGNED_SET = bytes((der.SET,)) + _SIGNED_HEAD[1:]  # what is signed has another tag (RFC 5652 §5.4)
_SIGNATURE_HEAD = der.sequence(der.oid(oids.ECDSA_SHA256)) + bytes((der.OCTET_STRING,))


def parse_signature(data: bytes) -> cms.SignedData:
    """Parse ContentInfo(SignedData): gives and raises what ``cms.parse_signed_data`` does."""
    try:
        found = _in_one_pass(data)
    except FormatError:  # in the certificate or in an unsigned attribute
        found = None
    return found or cms.parse_signed_data(data)


def _in_one_pass(data: bytes) -> cms.SignedData | None:
    size, length = len(data), int.from_bytes(data[_CERTIFICATE + 2 : _CERTIFICATE + 4], "big")
    after = _CERTIFICATE + 4 + length
    if size > _MOST or length < _LEAST or size - after < 8 + _LEAST or not data.startswith(_front(size, length)):
        return None
    certificate = parse_certificate(data[_CERTIFICATE:after])
    signer = _signer(data, after, certificate)
    return None if signer is None else cms.SignedData(1, (oids.SHA256,), oids.DATA, None, (certificate,), (signer,))


def _front(size: int, length: int) -> bytes:
    """All that stands before the content of the certificate, which has this length."""
    return b"".join(
        (
            _header(der.SEQUENCE, size - 4),
            _SIGNED_DATA,
            _header(0xA0, size - 8 - len(_SIGNED_DATA)),
            _header(der.SEQUENCE, size - 12 - len(_SIGNED_DATA)),
            _HEAD,
            _header(0xA0, length + 4),
            _header(der.SEQUENCE, length),
        )
    )


def _header(tag: int, length: int) -> bytes:
    return bytes((tag, 0x82, length >> 8, length & 0xFF))


def _signer(data: bytes, at: int, certificate: Certificate) -> cms.SignerInfo | None:
    """The one SignerInfo, in the SET that runs from ``at`` to the end."""
    head = _signer_head(len(data) - at, certificate)
    digest = at + len(head) + len(_TIME_FRAME)
    after = digest + len(_DIGEST_FRAME)
    time, message = data[at + len(head) : digest], data[digest:after]
    values = time[-len(_TIME) :], message[-len(_DIGEST) :]
    start = after + len(_SIGNATURE_HEAD) + 1
    signature = data[start : start + int.from_bytes(data[start - 1 : start], "big")]
    frame = (head, _TIME_HEAD, values[0], _DIGEST_HEAD, values[1], _SIGNATURE_HEAD, bytes((len(signature),)))
    if len(signature) > _SHORT or not data.startswith(b"".join(frame), at):
        return None
    return cms.SignerInfo(
        issuer=certificate.issuer,
        serial=certificate.serial,
        subject_key_id=None,
        digest_algorithm=oids.SHA256,
        signed_bytes=_SIGNED_SET + time + message,
        signed_attributes=(
            _TYPE,
            cms.Attribute(oids.SIGNING_TIME, (time[-2 - len(_TIME) :],), time),
            cms.Attribute(oids.MESSAGE_DIGEST, (message[-2 - len(_DIGEST) :],), message),
        ),
        signature_algorithm=oids.ECDSA_SHA256,
        signature=signature,
        unsigned_attributes=_unsigned(data[start + len(signature) :]),
    )


def _signer_head(left: int, certificate: Certificate) -> bytes:
    """All that stands before the time of signing, in a SET of ``left`` octets with its header."""
    name = der.sequence(certificate.issuer, der.integer(certificate.serial))
    return b"".join((_header(der.SET, left - 4), _header(der.SEQUENCE, left - 8), _ONE, name, _SHA256, _SIGNED_HEAD))


def _unsigned(rest: bytes) -> tuple[cms.Attribute, ...]:
    return cms.parse_attributes(der.parse(rest, 0xA1) if rest else None)
