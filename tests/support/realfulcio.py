"""The published Fulcio, with the stack's CA and CT log, for the issuers that a test names."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.support.foreign import find_program
from tests.support.ports import free_ports
from tests.support.processes import ending
from tests.support.stack import RunningStack

PASSWORD = "secret"
START_SECONDS = 120.0


@dataclass(frozen=True)
class RealFulcio:
    """A Fulcio with the CA of the stack; it logs certificates in the stack's CT log."""

    stack: RunningStack
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, body: object) -> tuple[tuple[int, Any], tuple[int, Any]]:
        """Status and body that the real one and the stack's give to the same request."""
        real, ours = (post(port, json.dumps(body).encode()) for port in (self.port, self.stack.info.port))
        return real, ours


def post(port: int, body: bytes) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/api/v2/signingCert", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@contextmanager
def running(stack: RunningStack, folder: Path, settings: str) -> Iterator[RealFulcio]:
    program = find_program("fulcio")
    http, grpc, metrics = free_ports(3)
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(http), "--grpc-host", "127.0.0.1"]
    command += ["--grpc-port", str(grpc), "--metrics-port", str(metrics)]
    command += ["--legacy-unix-domain-socket", str(folder / "socket"), *configured(stack, folder, settings)]
    with (folder / "log").open("wb") as log, ending(subprocess.Popen(command, stdout=log, stderr=log)) as child:
        try:
            wait(child, http, folder / "log")
            yield RealFulcio(stack, http)
        finally:
            child.terminate()


def settings(issuer: str, kind: str) -> str:
    """The issuer that it believes, and what tokens of it are."""
    return f"oidc-issuers:\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: {kind}\n"


def configured(stack: RunningStack, folder: Path, settings: str) -> list[str]:
    """Its settings, its CA (the key of the stack's, encrypted as it wants it) and its CT log."""
    (folder / "config.yaml").write_text(settings)
    (file,) = (stack.directory / "keys").glob("fulcio-intermediate-*")
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    ca = ["--ca", "fileca", "--fileca-cert", str(stack.directory / "fulcio-chain.pem"), "--fileca-watch=false"]
    ca += ["--fileca-key", str(folder / "key.pem"), "--fileca-key-passwd", PASSWORD]
    log = ["--ct-log-url", stack.url, "--ct-log-public-key-path", str(stack.directory / "ctlog.pub")]
    return ["--config-path", str(folder / "config.yaml"), *ca, *log]


def wait(child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if post(port, b"{}")[0] == 400:
                return
        except (OSError, ValueError):  # not listening yet, or its HTTP side waits for its gRPC side
            pass
        time.sleep(0.05)
    raise AssertionError(f"Fulcio does not answer: {log.read_text()[-2000:]}")
