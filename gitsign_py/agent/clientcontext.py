"""A request to verify, and the settings that count for a request: all that a process needs that verifies and no more.

Imports next to nothing beside the server: ``cli/agentside/verifyhelper.py`` is to answer before it would be too late.
"""

import os
from collections.abc import Callable, Mapping

from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.protocol import unpack_fields
from gitsign_py.agent.server import Handler
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import UsageError


@frozen
class ClientContext:
    """The settings that count for a request: the client's working directory and its git and gitsign variables.

    ``place`` is the directory's device and inode, as the client sees it.

    A forwarded request brings neither: the agent's own user-wide configuration counts, whatever the far side says.
    """

    directory: str
    environment: Mapping[str, str]
    place: bytes = b""
    forwarded: bool = False


def verifying(check: Callable[[ClientContext, bytes, bytes], Fields]) -> Handler:
    """The handler of ``verify`` by itself, for who does nothing else."""

    def verify(request: Fields, conversation: Conversation) -> Fields:
        payload, signature = bytes_in(request, "payload"), bytes_in(request, "signature")
        return {"status": b"ok", **check(context_of(request, conversation), payload, signature)}

    return verify


def bytes_in(request: Fields, name: str) -> bytes:
    """A field that must be there. Raises UsageError ``agent-request-incomplete``."""
    if name not in request:
        raise UsageError("agent-request-incomplete", f"the request to the agent has no {name}")
    return request[name]


def context_of(request: Fields, conversation: Conversation) -> ClientContext:
    """The settings that count for a request; a forwarded one brings none."""
    if conversation.restricted:
        return ClientContext("/", dict(os.environ), forwarded=True)
    variables = unpack_fields(request.get("environment", b""))
    environment = {name: os.fsdecode(value) for name, value in variables.items()}
    return ClientContext(os.fsdecode(request.get("directory", b"/")), environment, request.get("place", b""))
