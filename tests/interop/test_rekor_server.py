"""rekor-server, the Rekor v1 by its authors, on a Trillian in memory: commits are signed into it and verified, and the
monitor follows it, past an entry of a kind that we do not read and large ones.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity, format_trusted_root
from tests.support.foreign import built_with_go, find_program, serving
from tests.support.localstackkit import b64, certify, ecdsa, trusted_root
from tests.support.ports import free_ports
from tests.support.stack import ROOT, RunningStack
from tests.support.workbench import EMAIL, Workbench

START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
ENDPOINTS = "getLogInfo,getPublicKey,getLogProof,createLogEntry,getLogEntryByIndex,getLogEntryByUUID,searchLogQuery"
SOURCE = ROOT / "tests/interop/gotrillian"


@dataclass(frozen=True)
class Rekor:
    """The log that runs."""

    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(self, method: str, path: str, value: object = None) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            body = None if value is None else json.dumps(value)
            connection.request(method, f"/api/v1/log{path}", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def listed(self) -> TransparencyLogInstance:
        """What a trust root says of it: its key, which it made when it started."""
        key = load_pem(self.ask("GET", "/publicKey")[1])
        window = Validity(START - timedelta(days=1), None)
        details = "PKIX_ECDSA_P256_SHA_256"
        return TransparencyLogInstance(self.url, "SHA2_256", key, details, window, key.key_id, None, "rekor")

    def log(self, kind: str, version: str, spec: object) -> None:
        status, said = self.ask("POST", "/entries", {"kind": kind, "apiVersion": version, "spec": spec})
        assert status == 201, said


@contextmanager
def rekor_server(folder: Path) -> Iterator[Rekor]:
    program, trillian = find_program("rekor-server"), built_with_go(SOURCE, folder)
    port, storage = free_ports(2)
    command = [program, "serve", f"--port={port}", "--rekor_server.hostname=localhost", "--enable_retrieve_api=false"]
    command += [f"--enabled_api_endpoints={ENDPOINTS}"]
    command += [f"--trillian_log_server.port={storage}", "--rekor_server.signer=memory"]
    log = Rekor(port)
    with (
        serving([trillian, f"127.0.0.1:{storage}"], folder, lambda: True),
        serving(command, folder, lambda: log.ask("GET", "")[0] == 200),
    ):
        yield log


def test_commits_in_it_verify_and_the_monitor_follows_it(stack: RunningStack, tmp_path: Path) -> None:
    with rekor_server(tmp_path) as log:
        root = trusted_root(stack)
        trust = tmp_path / "trusted_root.json"
        trust.write_bytes(format_trusted_root(replace(root, tlogs=(*root.tlogs, log.listed()))))
        bench = Workbench(tmp_path, stack, {"GITSIGN_TRUSTED_ROOT": str(trust), "GITSIGN_REKOR_URL": log.url})
        del bench.env["SIGSTORE_REKOR_PUBLIC_KEY"]  # the stack's own, which would be the only one
        bench.init()
        bench.commit("one")
        assert bench.verify("HEAD").returncode == 0
        watch = ["monitor", "--state", str(tmp_path / "state" / "m"), "--log", "rekor1", "--identity", EMAIL]
        watch += ["--repo", str(bench.repo), "--grace", "0s", "--mirror", str(tmp_path / "mirror"), "--json"]
        assert [one["facts"]["index"] for one in asked(bench, *watch, "--from", "0")] == [0]
        fill(log, stack)
        bench.commit("two")
        assert [one["facts"]["index"] for one in asked(bench, *watch)] == [16]
        assert asked(bench, *watch) == []
        assert bench.tool("log", "get", "16", "--log", "rekor1").returncode == 0
        (found,) = asked(bench, "log", "search", "--commit", "HEAD", "--log", "rekor1", "--json")
        assert found["log_index"] == 16, "without an index its entries are looked through"
        assert bench.tool("log", "consistency", "1", "16", "--log", "rekor1").returncode == 0
        bench.git("config", "--global", "gitsign.rekorMode", "online")
        bench.commit("three")
        gone: dict[str, Any] = {"GITSIGN_REKOR_URL": "http://127.0.0.1:1"}
        asked(bench, *watch)
        assert bench.tool("verify", *bench.who, "--log-from", str(tmp_path / "mirror"), "HEAD", **gone).returncode == 0


def fill(log: Rekor, stack: RunningStack) -> None:
    """More than one request can ask for, one of a kind that we do not read, and some that are too large together."""
    certified = certify(stack, "somebody@example.com")
    for number in range(11):
        log.log("hashedrekord", "0.0.1", certified.entry(b"%d" % number)["spec"])
    key = {"content": b64(certified.chain[0])}
    signature = {"format": "x509", "content": b64(ecdsa(certified.private, b"data")), "publicKey": key}
    log.log("rekord", "0.0.1", {"signature": signature, "data": {"content": b64(b"data")}})
    for number in range(3):
        spec = certified.entry(b"large %d" % number)["spec"]
        spec["signature"]["publicKey"]["content"] = b64(pem_encode(large(certified.private), "CERTIFICATE"))
        log.log("hashedrekord", "0.0.1", spec)


def large(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate of 900 kB that its holder made: Rekor takes anybody's."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "large")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, START, START + timedelta(days=1))
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(900_000))
    return made.add_extension(extension, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def asked(bench: Workbench, *arguments: str) -> list[Any]:
    """The lines of JSON that the program gives."""
    done = bench.tool(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]
