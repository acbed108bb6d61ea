"""The services behind forged signatures, in memory and the same in each run: CA, CT logs, Rekor v1 and v2, a TSA.

Keys come from small numbers and ECDSA signs without randomness (RFC 6979), so that what is forged can be checked in.
Certificates are written field by field with our DER writer: any of them can be wrong in any way.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gitsign_py.core.pki import der, oids
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.tlog.sct import PRECERT_ENTRY, Sct, build_sct, encode_sct_list, precert_entry, signed_data
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance, TrustedRoot, Validity
from tests.support import tsafactory
from tests.support.logs import MemoryLog

T0 = datetime(2025, 6, 1, 12, tzinfo=UTC)
"""When the leaf's ten minutes begin."""
LOGGED, STAMPED = T0 + timedelta(seconds=2), T0 + timedelta(seconds=3)
WINDOW = Validity(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
EMAIL, ISSUER = "alice@example.com", "https://issuer.example.com"
DIGITAL_SIGNATURE, KEY_CERT_SIGN, CA_USAGE = b"\x07\x80", b"\x02\x04", b"\x01\x06"  # BIT STRING content
_ECDSA = {"sha256": (oids.ECDSA_SHA256, hashes.SHA256()), "sha384": (oids.ECDSA_SHA384, hashes.SHA384())}
EcKey = ec.EllipticCurvePrivateKey


def key(number: int) -> EcKey:
    """A P-256 key of its own for each number."""
    return ec.derive_private_key(10_000 + number, ec.SECP256R1())


def edwards(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def spki(private: EcKey | ed25519.Ed25519PrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.DER, form)


def sign(private: EcKey, data: bytes, hash_name: str = "sha256") -> bytes:
    return private.sign(data, ec.ECDSA(_ECDSA[hash_name][1], deterministic_signing=True))


def name(common_name: str) -> bytes:
    """DER Name with one common name, or none."""
    parts = der.sequence(der.oid("2.5.4.3"), der.utf8_string(common_name))
    return der.sequence(der.set_of([parts])) if common_name else der.sequence()


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = der.boolean(True) if critical else b""
    return der.sequence(der.oid(oid), flag, der.octet_string(value))


def usage(bits: bytes) -> bytes:
    return extension(oids.KEY_USAGE, der.encode(der.BIT_STRING, bits), critical=True)


def constraints(*, ca: bool, path_length: int | None = None) -> bytes:
    length = b"" if path_length is None else der.integer(path_length)
    return extension(oids.BASIC_CONSTRAINTS, der.sequence(der.boolean(True) if ca else b"", length), critical=True)


def purposes(*wanted: str, critical: bool = False) -> bytes:
    return extension(oids.EXTENDED_KEY_USAGE, der.sequence(*map(der.oid, wanted)), critical=critical)


def issuer_claims(first: str | None = ISSUER, second: str | None = ISSUER) -> list[bytes]:
    raw = [] if first is None else [extension(oids.FULCIO_ISSUER_V1, first.encode())]
    return raw + ([] if second is None else [extension(oids.FULCIO_ISSUER_V2, der.utf8_string(second))])


@dataclass(frozen=True)
class Authority:
    """A CA certificate and its key."""

    key: EcKey
    certificate: Certificate
    subject: bytes

    def certify(
        self,
        subject: bytes,
        public: bytes,
        extensions: Sequence[bytes],
        *,
        serial: int,
        not_before: datetime,
        not_after: datetime,
    ) -> Certificate:
        return certify(self.key, self.subject, subject, public, extensions, serial, not_before, not_after)


def certify(
    signer: EcKey,
    issuer: bytes,
    subject: bytes,
    public: bytes,
    extensions: Sequence[bytes],
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> Certificate:
    """Write and sign a certificate (RFC 5280 §4.1)."""
    algorithm = der.sequence(der.oid(oids.ECDSA_SHA256))
    tbs = der.sequence(
        der.context(0, der.integer(2)),
        der.integer(serial),
        algorithm,
        issuer,
        der.sequence(der.utc_time(not_before), der.utc_time(not_after)),
        subject,
        public,
        der.context(3, der.sequence(*extensions)),
    )
    return parse_certificate(der.sequence(tbs, algorithm, der.bit_string(sign(signer, tbs))))


def make_ca(
    number: int,
    common_name: str,
    parent: Authority | None = None,
    *,
    ca: bool = True,
    path_length: int | None = None,
    bits: bytes | None = CA_USAGE,
    purpose: Sequence[str] = (),
    extra: Sequence[bytes] = (),
    not_before: datetime = T0 - timedelta(days=30),
    not_after: datetime = T0 + timedelta(days=300),
) -> Authority:
    """A CA with key ``number``; self-signed without ``parent``."""
    private, subject = key(number), name(common_name)
    parts = [constraints(ca=ca, path_length=path_length)]
    parts += [usage(bits)] if bits else []
    parts += [purposes(*purpose)] if purpose else []
    signer = (parent.key, parent.subject) if parent else (private, subject)
    made = certify(*signer, subject, spki(private), [*parts, *extra], 100 + number, not_before, not_after)
    return Authority(private, made, subject)


class CtLog:
    """A CT log that promises anything."""

    def __init__(self, number: int) -> None:
        self.key = key(number)
        self.log = MemoryLog("ct.example.com", key=self.key)
        self.public = self.log.public

    def sct(self, certificate: Certificate, issuer: Certificate, at: datetime = T0) -> Sct:
        moment = int(at.timestamp() * 1000)
        data = signed_data(moment, PRECERT_ENTRY, precert_entry(certificate, issuer), b"")
        return build_sct(self.public.key_id, moment, b"", sign(self.key, data))

    def trusted(self, window: Validity = WINDOW) -> TransparencyLogInstance:
        return self.log.trusted(start=window.start, end=window.end)


class ForgedLog(MemoryLog):
    """A log in memory whose ECDSA signatures are the same each time."""

    def sign(self, data: bytes) -> bytes:
        return sign(self.key, data) if isinstance(self.key, EcKey) else super().sign(data)


Scts = Callable[["World", Certificate, Certificate], Sequence[Sct]]


def good_scts(world: "World", certificate: Certificate, issuer: Certificate) -> Sequence[Sct]:
    return [world.ct.sct(certificate, issuer)]


@dataclass
class World:
    """Everything that a good signature needs, and a stranger's twin of each service."""

    root: Authority = field(default_factory=lambda: make_ca(1, "root"))
    stranger: Authority = field(default_factory=lambda: make_ca(3, "root"))
    ct: CtLog = field(default_factory=lambda: CtLog(4))
    other_ct: CtLog = field(default_factory=lambda: CtLog(5))
    v1: ForgedLog = field(default_factory=lambda: ForgedLog("rekor.example.com", key=key(6)))
    v2: ForgedLog = field(default_factory=lambda: ForgedLog("log2025.example.com", key=edwards(7), tiled=True))
    other_v1: ForgedLog = field(default_factory=lambda: ForgedLog("rekor.example.com", key=key(8)))
    other_v2: ForgedLog = field(default_factory=lambda: ForgedLog("log2025.example.com", key=edwards(9), tiled=True))

    def __post_init__(self) -> None:
        self.intermediate = make_ca(2, "intermediate", self.root, path_length=0, purpose=[oids.CODE_SIGNING])
        self.tsa_root = make_ca(10, "tsa root")
        self.tsa = self.make_tsa(11)
        self.other_tsa = self.make_tsa(12, root=make_ca(13, "tsa root"))
        for log in (self.v1, self.v2, self.other_v1, self.other_v2):
            log.fill(5)

    def leaf(
        self,
        *,
        issuer: Authority | None = None,
        number: int = 20,
        serial: int = 1000,
        subject: str = "",
        names: Sequence[tuple[int, bytes]] = ((0x81, EMAIL.encode()),),
        bits: bytes | None = DIGITAL_SIGNATURE,
        purpose: Sequence[str] = (oids.CODE_SIGNING,),
        claims: Sequence[bytes] | None = None,
        extra: Sequence[bytes] = (),
        scts: Scts | None = good_scts,
        not_before: datetime = T0,
        not_after: datetime = T0 + timedelta(minutes=10),
    ) -> Certificate:
        """A leaf as Fulcio makes them; ``names`` are (tag, content) of the GeneralNames."""
        issuer = issuer or self.intermediate
        parts = [usage(bits)] if bits else []
        parts += [purposes(*purpose)] if purpose else []
        if names:
            value = der.sequence(*(der.encode(tag, content) for tag, content in names))
            parts.append(extension(oids.SUBJECT_ALT_NAME, value, critical=True))
        parts += [*(issuer_claims() if claims is None else claims), *extra]
        times = {"serial": serial, "not_before": not_before, "not_after": not_after}

        def made(extensions: Sequence[bytes]) -> Certificate:
            return issuer.certify(name(subject), spki(key(number)), extensions, **times)  # type: ignore[arg-type]

        if scts is None:
            return made(parts)
        wanted = encode_sct_list(scts(self, made(parts), issuer.certificate))
        return made([*parts, extension(oids.SCT_LIST, der.octet_string(wanted))])

    def make_tsa(
        self,
        number: int,
        *,
        root: Authority | None = None,
        purpose: Sequence[str] = (oids.TIME_STAMPING,),
        critical: bool = True,
        bits: bytes = DIGITAL_SIGNATURE,
        not_after: datetime = T0 + timedelta(days=100),
    ) -> tsafactory.Authority:
        """A time-stamping key (Ed25519: the factory's ECDSA signs with randomness)."""
        root, private = root or self.tsa_root, edwards(number)
        parts = [usage(bits), purposes(*purpose, critical=critical)]
        window = {"not_before": T0 - timedelta(days=1), "not_after": not_after}
        leaf = root.certify(name("tsa"), spki(private), parts, serial=200 + number, **window)
        chain = tuple(x509.load_der_x509_certificate(one.raw) for one in (leaf, root.certificate))
        return tsafactory.Authority(private, chain[0], chain[1:], (root.key,))

    def token(self, message: bytes, *, tsa: tsafactory.Authority | None = None, **changes: Any) -> bytes:
        """A time-stamp token over ``message``; ``changes`` go to the factory."""
        return tsafactory.make_token(tsa or self.tsa, message, **{"time": STAMPED, **changes})

    @property
    def trusted(self) -> TrustedRoot:
        """The trust root that believes all but the strangers."""
        tsa = tuple(parse_certificate(one) for one in self.tsa.chain_der)
        return TrustedRoot(
            tlogs=tuple(log.trusted(start=WINDOW.start, end=None) for log in (self.v1, self.v2)),
            certificate_authorities=(self.authority(self.intermediate, self.root),),
            ctlogs=(self.ct.trusted(),),
            timestamp_authorities=(CertificateAuthority("tests", "tsa", "https://tsa.example.com", tsa, WINDOW),),
        )

    def authority(self, *chain: Authority, window: Validity = WINDOW) -> CertificateAuthority:
        certificates = tuple(one.certificate for one in chain)
        return CertificateAuthority("tests", "ca", "https://ca.example.com", certificates, window)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
