"""The local Rekor v2 and its witnesses over loopback: what it shows, who may be down, and a fork that they refuse."""

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitsign_py.core.tlog.checkpoint import open_checkpoint
from gitsign_py.core.tlog.cosigned import cosigners
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy, parse_policy
from gitsign_py.core.trust.root import TransparencyLogInstance
from gitsign_py.errors import ConfigError
from gitsign_py.localstack.assembly import Choices
from gitsign_py.localstack.faults import Faults
from gitsign_py.localstack.service import Response
from gitsign_py.localstack.stack import Stack
from gitsign_py.localstack.witness.asking import Cosigning, post
from gitsign_py.localstack.witness.identity import RECORD, make_identity
from gitsign_py.localstack.witness.record import Record
from gitsign_py.localstack.witness.service import KnownLog, logs_of_policy
from gitsign_py.localstack.witness.serving import WitnessServer
from tests.support.openedstack import ask, log_an_entry
from tests.support.ports import free_ports
from tests.support.witnesskit import A, B, C, policy

CHECKPOINT = "/api/v2/checkpoint"


@dataclass
class Team:
    """Two witnesses that answer, and the log that they know."""

    folder: Path
    faults: Faults
    servers: list[WitnessServer]

    def policy(self, *lines: str, more: str = "") -> WitnessPolicy:
        witnesses = "".join(f"{one.line}\n".replace("witness w.example/", "witness ") for one in self.servers)
        return parse_policy((witnesses + more + "".join(f"{line}\n" for line in lines)).encode())


def log_of(stack: Stack) -> TransparencyLogInstance:
    (service,) = (one for one in stack.services if one.name == "rekor2")
    return service.trust().tlogs[-1]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    faults = Faults([])
    with ExitStack() as running:
        stack = Stack(tmp_path / "stack", 0)  # makes the log's key
        log = log_of(stack)
        stack.close()
        known = KnownLog("rekor2.local", log.public_key, log.log_id[:4])
        servers = []
        for name in ("a", "b"):
            make_identity(tmp_path / name, f"w.example/{name}")
            servers.append(running.enter_context(WitnessServer(tmp_path / name, [known])))
        yield Team(tmp_path, faults, servers)


def opened(team: Team, asked: WitnessPolicy) -> Stack:
    return Stack(team.folder / "stack", 0, hook=team.faults, choices=Choices(witnesses=asked))


def who(stack: Stack, asked: WitnessPolicy, envelope: bytes) -> list[str]:
    log = log_of(stack)
    stated = open_checkpoint(envelope, log.public_key, key_hints=[log.log_id[:4]]).checkpoint
    return [name for name, _ in cosigners(asked, envelope, stated)]


def envelope_of(answer: Response) -> bytes:
    return str(json.loads(answer.body)["inclusionProof"]["checkpoint"]["envelope"]).encode()


def test_what_the_log_answers_and_shows_is_cosigned(team: Team) -> None:
    asked = team.policy("group both all a b", "quorum both")
    stack = opened(team, asked)
    try:
        assert who(stack, asked, ask(stack, CHECKPOINT).body) == ["a", "b"]
        for number in range(3):
            answer = log_an_entry(stack, number)
            assert answer.status == 201, answer.body
            value = json.loads(answer.body)["inclusionProof"]
            assert (value["treeSize"], len(base64.b64decode(value["rootHash"]))) == (str(number + 1), 32)
            assert who(stack, asked, envelope_of(answer)) == ["a", "b"]
        assert ask(stack, CHECKPOINT).body == envelope_of(answer)
    finally:
        stack.close()
    with Record(team.folder / "a" / RECORD) as record:
        assert [one.size for one in record.logs()] == [3]


def test_a_log_that_begins_anew_learns_what_its_witnesses_know(team: Team) -> None:
    """The sizes are not kept: the first answer is 409, with the size from which to prove."""
    asked = team.policy("group both all a b", "quorum both")
    for numbers in ((0, 1, 2), (3, 4)):
        stack = opened(team, asked)
        try:
            assert {log_an_entry(stack, number).status for number in numbers} == {201}
        finally:
            stack.close()


@pytest.mark.parametrize(("quorum", "status"), [("any", 201), ("all", 503)])
def test_a_witness_that_is_down_stops_the_log_where_the_policy_says_so(team: Team, quorum: str, status: int) -> None:
    more = f"{C.line} http://127.0.0.1:{free_ports(1)[0]}\n"
    asked = team.policy(f"group g {quorum} a b c", "quorum g", more=more)
    stack = opened(team, asked)
    try:
        answer = log_an_entry(stack, 1)
        assert answer.status == status, answer.body
        if status == 201:
            assert who(stack, asked, envelope_of(answer)) == ["a", "b"]
        else:
            assert b"cosigned by a, b, and the log's policy asks for g" in answer.body
            assert ask(stack, CHECKPOINT).status == 503
    finally:
        stack.close()


def test_a_fork_is_not_cosigned_and_the_witnesses_keep_the_proof(team: Team) -> None:
    """A split view: the log goes back to another history of the same size, signed by the same key."""
    asked = team.policy("group both all a b", "quorum both")
    stack = opened(team, asked)
    try:
        assert {log_an_entry(stack, number).status for number in range(3)} == {201}
        honest = ask(stack, CHECKPOINT).body
        team.faults.set(["rekor2:fork"])
        assert ask(stack, CHECKPOINT).status == 503
        assert log_an_entry(stack, 9).status == 503
        team.faults.set([])
        assert ask(stack, CHECKPOINT).body == honest
    finally:
        stack.close()
    for name in ("a", "b"):
        with Record(team.folder / name / RECORD) as record:
            ((other, _),) = record.contradictions()
            (kept,) = record.logs()
        assert (other.size, kept.size) == (3, 3)
        assert other.root != kept.root


def test_a_witness_that_hangs_costs_one_bounded_wait(team: Team) -> None:
    """After that it is left alone for a while; the log goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        more = f"{C.line} http://127.0.0.1:{silent.getsockname()[1]}\n"
        asked = team.policy("group g 2 a b c", "quorum g", more=more)
        stack = opened(team, asked)
        try:
            log = log_of(stack)
            cosigning = Cosigning(asked, seconds=2.0)
            envelope = ask(stack, CHECKPOINT).body
            stated = open_checkpoint(envelope, log.public_key, key_hints=[log.log_id[:4]]).checkpoint
            own = b"\n".join(envelope.split(b"\n")[:5]) + b"\n"
            for _ in range(3):
                found = cosigning.cosigned(own, stated, lambda _old, _size: ())
                assert who(stack, asked, found) == ["a", "b"]
        finally:
            stack.close()
        silent.settimeout(5)
        connections = 0
        with ExitStack() as held:
            silent.settimeout(0.2)
            try:
                while True:
                    held.enter_context(silent.accept()[0])
                    connections += 1
            except TimeoutError:
                pass
        assert connections <= 2  # the stack's own question, and the first of the three


def test_a_policy_that_nobody_can_meet_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError) as caught:
        Cosigning(policy("quorum a"))
    assert caught.value.reason == "witness-policy-url"
    assert Cosigning(policy("quorum none"))
    assert A.line != B.line


def test_urls_that_are_none_are_not_asked() -> None:
    for url in ("ftp://127.0.0.1/x", "file:///etc/passwd", "http://"):
        with pytest.raises(ValueError, match="http"):
            post(url, b"", 1.0)


def test_a_policy_names_the_logs_of_a_witness() -> None:
    assert logs_of_policy(policy("quorum none")) == ()
