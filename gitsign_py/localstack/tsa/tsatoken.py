"""What the local time-stamp authority makes: its certificate (cryptography) and its answers (asn1crypto).

Encoders that are not ours, on purpose: the core's reader meets tokens that the core did not write.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from gitsign_py.core.pki import oids
from gitsign_py.core.pki.timestampbuild import TimestampRequest
from gitsign_py.localstack.keyring import PrivateKey, ServerKey

POLICY = f"{oids.SIGSTORE}.2"  # the policy of Sigstore's own authority
ACCURACY_SECONDS = 1
_SIGNING_HASHES = {"ecdsa-p256": "sha256", "ecdsa-p384": "sha384"}  # as ServerKey.sign chooses them


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
    return builder.sign(root.private, hashes.SHA384()).public_bytes(serialization.Encoding.DER)


def granted(unit: Unit, query: TimestampRequest, time: datetime, serial: int) -> bytes:
    """DER TimeStampResp of status granted; ``time`` is cut to whole seconds, the accuracy says so."""
    leaf = asn1_x509.Certificate.load(unit.chain[0])
    info = _tst_info(query, time.replace(microsecond=0), serial, leaf)
    signed: dict[str, Any] = {
        "version": "v3",
        "digest_algorithms": [algos.DigestAlgorithm({"algorithm": _SIGNING_HASHES[unit.key.kind]})],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
        "signer_infos": [_signer(unit.key, info, leaf, time)],
    }
    if query.certificates:
        certificates = [asn1_x509.Certificate.load(certificate) for certificate in unit.chain]
        signed["certificates"] = [cms.CertificateChoices("certificate", certificate) for certificate in certificates]
    token = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})
    return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())


def refused(failure: str, text: str) -> bytes:
    """DER TimeStampResp of status rejection: ``failure`` as asn1crypto names PKIFailureInfo's bits, ``text`` why."""
    status = {"status": "rejection", "status_string": [core.UTF8String(text)], "fail_info": {failure}}
    # A response without its token, which asn1crypto's own class does not know to be optional (RFC 3161 §2.4.2).
    response = core.SequenceOf(spec=tsp.PKIStatusInfo)
    response.append(tsp.PKIStatusInfo(status))
    return bytes(response.dump())


def _tst_info(query: TimestampRequest, time: datetime, serial: int, leaf: asn1_x509.Certificate) -> bytes:
    fields: dict[str, Any] = {
        "version": "v1",
        "policy": query.policy or POLICY,
        "message_imprint": {"hash_algorithm": {"algorithm": query.hash_name}, "hashed_message": query.imprint},
        "serial_number": serial,
        "gen_time": time,
        "accuracy": {"seconds": ACCURACY_SECONDS},
        "tsa": asn1_x509.GeneralName("directory_name", leaf.subject),
    }
    if query.nonce is not None:
        fields["nonce"] = query.nonce
    return bytes(tsp.TSTInfo(fields).dump())


def _signer(key: ServerKey, info: bytes, leaf: asn1_x509.Certificate, time: datetime) -> cms.SignerInfo:
    hash_name = _SIGNING_HASHES[key.kind]
    attributes = cms.CMSAttributes(
        [
            _attribute("content_type", cms.ContentType("tst_info")),
            _attribute("signing_time", cms.Time({"utc_time": core.UTCTime(time)})),
            _attribute("message_digest", core.OctetString(hashlib.new(hash_name, info).digest())),
            _attribute("signing_certificate_v2", _essid(leaf)),
        ]
    )
    issuer_and_serial = {"issuer": leaf.issuer, "serial_number": leaf.serial_number}
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", issuer_and_serial),
            "digest_algorithm": {"algorithm": hash_name},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": f"{hash_name}_ecdsa"},
            "signature": key.sign(attributes.dump()),
        }
    )


def _attribute(kind: str, value: object) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": kind, "values": [value]})


def _essid(leaf: asn1_x509.Certificate) -> tsp.SigningCertificateV2:
    """ESSCertIDv2 with SHA-256 and the issuer's name and serial (RFC 5816 §2.2.1)."""
    entry = {
        "cert_hash": hashlib.sha256(leaf.dump()).digest(),
        "issuer_serial": {
            "issuer": [asn1_x509.GeneralName("directory_name", leaf.issuer)],
            "serial_number": leaf.serial_number,
        },
    }
    return tsp.SigningCertificateV2({"certs": [entry]})
