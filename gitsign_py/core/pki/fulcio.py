"""The profile of a Fulcio code signing certificate, and the name in it (Fulcio's certificate-specification, oid-info).

A leaf has exactly one subject alternative name. Its issuer stands in one or both of two extensions; where both are
there they must agree, so that nobody is one person to an old reader and another to a new one.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import (
    Certificate,
    basic_constraints,
    extended_key_usage,
    key_usage,
    subject_alt_names,
)
from gitsign_py.core.pki.namekind import NameKind
from gitsign_py.errors import FormatError, VerificationError

_DIGITAL_SIGNATURE = 0
_LABEL = r"[A-Za-z0-9_~!$&'()*+,;=%-]+"
_AUTHORITY = rf"(?:[^@/?#\[\]]*@)?(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])?(?::[0-9]*)?"
_URI = (  # RFC 3986 §4.1: with a scheme or without; an authority's host has no empty labels
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:(?://{_AUTHORITY}(?=[/?#]|\Z)|(?!//))|(?!//|[^/?#]*:))"
    r"(?:[A-Za-z0-9!#$&'()*+,;=:@/?~._\[\]-]|%[0-9A-Fa-f]{2})*"
)


@frozen
class CertificateIdentity:
    """Whom a certificate names: ``value`` of type ``san_type`` (email, uri, other), vouched for by ``issuer``.

    ``claims`` are the Fulcio extensions by name (``source_repository_uri``, ``github_workflow_ref``, ...).
    """

    value: str
    san_type: NameKind
    issuer: str
    claims: Mapping[str, str] = field(default_factory=dict)


def certificate_identity(certificate: Certificate) -> CertificateIdentity:
    """Read identity, issuer and claims of a leaf.

    Raises VerificationError ``certificate-san-missing``, ``-several``, ``-unsupported``, ``-invalid`` or
    ``certificate-issuer-...``.
    """
    names = subject_alt_names(certificate)
    if not names:
        raise VerificationError("certificate-san-missing", "certificate has no subject alternative name")
    if len(names) > 1:
        raise VerificationError(
            "certificate-san-several", f"certificate has {len(names)} subject alternative names, exactly one is allowed"
        )
    if names[0].kind == "unsupported" or not names[0].value:
        raise VerificationError(
            "certificate-san-unsupported", "certificate names neither an e-mail address, a URI nor a Fulcio name"
        )
    if not names[0].value.isprintable():
        raise VerificationError("certificate-san-unsupported", "certificate's identity holds unprintable characters")
    if names[0].kind == "uri" and not re.fullmatch(_URI, names[0].value):  # compiled when one is met: start-up counts
        raise VerificationError("certificate-san-invalid", "certificate's identity is no valid URI")
    return CertificateIdentity(
        names[0].value, cast(NameKind, names[0].kind), _issuer(certificate), MappingProxyType(_claims(certificate))
    )


def _issuer(certificate: Certificate) -> str:
    first, second = _raw_claim(certificate, oids.FULCIO_ISSUER_V1), _text_claim(certificate, oids.FULCIO_ISSUER_V2)
    if first is None and second is None:
        raise VerificationError("certificate-issuer-missing", "certificate names no OIDC issuer")
    if first is not None and second is not None and first != second:
        raise VerificationError(
            "certificate-issuer-disagrees",
            "certificate's two issuer extensions name different OIDC issuers",
            facts={"issuer_v1": first, "issuer_v2": second},
        )
    issuer = second if second is not None else first
    if not issuer or not issuer.isprintable():
        raise VerificationError("certificate-issuer-missing", "certificate's OIDC issuer is empty or unprintable")
    return issuer


def _claims(certificate: Certificate) -> dict[str, str]:
    there = {extension.oid for extension in certificate.extensions}
    texts = {name: _text_claim(certificate, oid) for oid, name in oids.FULCIO_CLAIMS.items() if oid in there}
    raws = {name: _raw_claim(certificate, oid) for oid, name in oids.FULCIO_GITHUB_CLAIMS.items() if oid in there}
    later = {oid: text for oid in sorted(there) if oids.is_later_claim(oid) and (text := _later(certificate, oid))}
    return {name: value for name, value in {**raws, **texts, **later}.items() if value is not None}


def _later(certificate: Certificate, oid: str) -> str | None:
    """A claim that this version does not know: shown and pinned where it is text, no error where it is not."""
    try:
        return _text_claim(certificate, oid)
    except FormatError:
        return None


def _raw_claim(certificate: Certificate, oid: str) -> str | None:
    """An extension whose value is the text itself, without DER around it."""
    extension = certificate.extension(oid)
    if extension is None:
        return None
    try:
        return extension.value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("certificate-claim-invalid", f"certificate extension {oid} is not UTF-8") from error


def _text_claim(certificate: Certificate, oid: str) -> str | None:
    """An extension whose value is a DER UTF8String."""
    extension = certificate.extension(oid)
    return None if extension is None else der.read_text(der.parse(extension.value, der.UTF8_STRING))


def check_profile(certificate: Certificate) -> None:
    """Check that a leaf may sign code and is no CA (certificate-specification; RFC 5280 §4.2.1.3, §4.2.1.12).

    Raises VerificationError ``certificate-is-ca``, ``certificate-key-usage``, ``certificate-not-code-signing``,
    ``certificate-serial`` or ``certificate-san-not-critical``.
    """
    if certificate.serial == 0:  # RFC 5280 §4.1.2.2: positive
        raise VerificationError("certificate-serial", "certificate's serial number is zero")
    is_ca, _ = basic_constraints(certificate)
    usage = key_usage(certificate)
    if is_ca or (usage is not None and 5 in usage):
        raise VerificationError("certificate-is-ca", "certificate is a CA's, not a signer's")
    if usage is None or _DIGITAL_SIGNATURE not in usage:
        raise VerificationError("certificate-key-usage", "certificate may not make digital signatures")
    purposes = extended_key_usage(certificate)
    if purposes is None or oids.CODE_SIGNING not in purposes:
        raise VerificationError("certificate-not-code-signing", "certificate is not for code signing")
    names = certificate.extension(oids.SUBJECT_ALT_NAME)
    if names is not None and not names.critical and not der.parse(certificate.subject).content:
        raise VerificationError(
            "certificate-san-not-critical",
            "certificate has no subject, and does not mark its subject alternative name as critical",
        )
