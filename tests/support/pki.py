"""Certificates for the tests, made by cryptography's builder: a foreign encoder for what our reader reads."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gitsign_py.core.pki.certificate import Certificate, parse_certificate

START = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = "https://issuer.example.com"
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def issuer_extensions(issuer: str = ISSUER, second: str | None = None) -> list[tuple[x509.ExtensionType, bool]]:
    text = (second or issuer).encode()
    return [
        (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), issuer.encode()), False),
        (
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c" + bytes([len(text)]) + text),
            False,
        ),
    ]


class Authority:
    """A CA: its key, its certificate, and what it issues."""

    def __init__(
        self,
        common_name: str = "root",
        parent: "Authority | None" = None,
        *,
        key: Key | None = None,
        ca: bool = True,
        path_length: int | None = None,
        key_cert_sign: bool | None = True,
        purposes: list[x509.ObjectIdentifier] | None = None,
        not_before: datetime = START - timedelta(days=1),
        not_after: datetime = START + timedelta(days=3650),
        extra: list[tuple[x509.ExtensionType, bool]] | None = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP384R1())
        self.subject = name(common_name)
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca, path_length), True)]
        if key_cert_sign is not None:
            extensions.append((usage(key_cert_sign=key_cert_sign), True))
        if purposes:
            extensions.append((x509.ExtendedKeyUsage(purposes), False))
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False))
        signer = parent or self
        if parent is not None:
            extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(parent.key.public_key()), False))
        self.certificate = signer.sign(self.key, self.subject, not_before, not_after, [*extensions, *(extra or [])])

    def sign(
        self,
        key: Key,
        subject: x509.Name,
        not_before: datetime,
        not_after: datetime,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> Certificate:
        builder = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(self.subject)
            .subject_name(subject)
            .public_key(key.public_key())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        algorithm = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
        return parse_certificate(builder.sign(self.key, algorithm).public_bytes(Encoding.DER))

    def leaf(
        self,
        *,
        key: Key | None = None,
        names: list[x509.GeneralName] | None = None,
        purposes: list[x509.ObjectIdentifier] | None = None,
        ca: bool = False,
        digital_signature: bool = True,
        issuers: list[tuple[x509.ExtensionType, bool]] | None = None,
        not_before: datetime = START,
        not_after: datetime = START + timedelta(minutes=10),
        extra: list[tuple[x509.ExtensionType, bool]] | None = None,
    ) -> Certificate:
        """A leaf as Fulcio makes them, unless told otherwise."""
        san = [x509.RFC822Name("alice@example.com")] if names is None else names
        extensions: list[tuple[x509.ExtensionType, bool]] = [(usage(digital_signature=digital_signature), True)]
        if purposes is None:
            purposes = [ExtendedKeyUsageOID.CODE_SIGNING]
        if purposes:
            extensions.append((x509.ExtendedKeyUsage(purposes), False))
        if san:
            extensions.append((x509.SubjectAlternativeName(san), True))
        if ca:
            extensions.append((x509.BasicConstraints(True, None), True))
        extensions += issuer_extensions() if issuers is None else issuers
        return self.sign(
            key or ec.generate_private_key(ec.SECP256R1()),
            name(""),
            not_before,
            not_after,
            [*extensions, *(extra or [])],
        )


def usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=not digital_signature and not key_cert_sign,  # some bit has to be set
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
