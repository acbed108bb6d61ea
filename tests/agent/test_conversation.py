"""One conversation with the agent: waits, questions back, a client that leaves, frames that are none."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from gitsign_py.agent import client, conversation, server
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.protocol import FRAME_LIMIT, MAGIC, pack_frame
from tests.support.agentserver import echo, serving
from tests.support.waiting import wait_until


def test_a_slow_answer_is_waited_for_since_the_agent_says_that_it_works(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(client, "SILENCE_SECONDS", 2.0)

    def slow(_: Fields, __: Conversation) -> Fields:
        time.sleep(2.6)
        return {"status": b"ok"}

    with serving(path, sign=slow):
        assert client.try_sign(str(path), {"payload": b""}) == {"status": b"ok"}


def test_the_agent_asks_back_and_waits_for_the_answer(path: Path) -> None:
    def curious(_: Fields, talk: Conversation) -> Fields:
        first, second = talk.need(60, what=b"token"), talk.need(60, what=b"consent")
        assert first is not None
        assert second is not None
        return {"status": b"ok", "got": first["token"] + second["consent"]}

    answers = {b"token": {"token": b"T"}, b"consent": {"consent": b"C"}}
    with serving(path, sign=curious):
        reply = client.try_sign(str(path), {"payload": b""}, answer=lambda need: answers[need["what"]])
    assert reply == {"status": b"ok", "got": b"TC"}


def test_a_client_that_gives_up_ends_the_question(path: Path) -> None:
    got: list[Fields | None] = []

    def curious(_: Fields, talk: Conversation) -> Fields:
        got.append(talk.need(60, what=b"token"))
        return {"status": b"ok"}

    with serving(path, sign=curious):
        reply = client.try_sign(str(path), {"payload": b""}, answer=lambda _need: None)
        assert reply is not None
        assert reply["status"] == b"need"
        reply = client.try_sign(str(path), {"payload": b""})  # nobody to answer: the need is the reply
        assert reply is not None
        assert reply["status"] == b"need"
    assert got == [None, None]


def test_the_agent_sees_that_its_client_has_gone(path: Path) -> None:
    seen: list[bool] = []
    looked = threading.Event()

    def look(_: Fields, talk: Conversation) -> Fields:
        seen.append(talk.gone)
        wait_until(lambda: talk.gone)
        looked.set()
        return {"status": b"ok"}

    with serving(path, sign=look):
        connection, _ = client.connect(str(path))
        client.send(connection, {"request": b"sign"})
        wait_until(lambda: seen)
        connection.close()
        assert looked.wait(20)
    assert seen == [False]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        MAGIC + (FRAME_LIMIT + 1).to_bytes(4, "big"),
        MAGIC + b"\x00\x00\x00\x09" + b"\x01a\x00\x00\x00\x05abc",
        pack_frame({"request": b"nothing-like-it"}),
        pack_frame({"request": b"\xff\xfe"}),
        pack_frame({}),
    ],
)
def test_garbage_costs_the_agent_nothing(path: Path, data: bytes) -> None:
    with serving(path, ping=echo):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(60)
            with contextlib.suppress(ConnectionResetError):  # what it did not read resets the connection
                while raw.recv(65536):
                    pass
        assert client.ask(str(path), "ping") is not None


def test_a_frame_that_drips_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation.Conversation.read, "__defaults__", (0.5,))
    with serving(path, ping=echo), socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.settimeout(60)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _drip(raw)


def _drip(raw: socket.socket) -> None:
    for byte in pack_frame({"request": b"ping", "payload": bytes(100)}):
        raw.sendall(bytes([byte]))
        time.sleep(0.05)
