"""Builds the certificates of the local Fulcio with cryptography: root, intermediate, precertificate, leaf (RFC 5280).

Our core reads certificates with its own DER code; here somebody else's encoder writes them.
"""

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gitsign_py.core.pki import der, oids
from gitsign_py.localstack.fulcio.claims import Identity
from gitsign_py.localstack.keyfiles import PrivateKey
from gitsign_py.localstack.keyring import CERTIFICATE_RFC6979, ServerKey

ORGANIZATION = "gitsign-py local stack"
LEAF_LIFETIME = timedelta(minutes=10)
CA_LIFETIME = timedelta(days=3650)
CertifiedKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


def ca_name(common_name: str) -> x509.Name:
    """The name of one of the stack's own authorities."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def serial_number(randomness: bytes) -> int:
    """A positive serial of at most 20 bytes (RFC 5280 §4.1.2.2) from 20 random bytes."""
    return (int.from_bytes(randomness, "big") >> 1) | 1


def ca_certificate(
    private: PrivateKey, name: x509.Name, serial: int, starts: datetime, *, signer: ServerKey | None, path_length: int
) -> bytes:
    """A CA certificate, DER: self-signed without ``signer``, else signed by it. ``private`` is the new CA's key."""
    issuer = x509.load_der_x509_certificate(signer.certificate) if signer else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(starts)
        .not_valid_after(starts + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    if issuer:
        # As the public Fulcio's: the intermediate may issue for code signing alone; the root says nothing.
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        builder = builder.add_extension(_authority(issuer), critical=False)
    return sign_certificate(builder, signer.private if signer else private)


def leaf_builder(
    identity: Identity, public_key: CertifiedKey, serial: int, starts: datetime, issuer: ServerKey
) -> x509.CertificateBuilder:
    """A Fulcio leaf without its SCT: empty subject, critical SAN, claims; 10 minutes from ``starts``."""
    authority = x509.load_der_x509_certificate(issuer.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(starts)
        .not_valid_after(starts + LEAF_LIFETIME)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority(authority), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(identity)]), critical=True)
    )
    for oid, text in identity.raw.items():
        builder = _claim(builder, oid, text.encode())
    for oid, text in identity.texts.items():
        builder = _claim(builder, oid, der.utf8_string(text))
    return builder


def precertificate(builder: x509.CertificateBuilder, issuer: ServerKey) -> bytes:
    """The leaf with the critical poison extension, DER (RFC 6962 §3.1); it goes to the CT log and nowhere else."""
    return sign_certificate(builder.add_extension(x509.PrecertPoison(), critical=True), issuer.private)


def leaf(builder: x509.CertificateBuilder, sct_list: bytes, issuer: ServerKey) -> bytes:
    """The leaf, DER, with the SCT list where the poison was; ``sct_list`` empty leaves it out (RFC 6962 §3.3)."""
    if sct_list:
        builder = _claim(builder, oids.SCT_LIST, der.octet_string(sct_list))
    return sign_certificate(builder, issuer.private)


def _claim(builder: x509.CertificateBuilder, oid: str, value: bytes) -> x509.CertificateBuilder:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    return builder.add_extension(extension, critical=False)


def _general_name(identity: Identity) -> x509.GeneralName:
    if identity.kind == "email":
        return x509.RFC822Name(identity.value)
    if identity.kind == "other":
        return x509.OtherName(x509.ObjectIdentifier(oids.FULCIO_OTHER_NAME), der.utf8_string(identity.value))
    return x509.UniformResourceIdentifier(identity.value)


def _authority(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def sign_certificate(builder: x509.CertificateBuilder, private: PrivateKey) -> bytes:
    """Sign a certificate, DER."""
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    repeatable: Any = {}
    if CERTIFICATE_RFC6979 and isinstance(private, ec.EllipticCurvePrivateKey):
        repeatable["ecdsa_deterministic"] = True
    return builder.sign(private, digest, **repeatable).public_bytes(serialization.Encoding.DER)
