"""An answer's head and body leave together; nothing is kept longer than a turn of the loop."""

from collections.abc import Callable
from typing import Any, cast

from gitsign_py.localstack.connections import Joined

HEAD, BODY, LARGE = b"HTTP/1.1 200 OK\r\n\r\n", b"{}", bytes(1 << 20)


class Loop:
    """Keeps what is to be called in the next turn."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_soon(self, call: Callable[[], object]) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Socket:
    """A transport that keeps what is sent by one system call each, and how it ends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.sent.append(b"closed")

    def abort(self) -> None:
        self.sent.append(b"aborted")

    def is_closing(self) -> bool:
        return bool(self.sent)


def joined() -> tuple[Socket, Loop, Joined]:
    sock, loop = Socket(), Loop()
    return sock, loop, Joined(cast("Any", sock), cast("Any", loop))


def test_a_head_and_its_body_are_one_call() -> None:
    sock, loop, one = joined()
    one.write(HEAD)
    one.write(BODY)
    loop.turn()
    assert sock.sent == [HEAD + BODY]


def test_two_answers_of_one_turn_keep_their_order() -> None:
    sock, loop, one = joined()
    for part in (HEAD, BODY, HEAD, BODY):
        one.write(part)
    loop.turn()
    assert b"".join(sock.sent) == (HEAD + BODY) * 2
    assert len(sock.sent) == 2


def test_a_head_alone_goes_out_in_the_same_turn() -> None:
    """An answer to HEAD has no body; ``100 Continue`` is waited for."""
    sock, loop, one = joined()
    one.write(HEAD)
    loop.turn()
    assert sock.sent == [HEAD]


def test_a_long_body_is_not_copied() -> None:
    sock, loop, one = joined()
    one.write(HEAD)
    one.write(LARGE)
    loop.turn()
    assert sock.sent == [HEAD, LARGE]


def test_the_end_comes_after_what_was_written_and_an_abort_before() -> None:
    for end, sent in (("close", [HEAD, b"closed"]), ("abort", [b"aborted"])):
        sock, loop, one = joined()
        one.write(HEAD)
        getattr(one, end)()
        loop.turn()
        assert sock.sent == sent
        assert one.is_closing()
