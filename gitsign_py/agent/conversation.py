"""The agent's side of one conversation: read the request, say ``wait`` while it takes time, ask back, answer.

The peer is a process of the same user, which may still be broken or curious: every frame has a size limit and a time
limit, and a peer that hangs up costs nothing but its own request.
"""

import contextlib
import json
import socket
import threading
import time

from gitsign_py.agent.protocol import HEADER_LENGTH, ProtocolError, body_length, pack_frame, unpack_fields
from gitsign_py.errors import GitsignError, VerificationError

Fields = dict[str, bytes]

ERROR_FIELDS = ("kind", "reason", "message", "hint", "facts", "step")
FRAME_SECONDS = 10.0  # from the first byte of a frame to its last
WAIT_FRAME = pack_frame({"status": b"wait"})


class DisconnectedError(Exception):
    """The client has gone; nobody waits for an answer any more."""


class DeclinedError(Exception):
    """The client's settings keep the agent out: it is told to do the work itself.

    ``differs`` says what the agent has otherwise than the client, in words that go on "since it has"; else it is empty.
    """

    def __init__(self, differs: str = "") -> None:
        super().__init__("the client is to do the work")
        self.differs = differs


class GaveUpError(Exception):
    """The client could not bring what it was asked for; ``fields`` are its error, spelled out for the way back."""

    def __init__(self, fields: Fields) -> None:
        super().__init__("the client gave up")
        self.fields = fields


class Conversation:
    """Holds one accepted connection. ``restricted`` is set for those that came through the forwarding socket."""

    def __init__(self, connection: socket.socket, *, restricted: bool = False) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._waiting = False
        self.restricted = restricted

    def read(self, seconds: float = FRAME_SECONDS) -> Fields:
        """Receive one frame, whole within ``seconds``. Raises DisconnectedError or ProtocolError."""
        end = time.monotonic() + seconds
        header = self._exactly(HEADER_LENGTH, end)
        return unpack_fields(self._exactly(body_length(header), end))

    def _exactly(self, count: int, end: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise ProtocolError("a frame takes too long")
            self._connection.settimeout(left)
            try:
                part = self._connection.recv(min(count - len(data), 1 << 20))
            except TimeoutError as error:
                raise ProtocolError("a frame takes too long") from error
            except OSError as error:
                raise DisconnectedError from error
            if not part:
                raise DisconnectedError
            data += part
        return bytes(data)

    def send(self, fields: Fields) -> None:
        """Send one frame. Raises DisconnectedError."""
        data = pack_frame(fields)
        with self._sending:
            self._waiting = False
            try:
                self._connection.settimeout(FRAME_SECONDS)
                self._connection.sendall(data)
            except OSError as error:
                raise DisconnectedError from error

    def need(self, seconds: float, **fields: bytes) -> Fields | None:
        """Ask the client for something (``what`` says for what); None when it gives up or is gone.

        Raises GaveUpError when it gives up and says why.
        """
        try:
            self.send({"status": b"need", **fields})
            given = self.read(seconds)
        except (DisconnectedError, ProtocolError):
            return None
        self.start_waiting()
        if given.get("request") != b"give-up":
            return given
        if "reason" in given:
            raise GaveUpError({name: given[name] for name in ERROR_FIELDS if name in given})
        return None

    def start_waiting(self) -> None:
        """From now on :meth:`tick` may send wait frames, until the next frame of ours."""
        with self._sending:
            self._waiting = True

    def tick(self) -> None:
        """Tell the client that its request is being worked on. Never blocks for long: 9 bytes fit any buffer."""
        if not self._sending.acquire(blocking=False):
            return
        try:
            if self._waiting:
                with contextlib.suppress(OSError):
                    self._connection.settimeout(0.1)
                    self._connection.sendall(WAIT_FRAME)
        finally:
            self._sending.release()

    @property
    def gone(self) -> bool:
        """Whether the client has hung up: asked before anything is published in its name."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.settimeout(0)
            try:
                return self._connection.recv(1, socket.MSG_PEEK) == b""
            except BlockingIOError:
                return False
        return True

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def error_frame(error: GitsignError) -> Fields:
    """Spell an error out for the client, so that it can be raised there as what it is."""
    fields = {
        "status": b"error",
        "kind": _kind(error).encode(),
        "reason": error.reason.encode(),
        "message": error.message.encode(),
        "hint": error.hint.encode(),
        "facts": json.dumps(dict(error.facts)).encode(),
    }
    if isinstance(error, VerificationError) and error.step:
        fields["step"] = error.step.encode()
    return fields


def _kind(error: GitsignError) -> str:
    """The nearest class of gitsign_py.errors: subclasses are known to their own module alone."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == GitsignError.__module__)
