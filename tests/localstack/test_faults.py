"""Faults on demand: each breaks what it says, for the service it names, and is over when it is taken back."""

import http.client
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gitsign_py.cli.commands import stack as cli
from gitsign_py.cli.commands import stackcare
from gitsign_py.core.encoding import pem_decode
from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.pki.keys import load_pem
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.checkpoint import open_checkpoint
from gitsign_py.core.tlog.logentry import entry_from_rekor_v1
from gitsign_py.core.tlog.sct import embedded_scts, verify_sct
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.errors import UsageError, VerificationError
from gitsign_py.localstack.faults import KINDS, Faults, parse_fault
from gitsign_py.localstack.placement import SERVICES
from gitsign_py.localstack.rotate import ROTATIONS
from gitsign_py.localstack.service import JSON, Request, Response, json_response
from gitsign_py.localstack.stack import Stack
from tests.support.faultystack import FaultyStack
from tests.support.localstackkit import Certified, certify, trusted_root
from tests.support.openedstack import ask, log_an_entry
from tests.support.stack import RunningStack, running_stack

V1 = "/api/v1/log/entries"


# -- what is asked for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("slow", "slow=5"),
        ("rekor:slow=0.25", "rekor1:slow=0.25"),
        ("ca:no-sct", "fulcio:no-sct"),
        ("issuer:5xx=3", "idp:5xx=3"),
        ("clock-skew=-90", "clock-skew=-90"),
        ("rekor2:fork", "rekor2:fork"),
    ],
)
def test_a_fault_is_read_as_it_is_written(text: str, again: str) -> None:
    assert str(parse_fault(text)) == again


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sloow", "fault-unknown"),
        ("", "fault-unknown"),
        ("rekor", "fault-unknown"),
        ("moon:slow", "fault-service"),
        (":slow", "fault-service"),
        ("tsa:no-sct", "fault-service"),
        ("slow=fast", "fault-value"),
        ("5xx=0", "fault-value"),
        ("5xx=-1", "fault-value"),
        ("no-sct=1", "fault-value"),
        ("slow=1e9", "fault-value"),
    ],
)
def test_what_is_no_fault_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert caught.value.reason == reason
    assert caught.value.hint


def test_the_help_names_every_fault_and_every_rotation() -> None:
    assert all(name in cli._FAULTS for name in (*KINDS, *SERVICES))
    assert tuple(ROTATIONS) == tuple(sorted(stackcare._ROTATIONS, key=list(ROTATIONS).index))
    assert set(stackcare._ROTATIONS) == set(ROTATIONS)


def test_an_answer_that_holds_no_proof_stays_as_it_is() -> None:
    hook = Faults(["wrong-proof"])
    for answer in (Response(200, b"tile", "text/plain"), Response(200, b"{", JSON), json_response([{"a": [1]}])):
        assert hook.after("rekor2", Request(), answer).body == answer.body
    for proof in ({"inclusionProof": None}, {"a": {"inclusionProof": "x"}}):
        assert hook.after("rekor2", Request(), json_response(proof)).body == json_response(proof).body


def test_a_hook_without_faults_changes_nothing() -> None:
    hook, now, answer = Faults(), datetime.now(UTC), json_response({"a": 1})
    assert hook.now("tsa", now) == now
    assert hook.before("tsa", Request()) is None
    assert hook.after("tsa", Request(), answer) is answer
    assert all(hook.setting(f"{service}:{name}") is None for service in SERVICES for name in KINDS)


def test_waiting_is_for_the_service_that_is_named() -> None:
    waited: list[float] = []
    hook = Faults(["tsa:slow=3", "clock-skew=60"], sleep=waited.append)
    hook.before("tsa", Request())
    hook.before("rekor2", Request())
    assert waited == [3.0]
    now = datetime.now(UTC)
    assert hook.now("ctlog", now) == now + timedelta(minutes=1)


def test_a_full_disk_refuses_writes_and_lets_reads_go_on(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "s", 0, hook=Faults(["disk-full"]))
    refused, read = log_an_entry(stack, 1), ask(stack, "/api/v2/checkpoint")
    stack.close()
    assert (refused.status, b"full" in refused.body, read.status) == (503, True, 200)


# -- what any server can do wrong -------------------------------------------------------------------------------------


def test_5xx_ends_after_its_count(faulty: FaultyStack) -> None:
    faulty.break_it("idp:5xx=2")
    assert [faulty.get("/keys").status for _ in range(3)] == [503, 503, 200]
    assert faulty.get("/api/v1/log").status == 200


def test_slow_is_slow(faulty: FaultyStack) -> None:
    faulty.break_it("rekor:slow=0.4")
    began = time.monotonic()
    assert faulty.get("/api/v1/log").status == 200
    assert time.monotonic() - began >= 0.4


def test_drop_breaks_off_in_the_middle(faulty: FaultyStack) -> None:
    faulty.break_it("idp:drop=1")
    with pytest.raises(http.client.IncompleteRead):
        faulty.get("/keys")
    assert faulty.get("/keys").status == 200


def test_garbage_is_no_json(faulty: FaultyStack) -> None:
    whole = len(faulty.get("/keys").body)
    faulty.break_it("idp:garbage=1")
    answer = faulty.get("/keys")
    assert (answer.status, len(answer.body)) == (200, whole)
    with pytest.raises(UnicodeDecodeError):
        json.loads(answer.body)


def test_a_wrong_clock_makes_old_tokens(faulty: FaultyStack) -> None:
    faulty.break_it("fulcio:clock-skew=-7200")
    with pytest.raises(AssertionError, match="identity token"):  # to that CA the token is from the future
        certify(faulty)


# -- what logs can lie about ------------------------------------------------------------------------------------------


@pytest.fixture
def who(faulty: FaultyStack) -> Certified:
    return certify(faulty)


def log_v1(stack: RunningStack, who: Certified, data: bytes) -> tuple[str, dict[str, Any]]:
    answer = stack.post(V1, who.entry(data))
    assert answer.status == 201, answer.body
    ((uuid, value),) = answer.json().items()
    return uuid, value


def refusal_v1(stack: RunningStack, logged: tuple[str, dict[str, Any]]) -> str:
    entry = entry_from_rekor_v1(*logged)
    with pytest.raises(VerificationError) as caught:
        verify_entry(entry, [entry.body], trusted_root(stack).tlogs)
    return caught.value.reason


def test_a_wrong_proof_is_noticed(faulty: FaultyStack, who: Certified) -> None:
    faulty.break_it("rekor1:wrong-proof")
    first = refusal_v1(faulty, log_v1(faulty, who, b"proof 1"))
    assert first in {"inclusion-proof-too-long", "inclusion-proof-mismatch"}
    assert refusal_v1(faulty, log_v1(faulty, who, b"proof 2")) == "inclusion-proof-mismatch"


def test_a_wrong_root_is_signed_and_noticed(faulty: FaultyStack, who: Certified) -> None:
    faulty.break_it("rekor1:wrong-root")
    logged = log_v1(faulty, who, b"root")
    key = load_pem(faulty.get("/api/v1/log/publicKey").body)
    proof = logged[1]["verification"]["inclusionProof"]
    assert open_checkpoint(proof["checkpoint"].encode(), key).checkpoint.root.hex() != proof["rootHash"]
    assert refusal_v1(faulty, logged).startswith("checkpoint-")


def test_the_entry_before_is_given_for_this_one(faulty: FaultyStack, who: Certified) -> None:
    first = log_v1(faulty, who, b"others 1")
    faulty.break_it("rekor1:others-entry")
    assert log_v1(faulty, who, b"others 2") == first


def test_the_same_entry_gets_one_index_after_the_other(faulty: FaultyStack, who: Certified) -> None:
    proposed = who.entry(b"again")
    assert [faulty.post(V1, proposed).status for _ in range(2)] == [201, 409]
    faulty.break_it("duplicate-entries")
    answers = [faulty.post(V1, proposed).json() for _ in range(3)]
    assert len({uuid for answer in answers for uuid in answer}) == 1
    assert len({value["logIndex"] for answer in answers for value in answer.values()}) == 3


def test_a_fork_is_sound_by_itself_and_no_continuation(faulty: FaultyStack, who: Certified) -> None:
    log_v1(faulty, who, b"fork 1")
    key = load_pem(faulty.get("/api/v1/log/publicKey").body)
    before = open_checkpoint(faulty.get("/api/v1/log").json()["signedTreeHead"].encode(), key).checkpoint
    faulty.break_it("rekor1:fork")
    number, after = 1, before
    while after.size <= before.size:  # the other history may have begun in an earlier test, and be shorter
        number += 1
        uuid, value = log_v1(faulty, who, b"fork %d" % number)
        after = open_checkpoint(faulty.get("/api/v1/log").json()["signedTreeHead"].encode(), key).checkpoint
    entry = entry_from_rekor_v1(uuid, value)
    verify_entry(entry, [entry.body], trusted_root(faulty).tlogs)
    assert after.origin == before.origin
    proof = faulty.get(f"/api/v1/log/proof?firstSize={before.size}&lastSize={after.size}").json()["hashes"]
    hashes = [bytes.fromhex(text) for text in proof]
    with pytest.raises(VerificationError) as caught:
        merkle.verify_consistency(before.size, after.size, hashes, before.root, after.root)
    assert caught.value.reason == "consistency-proof-mismatch"
    faulty.break_it()
    assert faulty.get(f"{V1}/{uuid}").status == 404
    found = faulty.post("/api/v1/index/retrieve", {"email": "alice@example.com"})
    assert (found.status, uuid in found.json()) == (200, False)


# -- what a CA can lie about ------------------------------------------------------------------------------------------


def test_a_certificate_without_a_promise(faulty: FaultyStack) -> None:
    faulty.break_it("no-sct")
    with pytest.raises(x509.ExtensionNotFound):
        certify(faulty).leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)


def test_a_certificate_with_the_promise_for_another_one(faulty: FaultyStack) -> None:
    faulty.break_it("wrong-sct")
    certified = certify(faulty)
    leaf, issuer = (parse_certificate(_der(pem)) for pem in certified.chain[:2])
    (sct,) = embedded_scts(leaf)
    (log,) = trusted_root(faulty).ctlogs
    with pytest.raises(VerificationError):
        verify_sct(sct, leaf, issuer, log.public_key)
    faulty.break_it()
    leaf, issuer = (parse_certificate(_der(pem)) for pem in certify(faulty).chain[:2])
    (sct,) = embedded_scts(leaf)
    verify_sct(sct, leaf, issuer, log.public_key)


def _der(pem: bytes) -> bytes:
    return pem_decode(pem, "CERTIFICATE")[0]


def test_a_certificate_that_has_expired(faulty: FaultyStack) -> None:
    faulty.break_it("expired-certificate")
    assert certify(faulty).leaf.not_valid_after_utc < datetime.now(UTC)


def test_a_promise_beside_the_certificate(faulty: FaultyStack) -> None:
    faulty.break_it("detached-sct")
    with pytest.raises(KeyError, match="signedCertificateEmbeddedSct"):
        certify(faulty)


# -- who may break it -------------------------------------------------------------------------------------------------


def test_without_the_option_there_is_no_fault_control(stack: RunningStack) -> None:
    assert stack.get("/faults").status == 404
    assert stack.post("/faults", {"faults": ["no-sct"]}).status == 404


@pytest.mark.parametrize("value", [{}, {"faults": "no-sct"}, {"faults": [5]}, {"faults": ["nonsense"]}])
def test_a_wrong_order_changes_nothing(faulty: FaultyStack, value: object) -> None:
    faulty.break_it("idp:5xx")
    answer = faulty.post("/faults", value)
    assert answer.status == 400
    assert faulty.get("/faults").json() == {"faults": ["idp:5xx"]}


def test_a_page_of_another_origin_cannot_break_it(faulty: FaultyStack) -> None:
    answer = faulty.post("/faults", {"faults": ["no-sct"]}, Origin="https://evil.example")
    assert answer.status == 403
    assert faulty.get("/faults").json() == {"faults": []}


def test_faults_of_the_command_line_are_there_from_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_stack(tmp_path_factory.mktemp("up"), "--fault", "idp:5xx=1", "--fault", "ca:no-sct") as stack:
        assert stack.get("/keys").status == 503
        assert stack.get("/keys").status == 200
        assert stack.get("/faults").status == 404
