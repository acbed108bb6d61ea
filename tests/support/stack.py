"""A real local Sigstore for tests: ``python -m gitsign_py stack up`` as a subprocess, one for each test worker."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gitsign_py.localstack.clientenv import environment
from gitsign_py.localstack.process import StackInfo, read_info
from tests.support.waiting import SECONDS

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class StackAnswer:
    """What a server answered; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that answers."""

    info: StackInfo
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return self.info.url

    @property
    def directory(self) -> Path:
        return self.info.directory

    @property
    def trusted_root(self) -> Path:
        return self.info.trusted_root

    def token(
        self,
        email: str = "alice@example.com",
        *,
        audience: str = "sigstore",
        ttl: int = 300,
        subject: str = "",
        **claims: Any,
    ) -> str:
        """An identity token; ``claims`` are added or override. ``email`` may be empty when there is a ``subject``."""
        form = {"login_hint": email, "subject": subject, "audience": audience, "ttl": str(ttl)}
        form |= {"claims": json.dumps(claims), "grant_type": "client_credentials", "client_id": "sigstore"}
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        answer = self.request("POST", "/token", body, "application/x-www-form-urlencoded")
        assert answer.status == 200, answer.body
        return str(answer.json()["id_token"])

    def environment(self) -> dict[str, str]:
        """What ``stack env`` exports, for the environment of a subprocess."""
        return environment(self.info)

    def get(self, path: str) -> StackAnswer:
        return self.request("GET", path)

    def post(self, path: str, value: object, **headers: str) -> StackAnswer:
        return self.request("POST", path, json.dumps(value).encode(), "application/json", headers)

    def request(
        self, method: str, path: str, body: bytes = b"", media_type: str = "", headers: Mapping[str, str] | None = None
    ) -> StackAnswer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.info.port, timeout=120)
        try:
            sent = dict(headers or {}) | ({"Content-Type": media_type} if media_type else {})
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return StackAnswer(answer.status, answer.read(), named)
        finally:
            connection.close()


def command(directory: Path, *arguments: str) -> list[str]:
    """The command line of ``stack up`` on any free port."""
    return [sys.executable, "-m", "gitsign_py", "stack", "up", "--dir", str(directory), "--port", "0", *arguments]


@contextmanager
def running_stack(directory: Path, *arguments: str) -> Iterator[RunningStack]:
    """Start a stack in ``directory``, with further ``arguments`` of ``stack up``; stop it at the end."""
    child = subprocess.Popen(command(directory, *arguments), cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield RunningStack(_wait(child, directory), child)
    finally:
        child.terminate()
        child.wait(SECONDS)
        assert child.stdout is not None
        child.stdout.close()


def _wait(child: "subprocess.Popen[bytes]", directory: Path) -> StackInfo:
    """Wait for the line on stdout: stack.json is there by then, and the port takes connections."""
    assert child.stdout is not None
    deadline = time.monotonic() + _START_SECONDS
    if not child.stdout.readline():
        raise AssertionError(f"the stack ended with status {child.wait()}")
    info = read_info(directory)
    assert info is not None
    assert info.pid == child.pid
    assert time.monotonic() < deadline
    return info
