"""The products of the local time-stamp authority: its certificate (cryptography), and its answers by the core's DER
writer.

Tests read the answers by asn1crypto, OpenSSL and rfc3161-client, and give the core's reader tokens of asn1crypto's.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.timestampbuild import TimestampRequest
from gitsign_py.localstack.fulcio.certificates import sign_certificate
from gitsign_py.localstack.keyfiles import PrivateKey
from gitsign_py.localstack.keyring import ServerKey

POLICY = f"{oids.SIGSTORE}.2"  # the policy of Sigstore's own authority
ACCURACY_SECONDS = 1
BAD_ALGORITHM, BAD_REQUEST, BAD_DATA_FORMAT, UNACCEPTED_POLICY, UNACCEPTED_EXTENSION = 0, 2, 5, 15, 16
"""Bits of PKIFailureInfo (RFC 3161 §2.4.2)."""
_GRANTED, _REJECTION = 0, 2
_DIGESTS = {name: der.sequence(der.oid(dotted)) for dotted, name in oids.DIGESTS.items()}
"""AlgorithmIdentifiers without parameters (RFC 5754 §2)."""
_SIGNING = {  # hash and signature algorithm, as ServerKey.sign chooses them
    "ecdsa-p256": ("sha256", der.sequence(der.oid(oids.ECDSA_SHA256))),
    "ecdsa-p384": ("sha384", der.sequence(der.oid(oids.ECDSA_SHA384))),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A key that stamps, with its chain as DER, leaf first."""

    key: ServerKey
    chain: tuple[bytes, ...]


def unit_certificate(private: PrivateKey, name: x509.Name, serial: int, starts: datetime, root: ServerKey) -> bytes:
    """DER of a unit's certificate: timeStamping critical and alone (RFC 3161 §2.3). ``starts`` in whole seconds."""
    issuer = x509.load_der_x509_certificate(root.certificate)
    issuer_key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject)
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(starts)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, crl_sign=False, encipher_only=False, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_id), critical=False)
    )
    return sign_certificate(builder, root.private)


def granted(unit: Unit, query: TimestampRequest, time: datetime, serial: int) -> bytes:
    """DER TimeStampResp of status granted; ``time`` is cut to whole seconds, the accuracy says so."""
    leaf = parse_certificate(unit.chain[0])
    info = _tst_info(query, time, serial, leaf)
    certificates = [der.context(0, b"".join(sorted(unit.chain)))] if query.certificates else []
    hash_name, _ = _SIGNING[unit.key.kind]
    signed = der.sequence(
        der.integer(3),  # the content is not plain data (RFC 5652 §5.1)
        der.set_of([_DIGESTS[hash_name]]),
        der.sequence(der.oid(oids.TST_INFO), der.context(0, der.octet_string(info))),
        *certificates,
        der.set_of([_signer(unit.key, info, leaf, time)]),
    )
    token = der.sequence(der.oid(oids.SIGNED_DATA), der.context(0, signed))
    return der.sequence(der.sequence(der.integer(_GRANTED)), token)


def refused(failure: int, text: str) -> bytes:
    """DER TimeStampResp of status rejection: ``failure`` is a bit of PKIFailureInfo, ``text`` says why."""
    octets = bytearray(failure // 8 + 1)
    octets[-1] = 0x80 >> failure % 8  # a named bit list ends with its last one (X.690 §11.2.2)
    bits = der.encode(der.BIT_STRING, bytes([7 - failure % 8]) + bytes(octets))
    return der.sequence(der.sequence(der.integer(_REJECTION), der.sequence(der.utf8_string(text)), bits))


def _tst_info(query: TimestampRequest, time: datetime, serial: int, leaf: Certificate) -> bytes:
    """TSTInfo (RFC 3161 §2.4.2); ``ordering`` is at its default."""
    return der.sequence(
        der.integer(1),
        der.oid(query.policy or POLICY),
        der.sequence(_DIGESTS[query.hash_name], der.octet_string(query.imprint)),
        der.integer(serial),
        der.generalized_time(time),
        der.sequence(der.integer(ACCURACY_SECONDS)),
        *([] if query.nonce is None else [der.integer(query.nonce)]),
        der.context(0, _directory_name(leaf.subject)),
    )


def _signer(key: ServerKey, info: bytes, leaf: Certificate, time: datetime) -> bytes:
    """SignerInfo by issuer and serial number (RFC 5652 §5.3)."""
    hash_name, algorithm = _SIGNING[key.kind]
    attributes = [
        _attribute(oids.CONTENT_TYPE, der.oid(oids.TST_INFO)),
        _attribute(oids.SIGNING_TIME, der.utc_time(time)),
        _attribute(oids.MESSAGE_DIGEST, der.octet_string(hashlib.new(hash_name, info).digest())),
        _attribute(oids.SIGNING_CERTIFICATE_V2, _essid(leaf)),
    ]
    return der.sequence(
        der.integer(1),
        der.sequence(leaf.issuer, der.integer(leaf.serial)),
        _DIGESTS[hash_name],
        der.context(0, b"".join(sorted(attributes))),
        algorithm,
        der.octet_string(key.sign(der.set_of(attributes))),
    )


def _attribute(kind: str, value: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.set_of([value]))


def _essid(leaf: Certificate) -> bytes:
    """SigningCertificateV2: ESSCertIDv2 by SHA-256, its default, with issuer and serial number (RFC 5816 §2.2.1)."""
    issuer_serial = der.sequence(der.sequence(_directory_name(leaf.issuer)), der.integer(leaf.serial))
    return der.sequence(der.sequence(der.sequence(der.octet_string(hashlib.sha256(leaf.raw).digest()), issuer_serial)))


def _directory_name(name: bytes) -> bytes:
    """GeneralName of a DER Name (RFC 5280 §4.2.1.6)."""
    return der.context(4, name)
