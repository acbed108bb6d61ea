"""Sign for git: find the token, ask for consent, run the signing flow, tell the person.

Errors go where a person sees them. git 2.39 swallows the stderr of its signing program, so besides the terminal and
the log file a message goes to the stderr of git itself when there is no terminal (a CI job, an editor's console).
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gitsign_py.agent import client
from gitsign_py.cli import instance, signingparts, wiring
from gitsign_py.cli.clock import clock_told
from gitsign_py.cli.services import confirm_services
from gitsign_py.cli.text import line_of
from gitsign_py.cli.tokens import Person, TokenFinder, needs_person, wants_agent
from gitsign_py.core.git import gpgstatus
from gitsign_py.core.git.gittext import committer_of
from gitsign_py.errors import (
    ConfigError,
    FormatError,
    GitsignError,
    PolicyError,
    ServiceError,
    UncheckedError,
    UsageError,
    VerificationError,
)
from gitsign_py.host.git.rebase import line_of_rebase, rebase_directory, resume
from gitsign_py.host.git.stderr import is_shown, tell_git
from gitsign_py.host.terminal import Terminal, open_terminal
from gitsign_py.signing.flow import LATER, SigningResult, sign_payload
from gitsign_py.signing.wanted import WantedSigner, wanted_signer

Fields = Mapping[str, bytes]
_KINDS: dict[str, type[GitsignError]] = {
    kind.__name__: kind
    for kind in (ConfigError, FormatError, PolicyError, UncheckedError, UsageError, VerificationError)
}


def sign_for_git(
    payload: bytes, refused: Fields | None = None, *, token: str | None = None, signer: str = ""
) -> Fields:
    """Sign ``payload``; ``refused`` is what an agent answered instead of a signature (None: there was no agent).

    ``signer`` is what git passes on of user.signingkey or ``-S``.

    Gives ``signature`` (armor) and ``status_lines``. Raises GitsignError; the person has been told by then.
    """
    terminal: Terminal | None = None
    try:
        settings = wiring.load_settings()
        terminal = open_terminal(settings.environment, log_path=wiring.log_path(settings), now=wiring.now)
        wanted = wanted_signer(signer, committer_of(payload))
        return _signed(settings, payload, terminal, refused, token, wanted=wanted)
    except GitsignError as error:
        if directory := rebase_directory(os.environ):
            goes_on = f"this rebase goes on with: {resume(directory, payload)}"
            error.hint = f"{error.hint}; {goes_on}" if error.hint else goes_on
        _tell_failure(line_of(error), terminal)
        raise
    except Exception as error:
        _tell_failure(f"internal error: {type(error).__name__}: {error} [internal-error]", terminal)
        raise
    finally:
        if terminal is not None:
            terminal.close()


def _signed(
    settings: wiring.Settings,
    payload: bytes,
    terminal: Terminal,
    refused: Fields | None,
    token: str | None,
    *,
    wanted: WantedSigner,
) -> Fields:
    if refused is not None and refused.get("status") != b"declined":
        raise agent_error(refused)
    if refused is not None:
        _tell_declined(settings, refused, terminal)
    elif token is None:
        reply, token = _by_new_agent(settings, payload, wanted)
        if reply is not None:
            return reply
    result = sign(settings, payload, terminal, token=token, wanted=wanted)
    _show_signed(summary(result), terminal, quiet=settings.config.program.quiet)
    for warning in result.warnings:
        terminal.show(f"gitsign-py: {warning}")
    return answer(result)


def _show_signed(line: str, terminal: Terminal, *, quiet: bool) -> None:
    terminal.log(line)
    if not quiet and (shown := of_rebase(line)):
        terminal.write(shown)


def of_rebase(line: str) -> str:
    """The line itself; within a rebase what :func:`line_of_rebase` makes of it."""
    directory = rebase_directory(os.environ)
    return line_of_rebase(directory, line) if directory else line


def sign(
    settings: wiring.Settings,
    payload: bytes,
    terminal: Terminal,
    *,
    token: str | None = None,
    wanted: WantedSigner | None = None,
) -> SigningResult:
    """Sign with the person's settings. Raises as ``sign_payload`` and ``require_consent`` do."""
    from gitsign_py.clients.renewal import told_with_errors  # noqa: PLC0415 - the trust root brings it

    chosen = instance.endpoints(settings)
    root = wiring.trusted_root(settings)
    unseen: list[str] = []
    with wiring.session(settings, LATER) as http, clock_told(http), told_with_errors(unseen):
        confirm_services(settings, chosen, terminal)  # before Fulcio is asked whose it is
        finder = TokenFinder(settings, chosen, http, Person(terminal, *committer_of(payload)), token, wanted)
        renew = wiring.renewal(settings, root, say=partial(_say, terminal, unseen))
        services = signingparts.signing_services(http, chosen, root, finder, renew)
        options = signingparts.signing_options(settings, chosen, root, renew, wanted, agree=finder.agree)
        return sign_payload(payload, services=services, options=options)


def _say(terminal: Terminal, unseen: list[str], text: str) -> None:
    """Show a line about the trust root; without a terminal git may keep it to itself, but not an error's words."""
    terminal.show(f"gitsign-py: {text}")
    if not terminal.attached:
        unseen.append(text)


def _tell_declined(settings: wiring.Settings, declined: Fields, terminal: Terminal) -> None:
    """Say why the agent does not sign, where that costs the person a sign-in for each commit."""
    differs = declined.get("differs", b"").decode("utf-8", "replace")
    if differs and needs_person(settings, instance.endpoints(settings)):
        stop = "gitsign-py agent stop, and the next one fits"
        terminal.show(f"gitsign-py: the agent does not sign here, since it has {differs} ({stop})")


def _by_new_agent(settings: wiring.Settings, payload: bytes, wanted: WantedSigner) -> tuple[Fields | None, str | None]:
    """Start an agent and sign through it: with gitsign.agent ``on``, or ``auto`` where somebody has to sign in.

    A token that the caller or the platform hands over is for this signature. None: sign here (docs/adr/0004), with
    the token that comes beside it if the agent died over that: nobody has to sign in again.
    """
    mode, environment = settings.config.program.agent, settings.environment
    if not wants_agent(settings, instance.endpoints(settings)):
        return None, None
    # 40 ms, for those who are to have an agent
    from gitsign_py.agent.client import should_start  # noqa: PLC0415
    from gitsign_py.agent.lifecycle import ensure_running  # noqa: PLC0415

    if not should_start(mode, environment):
        return None, None
    path = client.socket_path(dict(environment))
    try:
        ensure_running(path, environment)
    except (ConfigError, ServiceError):
        return None, None  # whoever only wants to sign goes on without
    from gitsign_py.cli.agentside.answers import answer_need  # noqa: PLC0415 - only where an agent is used

    request = client.context(dict(environment), str(Path.cwd())) | {
        "payload": payload,
        "signer": os.fsencode(wanted.text),
    }
    brought: client.Fields = {}
    reply = client.try_sign(path, request, answer=client.noting(answer_need, brought))
    if reply is None or reply.get("status") == b"declined":
        return None, brought.get("token", b"").decode("ascii") or None
    if reply.get("status") != b"ok":
        raise agent_error(reply)
    return reply, None


def agent_error(reply: Fields) -> GitsignError:
    """The error that an agent's answer stands for."""
    kind = _KINDS.get(reply.get("kind", b"").decode("ascii", "replace"), ServiceError)
    reason, message, hint = (reply.get(name, b"").decode("utf-8", "replace") for name in ("reason", "message", "hint"))
    return kind(reason or "agent-failed", message or "the agent could not sign", hint=hint)


def answer(result: SigningResult) -> dict[str, bytes]:
    """The answer of the front to git."""
    created = gpgstatus.signature_created(result.certificate.fingerprint, result.verified.time)
    return {"signature": result.armored, "status_lines": gpgstatus.begin_signing() + created}


def summary(result: SigningResult) -> str:
    """One line for the person: who signed, by which issuer, and where it is logged."""
    return f"gitsign-py: signed by {result.identity}, vouched for by {result.issuer}, {result.logged_at}"


def _tell_failure(text: str, terminal: Terminal | None) -> None:
    """The dispatcher writes the line to stderr; where git swallows that, it goes past git. Once, wherever it goes."""
    line = f"gitsign-py: {text}"
    if terminal is not None:
        terminal.log(line)
    if is_shown(os.environ):
        return
    if terminal is not None and terminal.attached:
        terminal.write(line)
    else:
        tell_git(line)
