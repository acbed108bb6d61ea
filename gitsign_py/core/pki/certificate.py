"""X.509 certificates as bytes that have been read, not yet believed (RFC 5280 §4.1).

Parsing is strict DER by our own reader: cryptography's x509 costs 74 ms at start-up and its verifier refuses Ed25519
CA keys. The demands on a certificate are in ``fulcio.py`` (the leaf's profile) and ``certpath.py`` (the path).
"""

from datetime import datetime
from functools import lru_cache

from gitsign_py.core import digests
from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.errors import FormatError

MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_EXTENSIONS = 64
_SERIAL_BITS = 8 * 20 - 1  # 20 octets with a sign, RFC 5280 §4.1.2.2
_RFC5280_ARCS = ("2.5.29.", "1.3.6.1.5.5.7.1.")  # id-ce and id-pe: every extension there is one DER value
_RFC822_NAME, _URI, _OTHER_NAME = 0x81, 0x86, 0xA0  # GeneralName choices, RFC 5280 §4.2.1.6


@frozen
class Extension:
    """One extension: dotted ``oid``, ``critical``, ``value``, the bytes inside the OCTET STRING, and ``raw``, all."""

    oid: str
    critical: bool
    value: bytes
    raw: bytes


@frozen
class GeneralName:
    """One subject alternative name: ``kind`` email, uri, other (Fulcio's OID) or unsupported, and its text."""

    kind: str
    value: str


@frozen
class Certificate:
    """A parsed certificate. ``issuer`` and ``subject`` are the raw DER of the Names, compared byte by byte.

    Two certificates are the same when their bytes are, so ``raw`` alone is compared and hashed.
    """

    raw: bytes
    tbs: bytes = field(compare=False)
    serial: int = field(compare=False)
    issuer: bytes = field(compare=False)
    subject: bytes = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    public_key: PublicKey = field(compare=False)
    signature_algorithm: str = field(compare=False)
    signature: bytes = field(compare=False)
    extensions: tuple[Extension, ...] = field(compare=False)

    def __hash__(self) -> int:  # what ``frozen`` would make, without its loop over the fields
        return hash(self.raw)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER as lower-case hex."""
        return _fingerprint(self.raw)

    def extension(self, oid: str) -> Extension | None:
        """The extension with this OID, if it is there."""
        for extension in self.extensions:  # some twenty look-ups a certificate: a generator would cost twice as much
            if extension.oid == oid:
                return extension
        return None


@lru_cache(maxsize=128)
def _fingerprint(raw: bytes) -> str:
    return digests.sha256(raw).hexdigest()


@lru_cache(maxsize=128)
def parse_certificate(data: bytes) -> Certificate:
    """Parse one DER certificate; the last ones are remembered, since one signs many commits.

    Raises FormatError ``der-...``, ``certificate-...`` or ``key-...``.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise FormatError("certificate-too-large", f"certificate of {len(data)} bytes, at most {MAX_CERTIFICATE_BYTES}")
    outer = der.Reader(der.parse(data, der.SEQUENCE).content)
    tbs = outer.next(der.SEQUENCE)
    algorithm = outer.next(der.SEQUENCE)
    signature = der.read_bit_string(outer.next())
    outer.done()
    return _parse_tbs(data, tbs, algorithm, signature)


def _parse_tbs(data: bytes, tbs: der.Element, algorithm: der.Element, signature: bytes) -> Certificate:
    reader = der.Reader(tbs.content)
    version = reader.next(0xA0)
    if der.read_integer(der.parse(version.content)) != 2:  # v3, RFC 5280 §4.1.2.1
        raise FormatError("certificate-version", "certificate is not X.509 version 3")
    serial = _serial(reader.next())
    if reader.next(der.SEQUENCE).raw != algorithm.raw:  # RFC 5280 §4.1.1.2
        raise FormatError("certificate-algorithm-mismatch", "certificate names two different signature algorithms")
    issuer = _name(reader.next(der.SEQUENCE))
    if not der.parse(issuer).content:  # RFC 5280 §4.1.2.4; a subject may be empty
        raise FormatError("certificate-issuer-empty", "certificate's issuer has no name")
    not_before, not_after = _validity(reader.next(der.SEQUENCE))
    subject = _name(reader.next(der.SEQUENCE))
    spki = reader.next(der.SEQUENCE)
    extensions = reader.next(0xA3)
    reader.done()
    return Certificate(
        raw=data,
        tbs=tbs.raw,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        public_key=load_spki(spki.raw),
        signature_algorithm=_algorithm(algorithm),
        signature=signature,
        extensions=_extensions(extensions),
    )


def _serial(element: der.Element) -> int:
    """Not negative, at most 20 octets (RFC 5280 §4.1.2.2). Zero stands in old roots; a signer's may not be (fulcio)."""
    serial = der.read_integer(element)
    if not 0 <= serial < 1 << _SERIAL_BITS:
        raise FormatError("certificate-serial", "certificate's serial number is negative or longer than 20 octets")
    return serial


@lru_cache(maxsize=128)
def _name(element: der.Element) -> bytes:
    """A Name as it stands, its form checked: RDNSequence of SETs of (type, value) (RFC 5280 §4.1.2.4)."""
    for part in element.children():
        for pair in der.parse(part.raw, der.SET).children():
            reader = der.Reader(der.parse(pair.raw, der.SEQUENCE).content)
            der.read_oid(reader.next())
            reader.next()
            reader.done()
    return element.raw


@lru_cache(maxsize=64)
def _algorithm(element: der.Element) -> str:
    reader = der.Reader(element.content)
    algorithm = der.read_oid(reader.next())
    if algorithm == oids.RSA_PSS:  # has parameters (RFC 4055 §3.1); no signature by it is ever believed here
        reader.optional(der.SEQUENCE)
    elif reader.peek() is not None:  # RSA has NULL parameters (RFC 4055 §5), ECDSA and Ed25519 none (RFC 5758, 8410)
        der.read_null(reader.next())
    reader.done()
    return algorithm


def _validity(element: der.Element) -> tuple[datetime, datetime]:
    reader = der.Reader(element.content)
    times = _whole_second(reader.next()), _whole_second(reader.next())
    reader.done()
    return times


def _whole_second(element: der.Element) -> datetime:
    if b"." in element.content:  # RFC 5280 §4.1.2.5.2; timestamps alone may have fractions
        raise FormatError("der-time", "certificate's validity has a fraction of a second")
    return der.read_time(element)


def _extensions(element: der.Element) -> tuple[Extension, ...]:
    items = der.parse(element.content, der.SEQUENCE).children()
    if len(items) > MAX_EXTENSIONS:
        raise FormatError("certificate-too-large", f"certificate has {len(items)} extensions, at most {MAX_EXTENSIONS}")
    extensions = tuple(_extension(item) for item in items)
    if len({extension.oid for extension in extensions}) != len(extensions):  # RFC 5280 §4.2
        raise FormatError("certificate-extension-repeated", "certificate has an extension twice")
    return extensions


@lru_cache(maxsize=128)
def _extension(element: der.Element) -> Extension:
    """Remembered by its bytes: most extensions are the same in all certificates of one CA, or of one person."""
    reader = der.inside(element)
    oid = der.read_oid(reader.next())
    flag = reader.optional(der.BOOLEAN)
    if flag is not None and not der.read_boolean(flag):  # DEFAULT FALSE is left out in DER (X.690 §11.5)
        raise FormatError("der-default", "certificate extension spells out a default value")
    value = der.read_octet_string(reader.next())
    reader.done()
    if oid.startswith(_RFC5280_ARCS):
        der.parse(value)
    return Extension(oid, flag is not None, value, element.raw)


def parse_pem_chain(text: bytes) -> tuple[Certificate, ...]:
    """Parse all certificates of a PEM file, in its order. Raises FormatError as ``parse_certificate`` does."""
    return tuple(parse_certificate(block) for block in pem_decode(text, "CERTIFICATE"))


def subject_alt_names(certificate: Certificate) -> tuple[GeneralName, ...]:
    """All subject alternative names (RFC 5280 §4.2.1.6). Raises FormatError when the extension is malformed."""
    extension = certificate.extension(oids.SUBJECT_ALT_NAME)
    if extension is None:
        return ()
    return tuple(_general_name(name) for name in der.parse(extension.value, der.SEQUENCE).children())


def _general_name(element: der.Element) -> GeneralName:
    if element.tag in (_RFC822_NAME, _URI):
        try:
            text = element.content.decode("ascii")  # IA5String
        except UnicodeDecodeError as error:
            raise FormatError("certificate-san-invalid", "subject alternative name is not ASCII") from error
        return GeneralName("email" if element.tag == _RFC822_NAME else "uri", text)
    if element.tag == _OTHER_NAME:
        reader = der.Reader(element.content)
        if der.read_oid(reader.next()) == oids.FULCIO_OTHER_NAME:
            value = der.parse(reader.next(0xA0).content, der.UTF8_STRING)
            reader.done()
            return GeneralName("other", der.read_text(value))
    return GeneralName("unsupported", f"tag {element.tag:#04x}")


def key_usage(certificate: Certificate) -> frozenset[int] | None:
    """Bits of keyUsage (RFC 5280 §4.2.1.3): 0 digitalSignature, 5 keyCertSign. None when it is not there."""
    extension = certificate.extension(oids.KEY_USAGE)
    return None if extension is None else der.read_named_bits(der.parse(extension.value))


def extended_key_usage(certificate: Certificate) -> tuple[str, ...] | None:
    """Purposes of extKeyUsage (RFC 5280 §4.2.1.12) as dotted OIDs. None when it is not there."""
    extension = certificate.extension(oids.EXTENDED_KEY_USAGE)
    if extension is None:
        return None
    return tuple(der.read_oid(purpose) for purpose in der.parse(extension.value, der.SEQUENCE).children())


def basic_constraints(certificate: Certificate) -> tuple[bool, int | None]:
    """(cA, pathLenConstraint) of basicConstraints (RFC 5280 §4.2.1.9); (False, None) when it is not there.

    Raises FormatError ``der-...``, or ``certificate-path-length`` for a length below zero or without cA.
    """
    extension = certificate.extension(oids.BASIC_CONSTRAINTS)
    if extension is None:
        return False, None
    reader = der.Reader(der.parse(extension.value, der.SEQUENCE).content)
    flag = reader.optional(der.BOOLEAN)
    length = reader.optional(der.INTEGER)
    reader.done()
    if flag is not None and not der.read_boolean(flag):  # DEFAULT FALSE
        raise FormatError("der-default", "basicConstraints spells out a default value")
    most = None if length is None else der.read_integer(length)
    if most is not None and (flag is None or most < 0):
        raise FormatError(
            "certificate-path-length", "certificate has a path length that only a CA may have, or a negative one"
        )
    return flag is not None, most


@lru_cache(maxsize=256)
def key_identifiers(certificate: Certificate) -> tuple[bytes | None, bytes | None]:
    """(subjectKeyIdentifier, keyIdentifier of authorityKeyIdentifier) (RFC 5280 §4.2.1.1 and §4.2.1.2)."""
    subject, authority = certificate.extension(oids.SUBJECT_KEY_ID), certificate.extension(oids.AUTHORITY_KEY_ID)
    subject_id = None if subject is None else der.read_octet_string(der.parse(subject.value))
    authority_id = None
    if authority is not None:
        reader = der.Reader(der.parse(authority.value, der.SEQUENCE).content)
        key_id, _, _ = (reader.optional(tag) for tag in (0x80, 0xA1, 0x82))  # the issuer's name and serial are hints
        reader.done()
        authority_id = None if key_id is None else key_id.content
    return subject_id, authority_id
