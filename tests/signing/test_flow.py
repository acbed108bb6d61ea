"""The signing flow against the local stack, and against servers that fail or lie between it and us."""

import hashlib
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.rekor import RekorClient
from gitsign_py.clients.rekor_v2 import RekorV2Client
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.clients.tsa import TsaClient
from gitsign_py.core.git.armor import armor
from gitsign_py.core.git.gitobject import split_commit, split_tag
from gitsign_py.core.pki import cms
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.errors import ConfigError, ServiceError, UsageError, VerificationError
from gitsign_py.signing.credential import obtain_credential
from gitsign_py.signing.flow import SigningResult, sign_payload, sign_with
from gitsign_py.signing.objectname import object_name
from gitsign_py.verification import Expected, ExpectedIdentity, Requirements, Sources, Verifier
from tests.support.badserver import Action, changed_json, drop, forward, reply, serving, slow, unused_url
from tests.support.gitrepo import ScratchRepo
from tests.support.signingkit import COMMIT, TAG, SigningKit
from tests.support.stack import RunningStack
from tests.support.witnesskit import policy

ALICE = "alice@example.com"


@pytest.fixture
def kit(stack: RunningStack) -> Iterator[SigningKit]:
    with HttpSession(Limits(total=5.0, backoff=0.01), jitter=lambda: 0.0) as session:
        yield SigningKit(stack, session)


def finding(entries: Sequence[LogEntry]) -> Sources:
    return Sources(lambda _digest, _certificate: entries)


def verify(
    kit: SigningKit,
    result: SigningResult,
    payload: bytes,
    *,
    requirements: Requirements | None = None,
    find: Sources | None = None,
) -> None:
    expected = ExpectedIdentity(Expected(ALICE), Expected(kit.stack.url))
    verifier = Verifier(kit.trusted_root, datetime.now(UTC), requirements or Requirements(), find or Sources())
    verified = verifier.verify(payload, result.armored, object_id=result.object_id, expected=expected)
    assert verified.log is not None
    assert verified.log.log_index == result.log_index


@pytest.mark.parametrize("payload", [COMMIT, TAG, b"", b"certificate version 0.1\n\x00\xff", COMMIT[:-1]])
def test_offline_mode_signs_anything_and_it_verifies(kit: SigningKit, payload: bytes) -> None:
    result = sign_payload(payload, services=kit.services(), options=kit.options())
    verify(kit, result, payload)
    assert (result.identity, result.issuer, result.object_id, result.warnings) == (ALICE, kit.stack.url, None, ())
    assert armor(result.signature_der) == result.armored
    assert result.verified.log is not None
    assert result.verified.log.embedded
    assert result.certificate.fingerprint == result.verified.fingerprint


def test_openssl_accepts_what_is_signed(kit: SigningKit, tmp_path: Path) -> None:
    result = sign_payload(COMMIT, services=kit.services(), options=kit.options())
    (tmp_path / "payload").write_bytes(COMMIT)
    (tmp_path / "signature").write_bytes(result.signature_der)
    files = ["-in", str(tmp_path / "signature"), "-content", str(tmp_path / "payload")]
    # The chain is our own verifier's to judge: openssl knows neither the log nor ten-minute certificates.
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-noverify", "-binary", "-inform", "DER", *files],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == COMMIT


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_online_mode_logs_the_id_that_git_gives(kit: SigningKit, tmp_path: Path, kind: str) -> None:
    repo = ScratchRepo.init(tmp_path / "repo", f"--object-format={kind}")
    commit = repo.raw("commit", repo.commit())
    tag = TAG.replace(b"4b825dc642cb6eb9a060e54bf8d69288fbee4904", repo.git("hash-object", "-w", "--stdin").encode())
    tag = tag.replace(b"type tree", b"type blob")
    for name, payload in (("commit", commit), ("tag", tag)):
        result = sign_payload(payload, services=kit.services(), options=kit.options(mode="online"))
        lines = result.armored[:-1].split(b"\n")
        header = b"gpgsig " if kind == "sha1" else b"gpgsig-sha256 "
        if name == "commit":
            head, body = payload.split(b"\n\n", 1)
            whole = head + b"\n" + header + b"\n ".join(lines) + b"\n\n" + body
            assert split_commit(whole).payload == payload
        else:
            whole = payload + result.armored
            assert split_tag(whole).payload == payload
        assert result.object_id == repo.store(name, whole)
        found = RekorClient(kit.session, kit.stack.url).find(digest=hashlib.sha256(result.object_id.encode()).digest())
        verify(kit, result, payload, find=finding(found))
        assert result.verified.log is not None
        assert not result.verified.log.embedded


def test_online_mode_cannot_sign_what_has_no_id(kit: SigningKit) -> None:
    with serving(reply(500)) as server:
        services = kit.services(authority=server.url, log=server.url)
        with pytest.raises(UsageError) as caught:
            sign_payload(b"certificate version 0.1\n\n", services=services, options=kit.options(mode="online"))
    assert caught.value.reason == "online-mode-payload"
    assert "offline" in caught.value.hint
    assert server.requests == []


def test_a_timestamp_is_embedded_and_proves_the_time(kit: SigningKit) -> None:
    stamps = TsaClient(kit.session, f"{kit.stack.url}/api/v1/timestamp")
    result = sign_payload(COMMIT, services=kit.services(timestamps=stamps), options=kit.options())
    verify(kit, result, COMMIT, requirements=Requirements(timestamp=True))
    assert {proven.source for proven in result.verified.times} == {"log", "timestamp"}


def test_rekor_v2_signs_with_a_timestamp(kit: SigningKit) -> None:
    stamps = TsaClient(kit.session, f"{kit.stack.url}/api/v1/timestamp")
    services = kit.services(timestamps=stamps, log=RekorV2Client(kit.session, kit.stack.url))
    result = sign_payload(COMMIT, services=services, options=kit.options(rekor_version=2))
    verify(kit, result, COMMIT)
    assert result.verified.log is not None
    assert result.verified.log.version == "0.0.2"


def test_a_log_without_the_witnesses_that_were_asked_for_signs_nothing(kit: SigningKit) -> None:
    """The policy's quorum would prove the time, so no timestamp is asked for; the stack's log has no witnesses."""
    services = kit.services(log=RekorV2Client(kit.session, kit.stack.url))
    with pytest.raises(ServiceError) as caught:
        sign_payload(COMMIT, services=services, options=kit.options(rekor_version=2, witnesses=policy("quorum a")))
    assert caught.value.reason == "signature-unverifiable"
    assert (caught.value.facts["cause"], caught.value.facts["step"]) == ("witness-quorum-missing", "4.4")
    with pytest.raises(ConfigError, match="needs a timestamp"):
        sign_payload(COMMIT, services=services, options=kit.options(rekor_version=2, witnesses=policy("quorum none")))


@pytest.mark.parametrize(
    ("mode", "reason"), [("offline", "timestamp-server-missing"), ("online", "online-mode-needs-rekor-v1")]
)
def test_settings_that_lead_nowhere_are_refused_before_anything_is_asked(
    kit: SigningKit, mode: str, reason: str
) -> None:
    with serving(reply(500)) as server:
        services = kit.services(authority=server.url, log=server.url)
        with pytest.raises(ConfigError) as caught:
            sign_payload(COMMIT, services=services, options=kit.options(rekor_version=2, mode=mode))
    assert caught.value.reason == reason
    assert server.requests == []


def refused(kit: SigningKit, reason: str, **services: Any) -> ServiceError:
    """Sign in vain: one line that says what failed, and nothing to use."""
    with pytest.raises(ServiceError) as caught:
        sign_payload(COMMIT, services=kit.services(**services), options=kit.options())
    assert caught.value.reason == reason
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_fulcio_down(kit: SigningKit) -> None:
    with serving(reply(500)) as log:
        error = refused(kit, "service-unreachable", authority=unused_url(), log=log.url)
    assert error.message.startswith("Fulcio at ")
    assert log.requests == []


def test_rekor_down(kit: SigningKit) -> None:
    assert refused(kit, "service-unreachable", log=unused_url()).message.startswith("Rekor at ")


@pytest.mark.parametrize("which", ["authority", "log"])
def test_a_slow_server(stack: RunningStack, which: str) -> None:
    with HttpSession(Limits(total=0.5)) as session, serving(slow(30)) as server:
        refused(SigningKit(stack, session), "service-timeout", **{which: server.url})


@pytest.mark.parametrize("which", ["authority", "log"])
@pytest.mark.parametrize("failure", [reply(503), reply(500), reply(429), drop()], ids=["503", "500", "429", "drop"])
def test_a_server_that_fails_once(kit: SigningKit, which: str, failure: Action) -> None:
    with serving(failure, forward(kit.stack.url)) as server:
        services = kit.services(**{which: server.url})  # type: ignore[arg-type]
        verify(kit, sign_payload(COMMIT, services=services, options=kit.options()), COMMIT)


@pytest.mark.parametrize("which", ["authority", "log"])
def test_a_server_that_keeps_failing(kit: SigningKit, which: str) -> None:
    with serving(reply(503, {"message": "out of order"})) as server:
        assert "out of order" in refused(kit, "service-status", **{which: server.url}).message
    assert len(server.requests) == 2


@pytest.mark.parametrize(("which", "status"), [("authority", 200), ("log", 201)])
def test_a_server_that_answers_garbage(kit: SigningKit, which: str, status: int) -> None:
    with serving(reply(status, b"<html>hotel wifi</html>")) as server:
        refused(kit, "service-answer-invalid", **{which: server.url})


def test_a_log_that_answers_somebody_elses_entry(kit: SigningKit) -> None:
    theirs: list[bytes] = []

    def keep(status: int, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        theirs.append(body)
        return status, theirs[0], headers

    with serving(forward(kit.stack.url, keep)) as server:
        sign_payload(COMMIT, services=kit.services(log=server.url), options=kit.options())
        refused(kit, "service-answer-foreign", log=server.url)


def flipped(text: str) -> str:
    """Change one character of base64 or hex to another of the same alphabet."""
    at = len(text) // 2
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]


def change_entry(*path: str) -> Any:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        ((_, entry),) = value.items()
        inner = entry
        for name in path[:-1]:
            inner = inner[name]
        old = inner[path[-1]]
        if isinstance(old, list):
            inner[path[-1]] = [*old, "00" * 32]
        else:
            inner[path[-1]] = flipped(old) if isinstance(old, str) else old + 1
        return value

    return change


PROOF = ("verification", "inclusionProof")


@pytest.mark.parametrize(
    "path",
    [
        ("integratedTime",),
        ("logIndex",),
        ("logID",),
        ("verification", "signedEntryTimestamp"),
        (*PROOF, "hashes"),
        (*PROOF, "logIndex"),
        (*PROOF, "rootHash"),
        (*PROOF, "treeSize"),
        (*PROOF, "checkpoint"),
    ],
    ids="-".join,
)
def test_a_log_whose_answer_does_not_prove_itself(kit: SigningKit, path: tuple[str, ...]) -> None:
    with (
        serving(forward(kit.stack.url, changed_json(change_entry(*path)))) as server,
        pytest.raises(ServiceError) as caught,
    ):
        sign_payload(COMMIT, services=kit.services(log=server.url), options=kit.options())
    assert caught.value.reason in ("signature-unverifiable", "service-answer-invalid")
    if caught.value.reason == "signature-unverifiable":
        assert caught.value.facts["step"] == "4.3"


@pytest.mark.parametrize("missing", ["signedEntryTimestamp", "inclusionProof"])
def test_a_log_that_leaves_out_its_promise_or_proof(kit: SigningKit, missing: str) -> None:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        ((_, entry),) = value.items()
        del entry["verification"][missing]
        return value

    with serving(forward(kit.stack.url, changed_json(change))) as server, pytest.raises(ServiceError) as caught:
        sign_payload(COMMIT, services=kit.services(log=server.url), options=kit.options())
    assert caught.value.reason in ("signature-unverifiable", "service-answer-invalid")


def test_a_log_that_the_trust_root_does_not_know(kit: SigningKit) -> None:
    root = replace(kit.trusted_root, tlogs=())
    options = kit.options()
    options = replace(options, request=replace(options.request, trusted_root=root))
    with pytest.raises(ServiceError) as caught:
        sign_payload(COMMIT, services=kit.services(), options=options)
    assert (caught.value.reason, caught.value.facts["step"]) == ("signature-unverifiable", "4.3")


class Replayed:
    """A timestamp authority that answers with what it said before."""

    def __init__(self, inner: TsaClient) -> None:
        self.inner = inner
        self.first: bytes | None = None

    def timestamp(self, request_der: bytes) -> bytes:
        self.first = self.first or self.inner.timestamp(request_der)
        return self.first


def test_a_timestamp_of_an_earlier_request_is_refused_before_the_log_is_asked(kit: SigningKit) -> None:
    stamps = Replayed(TsaClient(kit.session, f"{kit.stack.url}/api/v1/timestamp"))
    sign_payload(COMMIT, services=kit.services(timestamps=stamps), options=kit.options())
    with serving(reply(500)) as log:
        refused(kit, "timestamp-unusable", timestamps=stamps, log=log.url)
    assert log.requests == []


class NoTimestamp:
    def timestamp(self, request_der: bytes) -> bytes:
        return b"\x30\x03\x02\x01\x02"


def test_garbage_is_no_timestamp(kit: SigningKit) -> None:
    refused(kit, "timestamp-unusable", timestamps=NoTimestamp())


@pytest.mark.parametrize(("minutes", "word"), [(2, "ahead of"), (-2, "behind")])
def test_a_clock_that_is_off_is_warned_about(kit: SigningKit, minutes: int, word: str) -> None:
    earlier = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp())
    token = kit.stack.token(ttl=600, iat=earlier, nbf=earlier)
    services = kit.services(token=token, offset=timedelta(minutes=minutes))
    began = time.monotonic()
    (warning,) = sign_payload(COMMIT, services=services, options=kit.options()).warnings
    found = re.search(f"clock is ([0-9]+) s {word} the proven time", warning)
    assert found, warning
    assert abs(int(found[1]) - 120) <= time.monotonic() - began + 1, "the log's time is in whole seconds"


def test_a_credential_signs_more_than_once(kit: SigningKit) -> None:
    services, options = kit.services(), kit.options()
    now = services.clock.now()
    credential = obtain_credential(options.request, tokens=services.tokens, authority=services.authority, now=now)
    first, second = (sign_with(credential, payload, services=services, options=options) for payload in (COMMIT, TAG))
    assert first.certificate == second.certificate
    verify(kit, first, COMMIT)
    verify(kit, second, TAG)


def test_a_credential_that_is_over_does_not_sign(kit: SigningKit) -> None:
    services, options = kit.services(), kit.options()
    now = services.clock.now()
    credential = obtain_credential(options.request, tokens=services.tokens, authority=services.authority, now=now)
    with serving(reply(500)) as log:
        late = kit.services(offset=timedelta(minutes=11), log=log.url)
        with pytest.raises(VerificationError) as caught:
            sign_with(credential, COMMIT, services=late, options=options)
    assert caught.value.reason == "credential-expired"
    assert log.requests == []


def test_the_signing_time_is_ours(kit: SigningKit) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    result = sign_payload(COMMIT, services=kit.services(), options=kit.options())
    signed = cms.signing_time(cms.only_signer(cms.parse_signed_data(result.signature_der)))
    assert signed is not None
    assert before <= signed <= datetime.now(UTC)


def test_the_key_of_one_signature_is_not_that_of_the_next(kit: SigningKit) -> None:
    first, second = (sign_payload(COMMIT, services=kit.services(), options=kit.options()) for _ in range(2))
    assert first.certificate.public_key.spki != second.certificate.public_key.spki


def test_an_object_name_needs_an_object() -> None:
    with pytest.raises(UsageError):
        object_name(b"hello", b"-----BEGIN SIGNED MESSAGE-----\n-----END SIGNED MESSAGE-----\n")


def test_a_fulcio_with_v1_alone_will_do(kit: SigningKit) -> None:
    with serving(reply(404), forward(kit.stack.url)) as server:
        authority = FulcioClient(kit.session, server.url)
        verify(kit, sign_payload(COMMIT, services=kit.services(authority=authority), options=kit.options()), COMMIT)
    assert [seen.path for seen in server.requests] == ["/api/v2/signingCert", "/api/v1/signingCert"]


def test_the_signing_time_is_never_before_the_certificate(kit: SigningKit) -> None:
    """Other verifiers (GitLab) compare the two, and a clock that is behind is no reason to be refused there."""
    earlier = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp())
    services = kit.services(token=kit.stack.token(ttl=600, iat=earlier, nbf=earlier), offset=timedelta(minutes=-2))
    result = sign_payload(COMMIT, services=services, options=kit.options())
    assert result.verified.signing_time is not None
    assert result.verified.signing_time >= result.certificate.not_before
