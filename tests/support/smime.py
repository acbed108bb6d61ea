"""S/MIME as companies have it: a CA, people's certificates, signatures over commits, and a GnuPG home that trusts."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gitsign_py.core.git.armor import armor
from gitsign_py.core.pki import der

CAROL = "emailAddress=carol@example.com,CN=Carol,O=Example GmbH"
_INDEFINITE = b"\x80"


def name(**parts: str) -> x509.Name:
    kinds = {"O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME, "E": NameOID.EMAIL_ADDRESS}
    return x509.Name([x509.NameAttribute(kinds[kind], text) for kind, text in parts.items()])


@dataclass
class Company:
    """A company's CA."""

    called: str = "Example Root"

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @property
    def text(self) -> str:
        return f"CN={self.called},O=Example GmbH"

    @cached_property
    def certificate(self) -> x509.Certificate:
        own = name(O="Example GmbH", CN=self.called)
        return self._certificate(own, self.key.public_key(), is_ca=True)

    def person(self, called: str = "Carol", *, extensions: Sequence[x509.ExtensionType] = ()) -> "Person":
        key = rsa.generate_private_key(65537, 2048)
        subject = name(O="Example GmbH", CN=called, E=f"{called.lower()}@example.com")
        return Person(self, key, self._certificate(subject, key.public_key(), extensions=extensions))

    def _certificate(
        self,
        subject: x509.Name,
        key: rsa.RSAPublicKey,
        *,
        is_ca: bool = False,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        usage = {kind: kind == "digital_signature" and not is_ca for kind in kinds}
        usage |= {"key_cert_sign": is_ca, "crl_sign": is_ca, "encipher_only": False, "decipher_only": False}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name(O="Example GmbH", CN=self.called))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        if not is_ca:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Person:
    """Somebody with a certificate of the company's."""

    company: Company
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def sign(self, payload: bytes, *, attached: bool = False) -> bytes:
        """An armored signature, in BER of indefinite lengths as gpgsm writes it."""
        options = [PKCS7Options.Binary, PKCS7Options.NoCapabilities]
        options += [] if attached else [PKCS7Options.DetachedSignature]
        builder = PKCS7SignatureBuilder().set_data(payload).add_signer(self.certificate, self.key, hashes.SHA256())
        builder = builder.add_certificate(self.company.certificate)
        return armor(indefinite(builder.sign(Encoding.DER, options)))


def indefinite(data: bytes) -> bytes:
    """The three elements around a SignedData as libksba writes them: ContentInfo, its content, the SignedData."""
    outer = der.parse(data)
    oid, content = outer.children()
    signed = der.parse(content.content)
    inner = b"\x30" + _INDEFINITE + signed.content + b"\0\0"
    return b"\x30" + _INDEFINITE + oid.raw + b"\xa0" + _INDEFINITE + inner + b"\0\0" * 2


@contextmanager
def gpgsm_home(*trusted: Company) -> Iterator[Path]:
    """GnuPG's home of somebody who trusts these CAs; its agent ends with it. Short, since a socket lies in it."""
    path = Path(tempfile.mkdtemp(prefix="gsm-", dir="/tmp"))
    lines = [f"{one.certificate.fingerprint(hashes.SHA1()).hex().upper()} S relax\n" for one in trusted]
    (path / "trustlist.txt").write_text("".join(lines))
    try:
        yield path
    finally:
        subprocess.run(["gpgconf", "--homedir", str(path), "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(path, ignore_errors=True)
