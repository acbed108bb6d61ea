"""The agent's front desk: takes connections of this user, one thread each, and hands requests to their handlers.

Requests: ``sign``, ``attest``, ``verify``, ``warm``, ``whoami``; ``ping``, ``status``, ``log``, ``lock``, ``stop``. No
request returns a key, a certificate request or a token. Through the forwarding socket (for ssh) only ``ping`` and
``sign`` are heard.
"""

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping

from gitsign_py.agent.client import loopback_proof, peer_uid
from gitsign_py.agent.conversation import (
    Conversation,
    DeclinedError,
    DisconnectedError,
    Fields,
    GaveUpError,
    error_frame,
)
from gitsign_py.agent.endpoint import Listener
from gitsign_py.agent.protocol import ProtocolError
from gitsign_py.errors import FormatError, GitsignError, ServiceError, UsageError

Handler = Callable[[Fields, Conversation], Fields]

MAX_CONVERSATIONS = 128
TICK_SECONDS = 1.0
DRAIN_SECONDS = 5.0
FORWARDED_REQUESTS = frozenset({"ping", "sign"})


class AgentServer:
    """Serves until :meth:`stop`, or until ``still_wanted`` says no at one of the ticks (each second).

    ``before_each`` is called before a connection is taken: what has to be dropped may not wait for the next tick.
    """

    def __init__(
        self,
        listeners: tuple[Listener, ...],
        handlers: Mapping[str, Handler],
        *,
        still_wanted: Callable[[float], bool] = lambda _idle_seconds: True,
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        self._listeners = listeners
        self._handlers = handlers
        self._still_wanted = still_wanted
        self._before_each = before_each
        self._conversations: set[Conversation] = set()
        self._lock = threading.Lock()
        self._last_use = time.monotonic()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._stopping = False

    def serve(self) -> None:
        """Take connections until the end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ, None)
            for listener in self._listeners:
                listener.socket.setblocking(False)
                selector.register(listener.socket, selectors.EVENT_READ, listener)
            next_tick = time.monotonic() + TICK_SECONDS
            while not self._stopping:
                for key, _ in selector.select(max(0.0, next_tick - time.monotonic())):
                    if isinstance(key.data, Listener):
                        self._accept(key.data)
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + TICK_SECONDS
                    self._tick()
        self._close()

    def stop(self) -> None:
        """End :meth:`serve`; fit for a signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"x")

    def _tick(self) -> None:
        with self._lock:
            busy = tuple(self._conversations)
        for conversation in busy:
            conversation.tick()
        if busy:
            self._last_use = time.monotonic()
        if not self._still_wanted(time.monotonic() - self._last_use):
            self._stopping = True

    def _accept(self, listener: Listener) -> None:
        try:
            connection, _ = listener.socket.accept()
        except OSError:
            return  # it hung up before we looked, or we are out of descriptors until somebody else hangs up
        self._before_each()
        connection.setblocking(True)
        if not self._welcome(connection, listener):
            connection.close()
            return
        conversation = Conversation(connection, restricted=listener.restricted)
        with self._lock:
            self._conversations.add(conversation)
        self._last_use = time.monotonic()
        threading.Thread(target=self._converse, args=(conversation, listener.secret), daemon=True).start()

    def _welcome(self, connection: socket.socket, listener: Listener) -> bool:
        """Only this user, and root, who could read our memory anyway; and not too many at once."""
        if len(self._conversations) >= MAX_CONVERSATIONS:
            return False
        if listener.secret:
            return True  # both sides prove that they know it
        if not hasattr(os, "getuid"):
            return False
        try:
            return peer_uid(connection) in (os.getuid(), 0)
        except OSError:
            return False

    def _converse(self, conversation: Conversation, secret: bytes) -> None:
        try:
            request = _greeted(conversation, secret) if secret else conversation.read()
            if request is None:
                return
            conversation.start_waiting()
            conversation.send(self._answer(request, conversation))
        except DisconnectedError:
            pass  # nobody is left to be told
        except ProtocolError as error:
            with contextlib.suppress(DisconnectedError):
                conversation.send(error_frame(FormatError("agent-protocol", f"the agent was not understood: {error}")))
        finally:
            with self._lock:
                self._conversations.discard(conversation)
            conversation.close()

    def _answer(self, request: Fields, conversation: Conversation) -> Fields:
        name = request.get("request", b"").decode("ascii", "replace")
        handler = self._handlers.get(name)
        if handler is None or (conversation.restricted and name not in FORWARDED_REQUESTS):
            return error_frame(UsageError("agent-request-unknown", "the agent does not take this request here"))
        try:
            return handler(request, conversation)
        except GitsignError as error:
            return error_frame(error)
        except DeclinedError as declined:
            return {"status": b"declined", "differs": declined.differs.encode()}
        except GaveUpError as error:
            return {"status": b"error", **error.fields}
        except (DisconnectedError, ProtocolError):
            raise
        except Exception as error:  # noqa: BLE001  one broken request must not end the agent
            words = f"the agent failed: {type(error).__name__}: {error}"
            hint = "stop it (gitsign-py agent stop) and report this line"
            return error_frame(ServiceError("agent-internal", words, hint=hint))

    def _close(self) -> None:
        """Take nobody new, let those who are being served finish, hang up on who takes too long."""
        for listener in self._listeners:
            listener.socket.close()
        end = time.monotonic() + DRAIN_SECONDS
        while self._conversations and time.monotonic() < end:
            time.sleep(0.02)
        with self._lock:
            left = tuple(self._conversations)
        for conversation in left:
            conversation.close()
        self._wake_reader.close()
        self._wake_writer.close()


def _greeted(conversation: Conversation, secret: bytes) -> Fields | None:
    """Prove to a client on loopback that this is the agent, then read its request; None when it proves nothing.

    Raises DisconnectedError, ProtocolError.
    """
    import hmac  # noqa: PLC0415 - for loopback alone

    nonce = os.urandom(32)
    hello = conversation.read()
    if hello.get("request") != b"hello":
        return None
    conversation.send({"proof": loopback_proof(secret, b"agent", hello.get("nonce", b"")), "nonce": nonce})
    request = conversation.read()
    return request if hmac.compare_digest(request.get("proof", b""), loopback_proof(secret, b"client", nonce)) else None
