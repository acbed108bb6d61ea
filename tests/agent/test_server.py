"""The agent's front desk over real sockets: what it takes, how many at a time, and when it ends."""

import threading
import time
from pathlib import Path

import pytest

from gitsign_py.agent import client, endpoint
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.server import AgentServer
from gitsign_py.errors import VerificationError
from tests.support.agentserver import echo, serving
from tests.support.waiting import wait_until


def test_a_request_is_answered(path: Path) -> None:
    with serving(path, ping=echo):
        assert client.ask(str(path), "ping", payload=b"hello") == {"status": b"ok", "payload": b"hello"}


def test_a_megabyte_goes_both_ways(path: Path) -> None:
    with serving(path, sign=echo):
        reply = client.try_sign(str(path), {"payload": b"x" * 5_000_000})
        assert reply is not None
        assert len(reply["payload"]) == 5_000_000


def test_the_forwarding_socket_takes_pings_and_signatures_alone(path: Path) -> None:
    with serving(path, ping=echo, sign=echo, stop=echo, status=echo):
        forward = str(path.with_name("forward.sock"))
        assert client.ask(forward, "ping", payload=b"1") == {"status": b"ok", "payload": b"1"}
        assert client.try_sign(forward, {"payload": b"2"}) == {"status": b"ok", "payload": b"2"}
        for name in ("stop", "status", "log", "lock", "verify", "warm"):
            reply = client.ask(forward, name)
            assert reply is not None
            assert reply["reason"] == b"agent-request-unknown"


def test_an_error_arrives_as_what_it_is(path: Path) -> None:
    def fail(_: Fields, __: Conversation) -> Fields:
        raise VerificationError("token-expired", "too old", step="7.1", hint="get a new one", facts={"n": 1})

    with serving(path, sign=fail):
        reply = client.try_sign(str(path), {"payload": b""})
    assert reply == {
        "status": b"error",
        "kind": b"VerificationError",
        "reason": b"token-expired",
        "message": b"too old",
        "hint": b"get a new one",
        "facts": b'{"n": 1}',
        "step": b"7.1",
    }


def test_a_broken_handler_is_an_error_and_the_agent_goes_on(path: Path) -> None:
    def fail(_: Fields, __: Conversation) -> Fields:
        raise ZeroDivisionError("oops")

    with serving(path, sign=fail, ping=echo):
        reply = client.try_sign(str(path), {"payload": b""})
        assert reply is not None
        assert reply["reason"] == b"agent-internal"
        assert client.ask(str(path), "ping") is not None


def test_more_conversations_than_allowed_are_turned_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.agent.server.MAX_CONVERSATIONS", 2)
    leave = threading.Event()

    inside: list[None] = []

    def stay(_: Fields, __: Conversation) -> Fields:
        inside.append(None)
        leave.wait(20)
        return {"status": b"ok"}

    replies: list[Fields | None] = []
    with serving(path, sign=stay, ping=echo):
        busy = [threading.Thread(target=lambda: replies.append(client.try_sign(str(path), {}))) for _ in range(2)]
        for thread in busy:
            thread.start()
        wait_until(lambda: len(inside) == 2)
        assert client.ask(str(path), "ping") is None
        leave.set()
        for thread in busy:
            thread.join(20)
        wait_until(lambda: client.ask(str(path), "ping") is not None)
    assert replies == [{"status": b"ok"}, {"status": b"ok"}]


def test_a_request_that_is_being_served_is_finished_when_the_agent_stops(path: Path) -> None:
    begun = threading.Event()

    def slow(_: Fields, __: Conversation) -> Fields:
        begun.set()
        time.sleep(0.3)
        return {"status": b"ok"}

    replies: list[Fields | None] = []
    with serving(path, sign=slow) as server:
        thread = threading.Thread(target=lambda: replies.append(client.try_sign(str(path), {})))
        thread.start()
        assert begun.wait(20)
        server.stop()
        thread.join(20)
    assert replies == [{"status": b"ok"}]


def test_an_agent_ends_when_it_is_no_longer_wanted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitsign_py.agent.server.TICK_SECONDS", 0.02)
    opened = endpoint.open_endpoint(path)
    assert opened is not None
    idle: list[float] = []

    def still_wanted(seconds: float) -> bool:
        idle.append(seconds)
        return seconds < 0.2

    AgentServer(opened.listeners, {}, still_wanted=still_wanted).serve()
    opened.remove()
    assert [seconds >= 0.2 for seconds in idle] == [False] * (len(idle) - 1) + [True]


def test_what_has_to_be_dropped_is_dropped_before_a_connection_is_served(path: Path) -> None:
    """A machine that wakes up may be asked before the next tick."""
    opened = endpoint.open_endpoint(path)
    assert opened is not None
    held = ["key"]

    def count(_: Fields, __: Conversation) -> Fields:
        return {"status": b"ok", "held": str(len(held)).encode()}

    server = AgentServer(opened.listeners, {"ping": count}, before_each=held.clear)
    thread = threading.Thread(target=server.serve)
    thread.start()
    assert client.ask(str(path), "ping") == {"status": b"ok", "held": b"0"}
    server.stop()
    thread.join(10)
    opened.remove()
