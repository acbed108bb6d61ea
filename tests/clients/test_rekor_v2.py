"""The client of tiled logs, against the local one, a log of the transcripts, and logs that lie."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gitsign_py.clients.rekor_v2 import RekorV2Client
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.core.trust.root import TransparencyLogInstance, parse_trusted_root
from gitsign_py.errors import FormatError, ServiceError, VerificationError
from tests.support import tsafactory as factory
from tests.support.badserver import BadServer, changed_json, forward, reply
from tests.support.faultystack import FaultyStack
from tests.support.stack import RunningStack, running_stack

SIGNER = factory.make_authority()  # any certificate will do for a log
CERTIFICATE = factory.der_of(SIGNER.leaf)


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(backoff=0.01)) as session:
        yield session


def logs_of(stack: RunningStack) -> tuple[TransparencyLogInstance, ...]:
    return parse_trusted_root(stack.trusted_root.read_bytes()).tlogs


def client_of(stack: RunningStack, session: HttpSession, url: str = "") -> RekorV2Client:
    return RekorV2Client(session, url or stack.url, logs=logs_of(stack), sleep=lambda _: None)


def signed(message: bytes) -> dict[str, bytes]:
    signature = factory.sign(SIGNER.key, message, "sha256")
    return {"digest": hashlib.sha256(message).digest(), "signature": signature, "certificate": CERTIFICATE}


def check(entry: LogEntry, stack: RunningStack) -> None:
    """Checkpoint, then inclusion, with the trust root alone."""
    verify_entry(entry, [entry.body], logs_of(stack))


def test_a_new_entry_is_logged_and_verifies(stack: RunningStack, session: HttpSession) -> None:
    entry = client_of(stack, session).submit(**signed(b"new"))
    assert (entry.kind, entry.version, entry.integrated_time) == ("hashedrekord", "0.0.2", 0)
    assert entry.signed_entry_timestamp == b""
    check(entry, stack)


def test_a_repeated_entry_is_read_back_from_the_tiles(stack: RunningStack, session: HttpSession) -> None:
    client = client_of(stack, session)
    repeated = signed(b"twice")
    first = client.submit(**repeated)
    client.submit(**signed(b"between"))
    second = client.submit(**repeated)
    assert (second.log_index, second.body, second.log_id) == (first.log_index, first.body, first.log_id)
    assert second.inclusion_proof != first.inclusion_proof
    check(second, stack)


def test_every_entry_can_be_proved_from_tiles_past_the_first_one(tmp_path: Path, session: HttpSession) -> None:
    with running_stack(tmp_path / "stack") as stack:
        _prove_past_the_first_tile(stack, session)


def _prove_past_the_first_tile(stack: RunningStack, session: HttpSession) -> None:
    client = client_of(stack, session)
    last = 0
    while last < 260:  # beyond one tile of 256 hashes
        last = client.submit(**signed(b"number %d" % last)).log_index
    for index in (0, 1, 100, 255, 256, last):
        entry = client.entry(index)
        assert entry is not None
        assert entry.log_index == index
        check(entry, stack)
    assert client.entry(last + 1) is None
    hashes = client.tile(0, 0)
    assert len(hashes) == 256
    assert client.tile(1, 0, 1) == (merkle.root(256, lambda level, index: _subtree(hashes, level, index)),)
    assert merkle.leaf_hash(client.entries(0)[7]) == hashes[7]


def _subtree(hashes: tuple[bytes, ...], level: int, index: int) -> bytes:
    if level == 0:
        return hashes[index]
    return merkle.node_hash(_subtree(hashes, level - 1, 2 * index), _subtree(hashes, level - 1, 2 * index + 1))


def test_without_the_trust_root_an_entry_names_no_log(stack: RunningStack, session: HttpSession) -> None:
    client_of(stack, session).submit(**signed(b"known"))
    entry = RekorV2Client(session, stack.url).entry(0)
    assert entry is not None
    assert entry.log_id == b""


def test_a_tiled_log_cannot_be_searched(stack: RunningStack, session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        client_of(stack, session).find(digest=b"\0" * 32)
    assert caught.value.reason == "log-cannot-search"


def test_a_key_of_another_curve_is_refused_before_anything_is_sent(stack: RunningStack, session: HttpSession) -> None:
    other = factory.make_authority(key=ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(FormatError) as caught:
        client_of(stack, session).submit(digest=b"", signature=b"", certificate=factory.der_of(other.leaf))
    assert caught.value.reason == "key-unsupported"


def test_a_bad_signature_is_refused_by_the_log(stack: RunningStack, session: HttpSession) -> None:
    with pytest.raises(ServiceError) as caught:
        client_of(stack, session).submit(**{**signed(b"one"), "digest": hashlib.sha256(b"two").digest()})
    assert caught.value.reason == "service-status"
    assert "invalid hashedrekord request" in caught.value.message


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(stack: RunningStack, session: HttpSession) -> None:
    hashes = [bytes([number]) * 32 for number in range(256)]
    script = [reply(404, {"code": 5}), reply(200, b"".join(hashes))]
    with BadServer(script) as server:
        assert client_of(stack, session, server.url).tile(0, 0, 3) == tuple(hashes[:3])
    assert [request.path for request in server.requests] == ["/api/v2/tile/0/000.p/3", "/api/v2/tile/0/000"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tile", b""),
        ("tile", b"x" * 33),
        ("tile", b"x" * 32),
        ("tile", b"x" * 32 * 257),
        ("entries", b"\x00"),
        ("entries", b"\x00\x05abc"),
    ],
)
def test_a_tile_of_another_size_is_refused(stack: RunningStack, session: HttpSession, path: str, body: bytes) -> None:
    with BadServer([reply(200, body)]) as server:
        client = client_of(stack, session, server.url)
        with pytest.raises(ServiceError) as caught:
            client.tile(0, 0, 2) if path == "tile" else client.entries(0, 2)
    assert caught.value.reason == "service-answer-invalid"


@pytest.mark.parametrize(
    "conflict",
    [
        {"code": 6, "message": "an equivalent entry already exists"},
        {"code": 6, "message": "with index 99999999999999999999999"},
        {"code": 6, "message": ["with index 1"]},
        ["with index 1"],
        {"code": 6, "message": "with index 9000000"},
    ],
)
def test_a_conflict_that_names_no_entry_is_of_no_use(stack: RunningStack, session: HttpSession, conflict: Any) -> None:
    checkpoint = client_of(stack, session).checkpoint()
    with BadServer([reply(409, conflict), reply(200, checkpoint)]) as server, pytest.raises(ServiceError) as caught:
        client_of(stack, session, server.url).submit(**signed(b"conflict"))
    assert caught.value.reason == "service-answer-invalid"


def test_somebody_elses_entry_is_refused(faulty: FaultyStack, session: HttpSession) -> None:
    client = client_of(faulty, session)
    client.submit(**signed(b"mine"))
    faulty.break_it("rekor2:others-entry")
    with pytest.raises(ServiceError) as caught:
        client.submit(**signed(b"mine as well"))
    assert caught.value.reason == "service-answer-foreign"


def test_an_answer_that_is_no_entry_is_refused(faulty: FaultyStack, session: HttpSession) -> None:
    for fault in ("rekor2:garbage", "rekor2:drop"):
        faulty.break_it(fault)
        with pytest.raises(ServiceError):
            client_of(faulty, session).submit(**signed(fault.encode()))


def test_a_wrong_proof_reaches_the_verifier_and_is_refused_there(faulty: FaultyStack, session: HttpSession) -> None:
    client = client_of(faulty, session)
    client.submit(**signed(b"first"))
    faulty.break_it("rekor2:wrong-proof")
    entry = client.submit(**signed(b"proof"))
    with pytest.raises(VerificationError) as caught:
        check(entry, faulty)
    assert caught.value.reason == "inclusion-proof-mismatch"


def test_a_checkpoint_over_another_root_is_refused(faulty: FaultyStack, session: HttpSession) -> None:
    client = client_of(faulty, session)
    faulty.break_it("rekor2:wrong-root")
    entry = client.submit(**signed(b"root"))
    with pytest.raises(VerificationError) as caught:
        check(entry, faulty)
    assert caught.value.reason == "checkpoint-root-mismatch"
    with pytest.raises(ServiceError) as unreadable:
        client.entry(entry.log_index)
    assert unreadable.value.reason == "service-answer-invalid"


def test_a_checkpoint_by_another_key_is_refused_when_read(stack: RunningStack, session: HttpSession) -> None:
    client_of(stack, session).submit(**signed(b"key"))
    other = next(log for log in logs_of(stack) if log.public_key.kind == "ecdsa-p256")
    forged = tuple(replace(log, public_key=other.public_key) for log in logs_of(stack))
    with pytest.raises(ServiceError) as caught:
        RekorV2Client(session, stack.url, logs=forged).entry(0)
    assert caught.value.reason == "service-answer-invalid"


def test_an_entry_under_another_body_is_refused(stack: RunningStack, session: HttpSession) -> None:
    def other_body(value: Any) -> Any:
        return {**value, "canonicalizedBody": "e30="}

    with BadServer([forward(stack.url, changed_json(other_body))]) as server, pytest.raises(ServiceError) as caught:
        client_of(stack, session, server.url).submit(**signed(b"changed"))
    assert caught.value.reason in {"service-answer-foreign", "service-answer-invalid"}


def test_a_log_that_answers_late_is_waited_for(faulty: FaultyStack) -> None:
    """The session's own limit of a second does not hold for a submission."""
    faulty.break_it("rekor2:slow=1.5")
    with HttpSession(Limits(total=1.0)) as session:
        check(client_of(faulty, session).submit(**signed(b"late")), faulty)
