"""OpenSSL as the time-stamp authority: its tokens stand in our signatures, and we and cosign believe them."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.interop.test_cosign_instances import START
from tests.support import tsafactory as factory
from tests.support.foreign import ForeignBench
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured

CONFIG = """\
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/leaf.pem
certs = {folder}/chain.pem
signer_key = {folder}/key.pem
signer_digest = {digest}
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = {digest}
"""


@contextmanager
def authority(folder: Path, digest: str) -> Iterator[str]:
    """Serve RFC 3161 over HTTP (its section 3.4) with ``openssl ts``; gives the URL."""
    now, day = datetime.now(UTC), timedelta(days=1)
    made = factory.make_authority(ca=factory.make_ca(not_before=now - day), not_before=now - day, not_after=now + day)
    pem = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in (made.leaf, *made.issuers)]
    (folder / "leaf.pem").write_bytes(pem[0])
    (folder / "chain.pem").write_bytes(b"".join(pem))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(made.key.private_bytes(*form))
    (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder, digest=digest))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = ["openssl", "ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query", "-out", "reply"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            body = (folder / "reply").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests read no log of it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()


def trusted_root(place: ForeignBench, cosign: str, url: str, chain: Path) -> Path:
    """The stack's trusted root with this authority in place of the stack's, as cosign writes it."""
    other = place.folder / "tsa-root.json"
    service = f"--tsa=url={url},certificate-chain={chain},{START}"
    place.good(cosign, "trusted-root", "create", service, "--out", str(other))
    value = json.loads(place.stack.trusted_root.read_text())
    value["timestampAuthorities"] = json.loads(other.read_text())["timestampAuthorities"]
    made = place.folder / "root.json"
    made.write_text(json.dumps(value))
    return made


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("rekor", [1, 2])
def test_a_commit_with_a_timestamp_of_openssl(
    place: ForeignBench, bench: Workbench, cosign: str, rekor: int, digest: str
) -> None:
    folder = place.folder / "tsa"
    folder.mkdir()
    with authority(folder, digest) as url:
        root = trusted_root(place, cosign, url, folder / "chain.pem")
        bench.env["GITSIGN_TRUSTED_ROOT"] = str(root)
        bench.configure(f"gitsign.rekorVersion={rekor}", f"gitsign.timestampServerURL={url}")
        bench.commit(SIGSTORE_ID_TOKEN=bench.stack.token())
    assert bench.verify("HEAD").returncode == 0
    done = bench.tool("bundle", "export", "HEAD", "--output", "bundle", "--artifact", "der")
    assert done.returncode == 0, done.stderr
    bundle, der = str(bench.repo / "bundle"), str(bench.repo / "der")
    place.good(cosign, "verify-blob", "--trusted-root", str(root), "--bundle", bundle, *place.who, der)
    stack_only = bench.verify("--trusted-root", str(place.stack.trusted_root), "HEAD")
    # An authority that the trust root lacks shows no signature to be bad (verification.verdict): it cannot be checked.
    assert (stack_only.returncode, b"timestamp-authority-untrusted" in stack_only.stdout) == (3, True)
