"""An agent's server for tests: on a socket of its own, in this process, with handlers of the test's choice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.agent import endpoint
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.server import AgentServer, Handler


@contextmanager
def serving(path: Path, *, loopback: bool = False, **handlers: Handler) -> Iterator[AgentServer]:
    opened = endpoint.open_endpoint(path, loopback=loopback)
    assert opened is not None
    server = AgentServer(opened.listeners, handlers)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        opened.remove()


def echo(request: Fields, _: Conversation) -> Fields:
    return {"status": b"ok", "payload": request.get("payload", b"")}
