"""rekor-tiles, the Rekor v2 by its authors: commits are signed into it and verified, and the monitor follows it.

It takes entries over HTTP; its tree is read from the files that it writes, by the URLs that the public instances have.
"""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.tlog import note
from gitsign_py.core.trust.root import TransparencyLogInstance, Validity, format_trusted_root
from gitsign_py.localstack.witness.identity import make_identity
from gitsign_py.localstack.witness.service import KnownLog
from gitsign_py.localstack.witness.serving import WitnessServer
from tests.support.fileserver import http_server
from tests.support.foreign import find_program, serving
from tests.support.localstackkit import trusted_root
from tests.support.ports import free_ports
from tests.support.rekor2kit import ENTRIES, proposal
from tests.support.stack import RunningStack
from tests.support.workbench import EMAIL, Workbench

ORIGIN = "rekor-tiles.example.com"
START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@dataclass(frozen=True)
class Tiles:
    """The log that runs: ``url`` is its front, ``files`` its tree, ``listed`` what a trust root says of it."""

    url: str
    port: int
    files: Path
    listed: TransparencyLogInstance

    def submit(self, message: bytes) -> int:
        body = json.dumps(proposal(message)).encode()
        return forward(self.port, ENTRIES, body)[0]


def forward(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def front(port: int, files: Path) -> Iterator[str]:
    """What stands before the public instances: entries go to the server, the tree is given out as files."""

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = files / self.path.removeprefix("/api/v2/")
            self.give(200, path.read_bytes()) if path.is_file() else self.give(404, b"")

        def do_POST(self) -> None:
            self.give(*forward(port, self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def give(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with http_server(Front) as url:
        yield url


@contextmanager
def rekor_tiles(folder: Path, key: ed25519.Ed25519PrivateKey, *more: str) -> Iterator[Tiles]:
    program, files = find_program("rekor-tiles"), folder / "log"
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = public_of(key)
    window, log_id = Validity(START - timedelta(days=1), None), note.key_id(ORIGIN, public)
    listed = TransparencyLogInstance(
        f"https://{ORIGIN}", "SHA2_256", public, "PKIX_ED25519", window, log_id, None, "rekor-tiles"
    )
    ports = free_ports(3)
    command = [
        program,
        "serve",
        f"--hostname={ORIGIN}",
        f"--storage-dir={files}",
        f"--signer-filepath={folder}/key.pem",
    ]
    command += [f"--http-port={ports[0]}", f"--grpc-port={ports[1]}", f"--http-metrics-port={ports[2]}"]
    command += ["--checkpoint-interval=500ms", "--batch-max-age=50ms", *more]
    with serving(command, folder, lambda: forward(ports[0], "/healthz")[0] == 200), front(ports[0], files) as url:
        yield Tiles(url, ports[0], files, listed)


def public_of(key: ed25519.Ed25519PrivateKey) -> PublicKey:
    return load_spki(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_commits_in_it_verify_and_the_monitor_follows_it(stack: RunningStack, tmp_path: Path) -> None:
    """From one commit to more than a tile: proofs out of both trees, the replica to the same bytes."""
    with rekor_tiles(tmp_path, ed25519.Ed25519PrivateKey.generate()) as log:
        bench = signing_into(log, stack, tmp_path)
        bench.commit("one")
        assert bench.verify("HEAD").returncode == 0
        watch = ["monitor", "--state", str(tmp_path / "state" / "m"), "--log", "rekor2", "--identity", EMAIL]
        watch += ["--repo", str(bench.repo), "--grace", "0s", "--mirror", str(tmp_path / "mirror"), "--json"]
        assert [one["facts"]["index"] for one in asked(bench, *watch, "--from", "0")] == [0]
        with ThreadPoolExecutor(30) as pool:  # each answer waits for a checkpoint
            assert set(pool.map(log.submit, (b"%d" % number for number in range(270)))) == {201}
        bench.commit("two")
        assert [one["facts"]["index"] for one in asked(bench, *watch)] == [271]
        assert asked(bench, *watch) == []
        (found,) = asked(bench, "log", "search", "--commit", "HEAD", "--log", "rekor2", "--json")
        assert (found["log_index"], found["signers"][0]["identity"]) == (271, EMAIL)
        assert bench.tool("log", "get", "271", "--log", "rekor2").returncode == 0
        assert bench.tool("log", "consistency", "1", "271", "--log", "rekor2").returncode == 0
        (folder,) = (tmp_path / "mirror").iterdir()
        for tile in ("tile/0/000", "tile/entries/000", "tile/0/001.p/16", "tile/entries/001.p/16", "tile/1/000.p/1"):
            assert (folder / tile).read_bytes() == (log.files / tile).read_bytes(), tile


def signing_into(log: Tiles, stack: RunningStack, folder: Path) -> Workbench:
    """A repository whose signatures go there, with a trust root that lists this log."""
    root, trust = trusted_root(stack), folder / "trusted_root.json"
    trust.write_bytes(format_trusted_root(replace(root, tlogs=(*root.tlogs, log.listed))))
    bench = Workbench(folder, stack, {"GITSIGN_TRUSTED_ROOT": str(trust), "GITSIGN_REKOR_URL": log.url})
    bench.init()
    bench.configure("gitsign.rekorVersion=2", f"gitsign.timestampServerURL={stack.url}/api/v1/timestamp")
    return bench


def test_our_witness_cosigns_it_and_signing_wants_that(stack: RunningStack, tmp_path: Path) -> None:
    """The log itself asks the witness, and shows no checkpoint without it."""
    key = ed25519.Ed25519PrivateKey.generate()
    make_identity(tmp_path / "ours", "ours.example")
    known = KnownLog(ORIGIN, public_of(key), note.key_id(ORIGIN, public_of(key))[:4])
    with WitnessServer(tmp_path / "ours", [known]) as ours:
        policy = tmp_path / "policy"
        policy.write_text(f"{ours.line}\nquorum ours.example\n")
        with rekor_tiles(tmp_path, key, f"--witness-policy-path={policy}") as log:
            bench = signing_into(log, stack, tmp_path)
            bench.configure(f"gitsign.witnessPolicy={policy}")
            bench.commit("one")
            assert bench.verify("HEAD").returncode == 0
            (info,) = asked(bench, "log", "info", "--log", "rekor2", "--witness-policy", str(policy), "--json")
            assert [one["name"] for one in info["trees"][0]["witnesses"]] == ["ours.example"]
            watch = ["monitor", "--state", str(tmp_path / "state" / "m"), "--log", "rekor2", "--json"]
            assert asked(bench, *watch, "--witness-policy", str(policy)) == []


def asked(bench: Workbench, *arguments: str) -> list[Any]:
    """The lines of JSON that the program gives."""
    done = bench.tool(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    lines = [done.stdout] if done.stdout.startswith(b"{\n") else done.stdout.splitlines()
    return [json.loads(line) for line in lines]
