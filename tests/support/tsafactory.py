"""Timestamp authorities and tokens made to order by foreign encoders: cryptography for X.509, asn1crypto for CMS.

``make_token`` gives a good token; each keyword spoils one thing. ``None`` for a part leaves that part out.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import new as new_hash
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gitsign_py.core.pki import der

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
POLICY = "1.3.6.1.4.1.57264.2"
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_HASHES: dict[str, type[hashes.SHA1 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True)
class Authority:
    """A time-stamping key with its chain, leaf first and root last."""

    key: PrivateKey
    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    issuer_keys: tuple[ec.EllipticCurvePrivateKey, ...] = field(repr=False)

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        return tuple(der_of(certificate) for certificate in (self.leaf, *self.issuers))


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_ca(common_name: str = "test-tsa-root", *, not_before: datetime | None = None) -> Authority:
    """A self-signed CA, as an Authority without issuers (it also serves to sign with a CA by mistake)."""
    key = ec.generate_private_key(ec.SECP384R1())
    start = not_before or NOW - timedelta(days=30)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs=False, certifies=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    return Authority(key, certificate, (), ())


def make_authority(
    *,
    ca: Authority | None = None,
    key: PrivateKey | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.TIME_STAMPING,),
    purpose_critical: bool = True,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    is_ca: bool = False,
    usage: x509.KeyUsage | None = None,
    unknown_critical: bool = False,
    common_name: str = "test-tsa",
    serial: int | None = None,
    alternative: x509.GeneralName | None = None,
) -> Authority:
    """A time-stamping key under ``ca`` (a new one when None)."""
    ca = ca or make_ca()
    assert isinstance(ca.key, ec.EllipticCurvePrivateKey)
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(ca.leaf.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before or NOW - timedelta(days=1))
        .not_valid_after(not_after or NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(usage or _usage(signs=True, certifies=is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=purpose_critical)
    if alternative is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    if unknown_critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    leaf = builder.sign(ca.key, hashes.SHA384())
    return Authority(key, leaf, (ca.leaf, *ca.issuers), (ca.key, *ca.issuer_keys))


def digest(hash_name: str, data: bytes) -> bytes:
    return new_hash(hash_name, data, usedforsecurity=False).digest()


def make_tst_info(
    message: bytes,
    *,
    hash_name: str = "sha256",
    time: datetime = NOW,
    accuracy: dict[str, int] | None = None,
    nonce: int | None = None,
    version: int = 1,
    tsa: x509.Name | None = None,
    extensions: Sequence[tuple[str, bool]] = (),
) -> bytes:
    """DER TSTInfo; ``extensions`` are (OID, critical)."""
    fields: dict[str, Any] = {
        "version": version,
        "policy": POLICY,
        "message_imprint": {
            "hash_algorithm": {"algorithm": hash_name},
            "hashed_message": digest(hash_name, message),
        },
        "serial_number": 77,
        "gen_time": time,
    }
    if accuracy is not None:
        fields["accuracy"] = accuracy
    if nonce is not None:
        fields["nonce"] = nonce
    if tsa is not None:
        fields["tsa"] = asn1_x509.GeneralName("directory_name", asn1_x509.Name.load(tsa.public_bytes()))
    if extensions:
        fields["extensions"] = [
            {"extn_id": oid, "critical": critical, "extn_value": b"\x05\x00"} for oid, critical in extensions
        ]
    return bytes(tsp.TSTInfo(fields).dump())


def ess_v2(
    certificate: bytes, *, hash_name: str = "sha256", issuer_serial: bytes | None = None, others: Sequence[bytes] = ()
) -> bytes:
    """DER SigningCertificateV2; ``issuer_serial`` is the DER of the certificate that it names besides the hash.

    ``others`` are further certificates that it lists.
    """
    entry: dict[str, Any] = {"cert_hash": digest(hash_name, certificate)}
    if hash_name != "sha256":
        entry["hash_algorithm"] = {"algorithm": hash_name}
    if issuer_serial is not None:
        named = asn1_x509.Certificate.load(issuer_serial)
        entry["issuer_serial"] = {
            "issuer": [asn1_x509.GeneralName("directory_name", named.issuer)],
            "serial_number": named.serial_number,
        }
    entries = [entry, *({"cert_hash": digest("sha256", other)} for other in others)]
    return bytes(tsp.SigningCertificateV2({"certs": entries}).dump())


def ess_v1(certificate: bytes) -> bytes:
    """DER SigningCertificate (SHA-1, RFC 2634 §5.4)."""
    return bytes(tsp.SigningCertificate({"certs": [{"cert_hash": digest("sha1", certificate)}]}).dump())


def sign(key: PrivateKey, data: bytes, hash_name: str, *, pss: bool = False) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_HASHES[hash_name]()))
    algorithm = _HASHES[hash_name]()
    scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if pss else padding.PKCS1v15()
    return key.sign(data, scheme, algorithm)


def _signature_algorithm(key: PrivateKey, hash_name: str) -> dict[str, str]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"algorithm": "ed25519"}
    return {"algorithm": f"{hash_name}_{'ecdsa' if isinstance(key, ec.EllipticCurvePrivateKey) else 'rsa'}"}


def make_signer(
    authority: Authority,
    content: bytes,
    *,
    content_type: str = "tst_info",
    hash_name: str = "sha256",
    ess: Sequence[tuple[str, bytes]] | None = None,
    message_digest: bytes | None = None,
    time: datetime = NOW,
) -> bytes:
    """A DER SignerInfo over ``content``; ``ess`` lists (attribute name, DER value), a good ESSCertIDv2 when None.

    The name ``any`` puts any DER at all into the place of a SigningCertificateV2.
    """
    leaf = der_of(authority.leaf)
    certificates = [("signing_certificate_v2", ess_v2(leaf, issuer_serial=leaf))] if ess is None else ess
    values: list[tuple[str, Any]] = [
        ("content_type", content_type),
        ("signing_time", cms.Time({"utc_time": core.UTCTime(time)})),
        ("message_digest", message_digest or digest(hash_name, content)),
    ]
    types = {"signing_certificate": tsp.SigningCertificate, "signing_certificate_v2": tsp.SigningCertificateV2}
    values += [(kind, types[kind].load(value)) for kind, value in certificates if kind in types]
    parts = [cms.CMSAttribute({"type": kind, "values": [value]}).dump() for kind, value in values]
    parts += [
        der.sequence(der.oid("1.2.840.113549.1.9.16.2.47"), der.set_of([value]))
        for kind, value in certificates
        if kind == "any"
    ]
    attributes = der.set_of(parts)
    named = asn1_x509.Certificate.load(leaf)
    name = {"issuer": named.issuer, "serial_number": named.serial_number}
    # The frame is put together here: asn1crypto takes a length that ends in 0x80 for an indefinite one and then writes
    # all that is inside anew, which values that are malformed on purpose do not survive.
    return der.sequence(
        der.integer(1),
        cms.SignerIdentifier("issuer_and_serial_number", name).dump(),
        algos.DigestAlgorithm({"algorithm": hash_name}).dump(),
        b"\xa0" + attributes[1:],
        algos.SignedDigestAlgorithm(_signature_algorithm(authority.key, hash_name)).dump(),
        der.octet_string(sign(authority.key, attributes, hash_name)),
    )


def wrap(
    content: bytes,
    signers: Sequence[bytes],
    *,
    attached: bool = True,
    certificates: Sequence[bytes] = (),
    content_type: str = "tst_info",
    hash_name: str = "sha256",
) -> bytes:
    """DER ContentInfo(SignedData); ``attached`` puts the content in."""
    parts = [
        der.integer(1 if content_type == "data" else 3),
        der.set_of([algos.DigestAlgorithm({"algorithm": hash_name}).dump()]),
        der.sequence(
            cms.ContentType(content_type).dump(), der.context(0, der.octet_string(content)) if attached else b""
        ),
    ]
    if certificates:
        parts.append(der.context(0, b"".join(sorted(certificates))))
    signed = der.sequence(*parts, der.set_of(list(signers)))
    return der.sequence(cms.ContentType("signed_data").dump(), der.context(0, signed))


def make_token(
    authority: Authority,
    message: bytes,
    *,
    embed: Sequence[bytes] | bool = True,
    content: bytes | None = None,
    content_type: str = "tst_info",
    signer_hash: str = "sha256",
    signers: Callable[[bytes], Sequence[bytes]] | None = None,
    signer: dict[str, Any] | None = None,
    attached: bool = True,
    **tst_info: Any,
) -> bytes:
    """A DER TimeStampToken over ``message``; ``signer`` goes to ``make_signer``, further keywords to the TSTInfo."""
    content = make_tst_info(message, **tst_info) if content is None else content
    made = (
        signers(content)
        if signers
        else [
            make_signer(
                authority, content, **{"content_type": content_type, "hash_name": signer_hash, **(signer or {})}
            )
        ]
    )
    certificates = ((der_of(authority.leaf),) if embed else ()) if isinstance(embed, bool) else tuple(embed)
    return wrap(
        content, made, attached=attached, certificates=certificates, content_type=content_type, hash_name=signer_hash
    )


def make_response(
    token: bytes | None, *, status: int = 0, texts: Sequence[str] = (), failures: Collection[str] = ()
) -> bytes:
    """DER TimeStampResp, by hand where asn1crypto insists on a token."""
    info: dict[str, Any] = {"status": status}
    if texts:
        info["status_string"] = [core.UTF8String(text) for text in texts]
    if failures:
        info["fail_info"] = set(failures)
    head = bytes(tsp.PKIStatusInfo(info).dump())
    body = head + (token or b"")
    return b"\x30" + asn1_length(len(body)) + body


def asn1_length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets
