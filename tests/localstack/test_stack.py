"""The stack in this process, served from a thread: the hook, handlers that fail, the detached SCT, clean endings."""

import base64
import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gitsign_py.core.encoding import ByteReader, b64_decode, opaque
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog.sct import X509_ENTRY, signed_data
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import ConfigError, FormatError, ServiceError
from gitsign_py.localstack import http, process
from gitsign_py.localstack.context import Hook
from gitsign_py.localstack.directory import INFO, LOCK
from gitsign_py.localstack.idp.issuer import CLIENT_ID, TokenOrder
from gitsign_py.localstack.process import StackInfo
from gitsign_py.localstack.service import Request, Response, Route, Service, plain_errors
from gitsign_py.localstack.stack import Stack
from tests.support.fakepython import stand_in_for_python
from tests.support.localstackkit import DER_SPKI, b64, ecdsa, new_key, signing_request
from tests.support.stack import running_stack

FORM = "application/x-www-form-urlencoded"


@dataclass
class Meddler(Hook):
    """A hook whose every end does something."""

    settings: frozenset[str] = frozenset()
    skew: timedelta = timedelta(0)
    broken: set[str] = field(default_factory=set)

    def now(self, service: str, now: datetime) -> datetime:
        return now + self.skew

    def before(self, service: str, request: Request) -> Response | None:
        if request.path in self.broken:
            raise RuntimeError("a mistake in a handler")
        if "malformed" in request.query:
            raise FormatError("x-malformed", "it is malformed")
        return Response(418, b"short and stout") if request.path == "/keys" else None

    def after(self, service: str, request: Request, response: Response) -> Response:
        return Response(response.status, response.body, response.media_type, {**response.headers, "X-Service": service})

    def setting(self, name: str) -> str | None:
        return "" if name in self.settings else None


def ask(info: StackInfo, method: str, path: str, value: object = None) -> tuple[int, bytes]:
    body = b"" if value is None else json.dumps(value).encode()
    return process.exchange(info, method, path, body=body, media_type="application/json")


def token(info: StackInfo) -> str:
    body = f"grant_type=client_credentials&client_id={CLIENT_ID}&login_hint=alice@example.com".encode()
    return str(json.loads(process.exchange(info, "POST", "/token", body=body, media_type=FORM)[1])["id_token"])


@contextmanager
def served(directory: Path, hook: Hook) -> Iterator[Stack]:
    with Stack(directory, 0, hook=hook) as stack:
        yield stack


def test_hook_reaches_requests_answers_and_clocks(tmp_path: Path) -> None:
    with served(tmp_path / "s", Meddler(skew=timedelta(days=-400), broken={"/api/v1/log"})) as stack:
        assert ask(stack.info, "GET", "/keys") == (418, b"short and stout")
        status, body = ask(stack.info, "GET", "/api/v1/log")
        assert (status, json.loads(body)["code"]) == (500, 500)
        assert b"mistake" not in body  # what went wrong is for the log, not for the client
        status, body = ask(stack.info, "GET", "/api/v2/trustBundle?malformed")
        assert (status, json.loads(body)["message"]) == (400, "it is malformed")
        private = new_key()
        asked = signing_request(private, token(stack.info), "alice@example.com")
        chain = json.loads(ask(stack.info, "POST", "/api/v2/signingCert", asked)[1])["signedCertificateEmbeddedSct"][
            "chain"
        ]["certificates"]
        leaf = x509.load_pem_x509_certificate(chain[0].encode())
        assert abs(datetime.now(UTC) - timedelta(days=400) - leaf.not_valid_before_utc) < timedelta(minutes=1)


def test_detached_sct_is_over_the_finished_certificate(tmp_path: Path) -> None:
    hook = Meddler(settings=frozenset({"fulcio:detached-sct"}))
    with served(tmp_path / "s", hook) as stack:
        private = new_key()
        body = signing_request(private, token(stack.info), "alice@example.com")
        value = json.loads(ask(stack.info, "POST", "/api/v2/signingCert", body)[1])["signedCertificateDetachedSct"]
        leaf = x509.load_pem_x509_certificate(value["chain"]["certificates"][0].encode())
        with pytest.raises(x509.ExtensionNotFound):
            leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
        stamp = json.loads(base64.b64decode(value["signedCertificateTimestamp"]))
        (log,) = parse_trusted_root(stack.info.trusted_root.read_bytes()).ctlogs
        assert b64_decode(stamp["id"]) == log.log_id
        entry = opaque(leaf.public_bytes(serialization.Encoding.DER), 3)
        signed = signed_data(stamp["timestamp"], X509_ENTRY, entry, b64_decode(stamp["extensions"]))
        log.public_key.verify(ByteReader(b64_decode(stamp["signature"])[2:]).opaque(2), signed)


def test_detached_sct_of_v1_is_a_header(tmp_path: Path) -> None:
    hook = Meddler(settings=frozenset({"fulcio:detached-sct"}))
    with served(tmp_path / "s", hook) as stack:
        private = new_key()
        public = {"content": b64(private.public_key().public_bytes(*DER_SPKI)), "algorithm": "ecdsa"}
        body = {"publicKey": public, "signedEmailAddress": b64(ecdsa(private, b"alice@example.com"))}
        route = next(r for s in stack.services for r in s.routes if r.path == "/api/v1/signingCert")
        headers = {"authorization": f"Bearer {token(stack.info)}"}
        answer = route.handler(Request("POST", route.path, headers=headers, body=json.dumps(body).encode()))
        assert json.loads(base64.b64decode(answer.headers["SCT"]))["sct_version"] == 0
        parse_certificate(x509.load_pem_x509_certificates(answer.body)[0].public_bytes(serialization.Encoding.DER))


def test_one_directory_serves_once_and_again_after_its_end(tmp_path: Path) -> None:
    with Stack(tmp_path / "s", 0) as stack:
        assert process.running(tmp_path / "s") == stack.info
        with pytest.raises(ConfigError) as caught:
            Stack(tmp_path / "s", 0)
        assert caught.value.reason == "stack-already-running"
    assert not process.answers(stack.info)
    assert not process.is_locked(tmp_path / "s")
    with Stack(tmp_path / "s", 0) as again:
        assert process.answers(again.info)
    again.close()
    with pytest.raises(ServiceError) as unreachable:
        ask(again.info, "GET", "/keys")
    assert unreachable.value.reason == "stack-unreachable"


def test_failed_start_lets_go_of_lock_and_port(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(ConfigError):
        Stack(tmp_path / "other", 0)
    with Stack(tmp_path / "a", 0) as first:
        with pytest.raises(ConfigError) as caught:
            Stack(tmp_path / "b", first.port)
        assert caught.value.reason == "stack-port-busy"
        assert not process.is_locked(tmp_path / "b")


def test_two_services_may_not_claim_one_path() -> None:
    route = Route("GET", "/x", lambda _: Response())
    with pytest.raises(ValueError, match="claimed twice"):
        http.application([Service("a", (route,), plain_errors), Service("b", (route,), plain_errors)], Hook())


def test_damaged_stack_json_is_as_good_as_none(tmp_path: Path) -> None:
    for content in ("", "{", "[]", "{}", '{"url": 1, "port": "x"}'):
        (tmp_path / INFO).write_text(content)
        assert process.read_info(tmp_path) is None


def test_stack_that_does_not_end_is_named(tmp_path: Path) -> None:
    """SIGTERM goes to this process, which does not mind; the lock stays held."""
    info = StackInfo("http://127.0.0.1:1", 1, os.getpid(), tmp_path, "", {})
    (tmp_path / INFO).write_text(json.dumps(info.to_json()))
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with process.Lock(tmp_path), pytest.raises(ServiceError) as caught:
            process.stop(tmp_path, seconds=0.1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.reason == "stack-not-stopped"
    assert caught.value.hint == f"end it with: kill -9 {info.pid}"


@pytest.mark.parametrize(
    ("what", "words"),
    [("exit 7", "it ended with status 7, no word"), ("echo gitsign-py: the disk is full", "the disk is full")],
)
def test_a_stack_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    stand_in_for_python(tmp_path, monkeypatch, what)
    with pytest.raises(ServiceError, match=f"^the local Sigstore did not start: {words}$"):
        process.start_detached(tmp_path / "stack", ())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    with running_stack(tmp_path / "s") as running:
        assert running.get("/healthz").status == 200  # it is at work, and not on its way there
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
        assert not process.is_locked(tmp_path / "s")


def test_a_stack_starts_though_somebody_looks_whether_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks holds the lock for a moment, and start_detached did so fifty times a second."""
    monkeypatch.setattr(process, "_LOOK_SECONDS", 60.0)  # a look of this test may take longer on a busy machine
    descriptor = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    threading.Timer(0.05, os.close, [descriptor]).start()
    with process.Lock(tmp_path):
        assert process.is_locked(tmp_path)


def test_requests_in_progress_end_before_the_stack_does(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(Hook):
        def before(self, service: str, request: Request) -> Response | None:
            entered.set()
            release.wait(60)
            return None

    answers: list[tuple[int, bytes]] = []
    with Stack(tmp_path / "s", 0, hook=Slow()) as stack:
        asking = threading.Thread(target=lambda: answers.append(ask(stack.info, "GET", "/healthz")))
        asking.start()
        assert entered.wait(60)
        stack.stop()
        release.set()
        asking.join(60)
    assert answers == [(200, b'{"status":"ok"}')]


def test_tokens_have_the_time_of_the_hook(tmp_path: Path) -> None:
    with served(tmp_path / "s", Meddler(skew=timedelta(hours=-2))) as stack:
        _, payload, _ = token(stack.info).split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert abs(claims["exp"] - TokenOrder().seconds + 7200 - datetime.now(UTC).timestamp()) < 60
