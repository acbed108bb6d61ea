"""The certificate that a signer says it used: SigningCertificate and SigningCertificateV2 (RFC 5035 §3 to §5).

RFC 3161 §2.4.2 makes the attribute mandatory in tokens, so that a token cannot be re-read with another certificate
over the same key; RFC 5816 §2.2.1 lets the second form stand in for the first. SHA-1 in the first form is what the
RFC fixes: it is no weakness here, where a second preimage that is also a trusted certificate would be needed.
"""

import hashlib
from collections.abc import Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.pki.timestampbuild import read_hash_algorithm
from gitsign_py.errors import FormatError, VerificationError

_DIRECTORY_NAME = 0xA4  # GeneralName [4], EXPLICIT since Name is a CHOICE (RFC 5280 §4.2.1.6)
MAX_IDENTIFIERS = 16


@frozen
class CertificateIdentifier:
    """ESSCertID or ESSCertIDv2: a digest of the whole certificate, and perhaps its issuer's name and serial."""

    hash_name: str
    digest: bytes
    issuer: bytes | None
    serial: int | None

    def names(self, certificate: Certificate) -> bool:
        """Whether this is the identifier of ``certificate``."""
        digest = hashlib.new(self.hash_name, certificate.raw, usedforsecurity=False).digest()
        if digest != self.digest:
            return False
        return self.serial is None or (self.issuer, self.serial) == (certificate.issuer, certificate.serial)


def signing_certificates(signer: cms.SignerInfo) -> tuple[tuple[CertificateIdentifier, ...], ...]:
    """The lists of identifiers among the signed attributes, one for each of the two forms that is there.

    Raises FormatError ``der-...`` or ``ess-malformed``.
    """
    lists = []
    for oid, second_form in ((oids.SIGNING_CERTIFICATE, False), (oids.SIGNING_CERTIFICATE_V2, True)):
        value = cms.attribute_value(signer.signed_attributes, oid)
        if value is not None:
            lists.append(_read_list(value, second_form=second_form))
    return tuple(lists)


def check_signer(lists: Sequence[Sequence[CertificateIdentifier]], certificate: Certificate) -> None:
    """Check that every list starts with the signer's certificate (RFC 5035 §3) and that there is one.

    Raises VerificationError ``timestamp-ess-certid-mismatch``.
    """
    if not lists:
        raise VerificationError(
            "timestamp-ess-certid-mismatch",
            "timestamp does not say which certificate signed it (no signingCertificate)",
        )
    for identifiers in lists:
        if not identifiers[0].names(certificate):
            raise VerificationError(
                "timestamp-ess-certid-mismatch",
                "timestamp says that another certificate signed it",
                facts={"expected": identifiers[0].digest.hex(), "certificate": certificate.fingerprint},
            )


def named(
    lists: Sequence[Sequence[CertificateIdentifier]], certificates: Sequence[Certificate]
) -> tuple[Certificate, ...]:
    """Those of ``certificates`` that a list names beside its signer's (RFC 5035 §3: they are the path's)."""
    others = [identifier for identifiers in lists for identifier in identifiers[1:]]
    return tuple(one for one in certificates if any(identifier.names(one) for identifier in others))


def check_others(lists: Sequence[Sequence[CertificateIdentifier]], path: Sequence[Certificate]) -> None:
    """Check that further identifiers name certificates of the path and of no other one (RFC 5035 §3).

    Raises VerificationError ``timestamp-ess-certid-mismatch``.
    """
    for identifier in (identifier for identifiers in lists for identifier in identifiers[1:]):
        if not any(identifier.names(certificate) for certificate in path):
            raise VerificationError(
                "timestamp-ess-certid-mismatch", "timestamp names an issuer that is not in the authority's path"
            )


def _read_list(element: der.Element, *, second_form: bool) -> tuple[CertificateIdentifier, ...]:
    """SigningCertificate(V2): identifiers, then policies, which RFC 5035 §3 lets verifiers pass over."""
    if element.tag != der.SEQUENCE:
        raise FormatError("ess-malformed", "signingCertificate is not a SEQUENCE")
    reader = der.Reader(element.content)
    items = reader.next(der.SEQUENCE).children()
    reader.optional(der.SEQUENCE)
    reader.done()
    if not 1 <= len(items) <= MAX_IDENTIFIERS:
        raise FormatError("ess-malformed", f"signingCertificate lists {len(items)} certificates")
    return tuple(_read_identifier(item, second_form=second_form) for item in items)


def _read_identifier(element: der.Element, *, second_form: bool) -> CertificateIdentifier:
    if element.tag != der.SEQUENCE:
        raise FormatError("ess-malformed", "certificate identifier is not a SEQUENCE")
    reader = der.Reader(element.content)
    hash_name = "sha256" if second_form else "sha1"
    algorithm = reader.optional(der.SEQUENCE) if second_form else None
    if algorithm is not None:
        hash_name = _hash_name(algorithm)
    digest = der.read_octet_string(reader.next(der.OCTET_STRING))
    issuer_serial = reader.optional(der.SEQUENCE)
    reader.done()
    issuer, serial = (None, None) if issuer_serial is None else _read_issuer_serial(issuer_serial)
    return CertificateIdentifier(hash_name, digest, issuer, serial)


def _hash_name(element: der.Element) -> str:
    """SHA-2 alone. The default, SHA-256, may be spelled out: common authorities do so, and its sense is the same."""
    dotted = read_hash_algorithm(element)
    hash_name = oids.DIGESTS.get(dotted)
    if hash_name is None:
        raise FormatError("ess-malformed", f"certificate is identified by hash {dotted}, not SHA-256, 384 or 512")
    return hash_name


def _read_issuer_serial(element: der.Element) -> tuple[bytes, int]:
    """IssuerSerial with one directoryName (RFC 5035 §5: the name of the issuer must be there, and alone)."""
    reader = der.Reader(element.content)
    names, serial = reader.next(der.SEQUENCE).children(), der.read_integer(reader.next(der.INTEGER))
    reader.done()
    if len(names) != 1 or names[0].tag != _DIRECTORY_NAME:
        raise FormatError("ess-malformed", "certificate identifier names its issuer in an unknown way")
    return der.parse(names[0].content, der.SEQUENCE).raw, serial
