"""The requests of commands to the agent, beside the signatures and verifications that git asks for."""

import os
from contextlib import suppress

from gitsign_py.agent import client
from gitsign_py.agent.lifecycle import ensure_running
from gitsign_py.cli import instance, wiring
from gitsign_py.cli.agentside.answers import answer_need
from gitsign_py.cli.gpg.signing import agent_error
from gitsign_py.cli.tokens import wants_agent
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.signing.wanted import WantedSigner

Fields = dict[str, bytes]


def call_agent(settings: wiring.Settings, request: str, fields: Fields) -> Fields | None:
    """Have the agent do ``request`` with these settings; the person answers here what it asks back.

    None: there is no agent, these settings keep it out, or it does not take this request (an older one; a forwarded
    one, which signs commits and tags alone). Raises the GitsignError that it answers with.
    """
    path = client.socket_path(dict(settings.environment))
    context = client.context(dict(settings.environment), os.getcwd())  # noqa: PTH109  as git's own processes see it
    reply = client.converse(path, {**context, **fields, "request": request.encode("ascii")}, answer=answer_need)
    if reply is None or reply.get("status") == b"declined" or reply.get("reason") == b"agent-request-unknown":
        return None
    if reply.get("status") != b"ok":
        raise agent_error(reply)
    return reply


def start_agent(settings: wiring.Settings) -> None:
    """Start an agent where a signature would: gitsign.agent ``on``, or ``auto`` where somebody has to sign in.

    One that does not start is no error: whoever only wants to sign goes on without.
    """
    mode, environment = settings.config.program.agent, settings.environment
    if not client.should_start(mode, environment) or not wants_agent(settings, instance.endpoints(settings)):
        return
    with suppress(ConfigError, ServiceError):
        ensure_running(client.socket_path(dict(environment)), environment)


def committer_fields(name: str, email: str, wanted: WantedSigner | None = None) -> Fields:
    """Whom the agent is to sign for, and as whom where user.signingkey says so."""
    signer = os.fsencode(wanted.text) if wanted is not None else b""
    return {"name": name.encode(), "email": email.encode(), "signer": signer}
