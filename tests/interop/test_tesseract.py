"""TesseraCT, the tiled CT log by Tessera's authors: its SCTs verify, and the monitor follows and mirrors it.

It takes certificates by RFC 6962's methods, and is read by C2SP static-ct-api from the files that it writes.
"""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gitsign_py.core.encoding import b64_decode, b64_encode, opaque
from gitsign_py.core.pki import der
from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.keys import load_spki
from gitsign_py.core.tlog import sct
from gitsign_py.core.trust.root import (
    CertificateAuthority,
    TransparencyLogInstance,
    TrustedRoot,
    Validity,
    format_trusted_root,
)
from tests.support.fileserver import file_server
from tests.support.foreign import find_program, serving
from tests.support.gitrepo import environment
from tests.support.pki import Authority
from tests.support.ports import free_ports
from tests.support.stack import ROOT
from tests.support.waiting import wait_until

ALICE, BOB = "alice@example.com", "bob@example.com"
SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@dataclass(frozen=True)
class Tesseract:
    """The log that runs: ``files`` are what a file server gives out, ``listed`` what a trust root says of it."""

    port: int
    files: Path
    listed: TransparencyLogInstance
    root: Authority

    def ask(self, method: str, path: str, value: object = None) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, f"/ct/v1/{path}", None if value is None else json.dumps(value))
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if answer.status == 200 else body

    def certified(self, email: str) -> Certificate:
        """A certificate with the log's promise in it, by way of its precertificate (RFC 6962 §3.1)."""
        poison: list[tuple[x509.ExtensionType, bool]] = [(x509.PrecertPoison(), True)]
        names: list[x509.GeneralName] = [x509.RFC822Name(email)]
        ends = START + timedelta(minutes=10)
        before = self.root.leaf(names=names, not_before=START, not_after=ends, extra=poison)
        return with_sct(self.root, before, self.promise(before))

    def promise(self, before: Certificate) -> bytes:
        """The log's SCT for a precertificate, serialized."""
        chain = [b64_encode(one.raw) for one in (before, self.root.certificate)]
        status, got = self.ask("POST", "add-pre-chain", {"chain": chain})
        assert status == 200, got
        stamp, extensions = int(got["timestamp"]).to_bytes(8, "big"), b64_decode(got.get("extensions", ""))
        return b"\x00" + b64_decode(got["id"]) + stamp + opaque(extensions, 2) + b64_decode(got["signature"])

    @property
    def size(self) -> int:
        """Entries that its checkpoint is over."""
        return int((self.files / "checkpoint").read_bytes().split(b"\n")[1])


def with_sct(root: Authority, before: Certificate, promise: bytes) -> Certificate:
    """The certificate that a precertificate announced: an SCT list in the place of the poison."""
    whole = x509.load_der_x509_certificate(before.raw)
    builder = x509.CertificateBuilder(whole.issuer, whole.subject, whole.public_key(), whole.serial_number)
    builder = builder.not_valid_before(whole.not_valid_before_utc).not_valid_after(whole.not_valid_after_utc)
    for one in whole.extensions:
        if not isinstance(one.value, x509.PrecertPoison):
            builder = builder.add_extension(one.value, one.critical)
    scts = x509.UnrecognizedExtension(SCTS, der.octet_string(sct.encode_sct_list([sct.parse_sct(promise)])))
    made = builder.add_extension(scts, critical=False).sign(root.key, hashes.SHA384())
    return parse_certificate(made.public_bytes(Encoding.DER))


@contextmanager
def tesseract(folder: Path) -> Iterator[Tesseract]:
    program = find_program("tesseract")
    key, root, files = ec.generate_private_key(ec.SECP256R1()), Authority("root"), folder / "log"
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    (folder / "roots.pem").write_bytes(x509.load_der_x509_certificate(root.certificate.raw).public_bytes(Encoding.PEM))
    (port,) = free_ports(1)
    public = load_spki(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    url, window = f"http://127.0.0.1:{port}", Validity(START - timedelta(days=1), None)
    listed = TransparencyLogInstance(
        url, "SHA2_256", public, "PKIX_ECDSA_P256_SHA_256", window, public.key_id, None, "tesseract"
    )
    command = [program, f"--http_endpoint=127.0.0.1:{port}", "--origin=ct.example.com/log", f"--storage_dir={files}"]
    command += [f"--private_key={folder / 'key.pem'}", f"--roots_pem_file={folder / 'roots.pem'}"]
    command += ["--enable_publication_awaiter=false", "--batch_max_age=50ms", "--checkpoint_interval=500ms"]
    log = Tesseract(port, files, listed, root)
    with serving(command, folder, lambda: log.ask("GET", "get-roots")[0] == 200):
        yield log


class Reader:
    """The program with a trust root that lists this log, and nothing else of anybody's."""

    def __init__(self, folder: Path, log: Tesseract, url: str) -> None:
        self._env = environment(HOME=str(folder), XDG_RUNTIME_DIR=str(folder))
        self._trust, self._log = folder / "trusted_root.json", f"static-ct={url}"
        window = Validity(START - timedelta(days=1), None)
        authority = CertificateAuthority("test", "root", "", (log.root.certificate,), window, "test")
        root = TrustedRoot(
            tlogs=(), certificate_authorities=(authority,), ctlogs=(log.listed,), timestamp_authorities=()
        )
        self._trust.write_bytes(format_trusted_root(root))

    def ask(self, *arguments: str) -> list[Any]:
        """The lines of JSON that it gives."""
        command = [sys.executable, "-m", "gitsign_py", *arguments, "--log", self._log, "--json"]
        command += ["--trusted-root", str(self._trust)]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def test_promises_verify_and_the_monitor_follows_and_mirrors_it(tmp_path: Path) -> None:
    """From three entries to more than a tile: the second run proves that the first tree is a part of it."""
    with tesseract(tmp_path) as log, file_server(log.files) as url:
        for email in (ALICE, BOB, ALICE):
            whole = log.certified(email)
            found = sct.verify_embedded_scts(whole, log.root.certificate, (log.listed,))
            assert found.log == log.listed
            wait_until(lambda: log.size >= 1)
        wait_until(lambda: log.size == 3)
        reader = Reader(tmp_path, log, url)
        watch = ["monitor", "--state", str(tmp_path / "state" / "m"), "--identity", ALICE]
        watch += ["--mirror", str(tmp_path / "mirror")]
        assert places(reader.ask(*watch, "--from", "0")) == [0, 2]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(log.certified, [BOB] * 270 + [ALICE]))
        wait_until(lambda: log.size == 274)
        (hit,) = places(reader.ask(*watch))
        assert 3 <= hit < 274
        (folder,) = (tmp_path / "mirror").iterdir()
        for tile in (
            "checkpoint",
            "tile/0/000",
            "tile/data/000",
            "tile/0/001.p/18",
            "tile/data/001.p/18",
            "tile/1/000.p/1",
        ):
            assert (folder / tile).read_bytes() == (log.files / tile).read_bytes()


def places(lines: list[Any]) -> list[int]:
    assert {line["kind"] for line in lines} == {"watch-hit"}
    return sorted(line["facts"]["index"] for line in lines)
