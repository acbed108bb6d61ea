"""CMS SignedData (RFC 5652 §5): parse strictly, check one signer.

The stored bytes are checked: the signature runs over the signed attributes exactly as they stand in the file,
with the tag of a SET OF in place of the [0] (§5.4), never over a re-encoding. Exactly one SignerInfo is accepted: with
several, two readers could each believe another one. The builder is in ``cmsbuild.py``.
"""

from datetime import datetime
from functools import lru_cache

from gitsign_py.core import digests
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keys import PublicKey
from gitsign_py.errors import FormatError, InvalidSignatureError, VerificationError

MAX_SIGNATURE_BYTES = 1024 * 1024
MAX_CERTIFICATES = 16
MAX_ATTRIBUTES = 32
_HASH_OF_SIGNATURE = {
    oids.ECDSA_SHA256: "sha256",
    oids.ECDSA_SHA384: "sha384",
    oids.ECDSA_SHA512: "sha512",
    oids.RSA_SHA256: "sha256",
    oids.RSA_SHA384: "sha384",
    oids.RSA_SHA512: "sha512",
}
_RSA_SIGNATURES = (oids.RSA, oids.RSA_SHA256, oids.RSA_SHA384, oids.RSA_SHA512)
_ECDSA_SIGNATURES = (oids.ECDSA_SHA256, oids.ECDSA_SHA384, oids.ECDSA_SHA512)

_CONSTRUCTED_OCTETS = 0x24


@frozen
class Attribute:
    """One attribute (§5.3): dotted ``oid``, its ``values``, each a whole DER element, and ``raw``, all of its DER."""

    oid: str
    values: tuple[bytes, ...]
    raw: bytes


@frozen
class SignerInfo:
    """One SignerInfo (§5.3). ``signed_bytes`` is what the signature runs over: the DER SET OF signed attributes.

    The signer is named by ``issuer`` (DER Name) and ``serial``, or by ``subject_key_id``.
    """

    issuer: bytes | None
    serial: int | None
    subject_key_id: bytes | None
    digest_algorithm: str
    signed_bytes: bytes
    signed_attributes: tuple[Attribute, ...]
    signature_algorithm: str
    signature: bytes
    unsigned_attributes: tuple[Attribute, ...]


@frozen
class SignedData:
    """A parsed SignedData: ``content`` is None when it is detached; nothing in it has been verified."""

    version: int
    digest_algorithms: tuple[str, ...]
    content_type: str
    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[SignerInfo, ...]


def parse_signed_data(data: bytes) -> SignedData:
    """Parse ContentInfo(SignedData). Raises FormatError ``der-...``, ``cms-...`` or ``certificate-...``."""
    if len(data) > MAX_SIGNATURE_BYTES:
        raise FormatError("cms-too-large", f"signature of {len(data)} bytes, at most {MAX_SIGNATURE_BYTES} are read")
    outer = der.Reader(der.parse(data, der.SEQUENCE).content)
    content_type = der.read_oid(outer.next())
    if content_type != oids.SIGNED_DATA:
        raise FormatError("cms-not-signed-data", f"CMS content is {content_type}, expected SignedData")
    reader = der.Reader(der.parse(outer.next(0xA0).content, der.SEQUENCE).content)
    outer.done()
    version = der.read_integer(reader.next())
    digests = tuple(_algorithm(item) for item in reader.next(der.SET).children())
    inner_type, content = _encapsulated(reader.next(der.SEQUENCE))
    certificates = _certificates(reader.optional(0xA0))
    signers = tuple(_signer(item) for item in reader.next(der.SET).children())  # a [1] with CRLs ends here, refused
    reader.done()
    signed = SignedData(version, digests, inner_type, content, certificates, signers)
    _check_version(signed)
    return signed


def _check_version(signed: SignedData) -> None:
    """Version 3 when a signer is named by key id or the content is not id-data, else 1 (§5.1)."""
    newer = signed.content_type != oids.DATA or any(signer.issuer is None for signer in signed.signers)
    if signed.version != (3 if newer else 1):
        raise FormatError("cms-version", f"SignedData has version {signed.version}, expected {3 if newer else 1}")


@lru_cache(maxsize=64)
def _algorithm(element: der.Element) -> str:
    """AlgorithmIdentifier whose parameters are absent or NULL (RFC 5754 §2, RFC 3370 §3)."""
    reader = der.Reader(element.content) if element.tag == der.SEQUENCE else der.Reader(b"")
    algorithm = der.read_oid(reader.next())
    parameters = reader.optional(der.NULL)
    if parameters is not None:
        der.read_null(parameters)
    reader.done()
    return algorithm


def _encapsulated(element: der.Element) -> tuple[str, bytes | None]:
    reader = der.Reader(element.content)
    content_type = der.read_oid(reader.next())
    wrapped = reader.optional(0xA0)
    reader.done()
    return content_type, None if wrapped is None else _content(content_type, der.parse(wrapped.content))


def _content(content_type: str, element: der.Element) -> bytes:
    """The octets of eContent. Some timestamp authorities write the OCTET STRING in parts (X.690 §8.7.3).

    RFC 5652 §5.2 lets them: what is signed is the content's octets, however they are wrapped. No signer does so for
    signatures over commits, so there it stays an error.
    """
    if content_type == oids.TST_INFO and element.tag == _CONSTRUCTED_OCTETS:
        return b"".join(der.read_octet_string(part) for part in element.children())
    return der.read_octet_string(element)


def _certificates(element: der.Element | None) -> tuple[Certificate, ...]:
    if element is None:
        return ()
    items = element.children()
    if len(items) > MAX_CERTIFICATES:
        raise FormatError("cms-too-large", f"signature holds {len(items)} certificates, at most {MAX_CERTIFICATES}")
    return tuple(parse_certificate(item.raw) for item in items)


def _signer(element: der.Element) -> SignerInfo:
    if element.tag != der.SEQUENCE:  # nothing signs this octet: unchecked, it could be turned unnoticed
        raise FormatError("der-unexpected-tag", "SignerInfo is not a SEQUENCE")
    reader = der.Reader(element.content)
    version = der.read_integer(reader.next())
    issuer, serial, key_id = _signer_identifier(reader.next())
    if version != (1 if key_id is None else 3):  # §5.3
        raise FormatError("cms-version", f"SignerInfo has version {version}, which its signer identifier does not fit")
    digest = _algorithm(reader.next())
    signed = reader.optional(0xA0)
    signature_algorithm = _algorithm(reader.next())
    signature = der.read_octet_string(reader.next())
    unsigned = reader.optional(0xA1)
    reader.done()
    return SignerInfo(
        issuer=issuer,
        serial=serial,
        subject_key_id=key_id,
        digest_algorithm=digest,
        signed_bytes=b"" if signed is None else der.encode(der.SET, signed.content),
        signed_attributes=parse_attributes(signed),
        signature_algorithm=signature_algorithm,
        signature=signature,
        unsigned_attributes=parse_attributes(unsigned),
    )


def _signer_identifier(element: der.Element) -> tuple[bytes | None, int | None, bytes | None]:
    if element.tag == 0x80:  # subjectKeyIdentifier [0]
        return None, None, element.content
    if element.tag != der.SEQUENCE:
        raise FormatError("cms-signer-identifier", "SignerInfo names its signer in an unknown way")
    reader = der.Reader(element.content)
    issuer, serial = reader.next(der.SEQUENCE).raw, der.read_integer(reader.next())
    reader.done()
    return issuer, serial, None


def parse_attributes(element: der.Element | None) -> tuple[Attribute, ...]:
    """Attributes, none twice. Their order is looked at when the signature is (``check_attribute_order``)."""
    if element is None:
        return ()
    items = element.children()
    if not 1 <= len(items) <= MAX_ATTRIBUTES:
        raise FormatError("cms-attributes-count", f"{len(items)} attributes, from 1 to {MAX_ATTRIBUTES} are allowed")
    attributes = tuple(_attribute(item) for item in items)
    if len({attribute.oid for attribute in attributes}) != len(attributes):  # §5.3: at most once
        raise FormatError("cms-attribute-repeated", "an attribute stands twice in the signature")
    return attributes


def _attribute(element: der.Element) -> Attribute:
    if element.tag != der.SEQUENCE:
        raise FormatError("der-unexpected-tag", "attribute is not a SEQUENCE")
    reader = der.Reader(element.content)
    oid, values = der.read_oid(reader.next()), reader.next(der.SET).children()
    reader.done()
    return Attribute(oid, tuple([value.raw for value in values]), element.raw)


def attribute_value(attributes: tuple[Attribute, ...], oid: str) -> der.Element | None:
    """The single value of an attribute, None when it is absent. Raises FormatError ``cms-attribute-values``."""
    for found in attributes:
        if found.oid == oid:
            if len(found.values) != 1:
                raise FormatError(
                    "cms-attribute-values", f"attribute {oid} has {len(found.values)} values, expected one"
                )
            return der.parse(found.values[0])
    return None


def signing_time(signer: SignerInfo) -> datetime | None:
    """The time of signing that the signer claims (§11.3). Proves nothing."""
    value = attribute_value(signer.signed_attributes, oids.SIGNING_TIME)
    return None if value is None else der.read_time(value)


def only_signer(signed: SignedData) -> SignerInfo:
    """The one SignerInfo. Raises VerificationError ``cms-signers-none`` or ``cms-signers-several``."""
    if not signed.signers:
        raise VerificationError("cms-signers-none", "signature has no signer")
    if len(signed.signers) > 1:
        raise VerificationError("cms-signers-several", f"signature has {len(signed.signers)} signers, one is allowed")
    return signed.signers[0]


def signer_certificate(signed: SignedData, signer: SignerInfo, *, extra: tuple[Certificate, ...] = ()) -> Certificate:
    """The certificate that the SignerInfo names, among those in the signature and ``extra``.

    Raises VerificationError ``cms-signer-not-found`` or, when two different ones fit, ``cms-signer-ambiguous``.
    """
    found = {cert.raw: cert for cert in (*signed.certificates, *extra) if _names(signer, cert)}
    if not found:
        raise VerificationError("cms-signer-not-found", "certificate of the signer is not in the signature")
    if len(found) > 1:
        raise VerificationError("cms-signer-ambiguous", "two certificates in the signature answer to the signer's name")
    return next(iter(found.values()))


def _names(signer: SignerInfo, certificate: Certificate) -> bool:
    if signer.subject_key_id is None:
        return (certificate.issuer, certificate.serial) == (signer.issuer, signer.serial)
    extension = certificate.extension(oids.SUBJECT_KEY_ID)
    return extension is not None and extension.value == der.octet_string(signer.subject_key_id)


def check_algorithms(signed: SignedData, signer: SignerInfo, *, content_type: str = oids.DATA) -> str:
    """Check content type and digest algorithm against each other, everywhere they stand; gives the hash's name.

    Raises VerificationError ``cms-content-type-wrong``, ``cms-digest-weak``, ``cms-digest-disagrees``,
    ``cms-attributes-missing`` or ``cms-signature-algorithm``.
    """
    if signed.content_type != content_type:
        raise VerificationError(
            "cms-content-type-wrong", f"signed content is of type {signed.content_type}, expected {content_type}"
        )
    if not signer.signed_attributes:
        raise VerificationError("cms-attributes-missing", "signature has no signed attributes")
    value = attribute_value(signer.signed_attributes, oids.CONTENT_TYPE)
    if value is None:
        raise VerificationError("cms-attributes-missing", "signed attribute contentType is missing")
    if der.read_oid(value) != content_type:
        raise VerificationError("cms-content-type-wrong", "signed attribute contentType names another type")
    hash_name = oids.DIGESTS.get(signer.digest_algorithm)
    if hash_name is None:
        raise VerificationError(
            "cms-digest-weak", f"digest algorithm {signer.digest_algorithm} is not one of SHA-256, SHA-384, SHA-512"
        )
    if signed.digest_algorithms != (signer.digest_algorithm,):
        raise VerificationError(
            "cms-digest-disagrees", "signature names a digest algorithm that its signer did not use"
        )
    if _HASH_OF_SIGNATURE.get(signer.signature_algorithm, hash_name) != hash_name:
        raise VerificationError("cms-signature-algorithm", "signature algorithm and digest algorithm do not fit")
    return hash_name


def check_attribute_order(signer: SignerInfo) -> None:
    """Check that the attributes stand in the one order that DER knows (X.690 §11.6).

    Raises VerificationError ``cms-attributes-order``: RFC 5652 §5.4 has readers sort before they check, so bytes in
    another order would say one thing to them and another thing to a reader of stored bytes.
    """
    for attributes in (signer.signed_attributes, signer.unsigned_attributes):
        encoded = [attribute.raw for attribute in attributes]
        if encoded != sorted(encoded) or any(list(a.values) != sorted(a.values) for a in attributes):
            raise VerificationError("cms-attributes-order", "attributes of the signature are not in DER order")


def check_message_digest(signer: SignerInfo, content: bytes, hash_name: str) -> None:
    """Check the messageDigest attribute against the content (§11.2).

    Raises VerificationError ``cms-attributes-missing`` or ``content-digest-mismatch``.
    """
    value = attribute_value(signer.signed_attributes, oids.MESSAGE_DIGEST)
    if value is None:
        raise VerificationError("cms-attributes-missing", "signed attribute messageDigest is missing")
    expected, got = der.read_octet_string(value), digests.new(hash_name, content).digest()
    if expected != got:
        raise VerificationError(
            "content-digest-mismatch",
            "signed content was changed: its digest is not the one that was signed",
            facts={"expected": expected.hex(), "got": got.hex()},
        )


def check_signature(signer: SignerInfo, key: PublicKey, hash_name: str) -> None:
    """Check the signature over the signed attributes as they are stored (§5.6).

    Raises VerificationError ``cms-signature-algorithm`` or ``cms-signature-invalid``.
    """
    if key.kind == "rsa":
        allowed: tuple[str, ...] = _RSA_SIGNATURES
    elif key.kind == "ed25519":  # RFC 8419 §3
        allowed = (oids.ED25519,)
    else:
        allowed = _ECDSA_SIGNATURES
    if signer.signature_algorithm not in allowed:
        raise VerificationError(
            "cms-signature-algorithm",
            f"signature algorithm {signer.signature_algorithm} is not that of a {key.kind} key",
        )
    try:
        key.verify(signer.signature, signer.signed_bytes, hash_name)
    except InvalidSignatureError as error:
        raise VerificationError(
            "cms-signature-invalid", "signature does not verify with the key of its certificate"
        ) from error
