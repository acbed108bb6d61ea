"""The agent's answer to each request; the names of the fields in and out are those of agent.client."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from gitsign_py.agent.clientcontext import ClientContext, bytes_in, context_of, verifying
from gitsign_py.agent.conversation import Conversation, Fields
from gitsign_py.agent.hardening import Hardening
from gitsign_py.agent.holder import Holder, SigningPlan, Subject
from gitsign_py.agent.ledger import Ledger
from gitsign_py.agent.server import Handler
from gitsign_py.clients.renewal import told_with_errors
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.git import gpgstatus
from gitsign_py.core.git.gittext import committer_of
from gitsign_py.errors import UsageError
from gitsign_py.signing.attestation import git_artifact
from gitsign_py.signing.credential import Credential
from gitsign_py.signing.flow import SigningResult
from gitsign_py.signing.wanted import WantedSigner, wanted_signer
from gitsign_py.verification.bundle import Artifact


@dataclass(frozen=True, slots=True)
class AgentServices:
    """The parts of the agent: its holder and ledger, and the two functions that know configuration and verification.

    ``plan`` turns a context and a token that the client sent (None: it sent none) into a SigningPlan; ``verify`` gives
    the ``ok`` fields of agent.client.try_verify for a context, a payload and a signature; ``summary`` says to the
    person what was signed.
    """

    holder: Holder
    ledger: Ledger
    plan: Callable[[ClientContext, str | None], SigningPlan]
    verify: Callable[[ClientContext, bytes, bytes], Fields]
    summary: Callable[[SigningResult], str]
    stop: Callable[[], None]
    hardening: Hardening
    started: datetime
    version: str


def handlers(services: AgentServices) -> dict[str, Handler]:
    """Return the handler of each request."""
    return _work(services) | _care(services)


def _care(services: AgentServices) -> dict[str, Handler]:
    """The requests about the agent itself."""

    def ping(_: Fields, __: Conversation) -> Fields:
        return {"status": b"ok", "version": services.version.encode(), "pid": str(os.getpid()).encode()}

    def status(_: Fields, __: Conversation) -> Fields:
        held = [{**asdict(one), "not_after": format_rfc3339(one.not_after)} for one in services.holder.held()]
        value = {
            "pid": os.getpid(),
            "version": services.version,
            "started": format_rfc3339(services.started),
            "hardening": asdict(services.hardening),
            "held": held,
        }
        return {"status": b"ok", "json": json.dumps(value).encode()}

    def log(_: Fields, __: Conversation) -> Fields:
        signed = [{**asdict(one), "when": format_rfc3339(one.when)} for one in services.ledger.signed()]
        return {"status": b"ok", "json": json.dumps(signed).encode()}

    def lock(_: Fields, __: Conversation) -> Fields:
        return {"status": b"ok", "dropped": str(services.holder.lock()).encode()}

    def stop(_: Fields, __: Conversation) -> Fields:
        dropped = services.holder.lock()
        services.stop()
        return {"status": b"ok", "dropped": str(dropped).encode()}

    return {"ping": ping, "status": status, "log": log, "lock": lock, "stop": stop}


def _work(services: AgentServices) -> dict[str, Handler]:
    """The requests that sign and verify."""

    def sign(request: Fields, conversation: Conversation) -> Fields:
        payload = bytes_in(request, "payload")
        context = context_of(request, conversation)
        plan = services.plan(context, _token(request, conversation))
        with plan.clock_told(), told_with_errors(plan.words.told):
            wanted = _wanted(request, committer_of(payload))
            result = services.holder.sign(
                replace(plan, wanted=wanted), payload, conversation, directory=context.directory
            )
        warnings = [f"gitsign-py: {one}" for one in result.warnings]
        line = services.summary(result)
        plan.words.note("\n".join((line, *warnings)))
        shown = [*([] if plan.words.quiet else [line]), *(f"gitsign-py: {one}" for one in plan.words.told)]
        return {**_signed(result), "text": "\n".join((*shown, *warnings)).encode("utf-8", "replace")}

    def attest(request: Fields, conversation: Conversation) -> Fields:
        context = context_of(request, conversation)
        subject = Subject(bytes_in(request, "statement"), _artifact(request))
        committer, directory = _committer(request), context.directory
        plan = replace(services.plan(context, None), wanted=_wanted(request, committer))
        with plan.clock_told():
            result = services.holder.attest(plan, subject, committer, conversation, directory=directory)
        return {"status": b"ok", "envelope": result.envelope, "bundle": result.bundle}

    def warm(request: Fields, conversation: Conversation) -> Fields:
        plan = services.plan(context_of(request, conversation), _token(request, conversation))
        with plan.clock_told():
            _, credential = services.holder.credential(plan, _committer(request), conversation)
        return {"status": b"ok", **_described(credential)}

    def whoami(request: Fields, conversation: Conversation) -> Fields:
        plan, committer = services.plan(context_of(request, conversation), None), _committer(request)
        credential = services.holder.prospect(replace(plan, wanted=_wanted(request, committer)), committer)
        return {"status": b"ok"} if credential is None else {"status": b"ok", **_described(credential)}

    verify = verifying(services.verify)
    return {"sign": sign, "attest": attest, "warm": warm, "whoami": whoami, "verify": verify}


def _wanted(request: Fields, committer: tuple[str, str]) -> WantedSigner:
    return wanted_signer(os.fsdecode(request.get("signer", b"")), committer)


def _committer(request: Fields) -> tuple[str, str]:
    name, email = (request.get(each, b"").decode("utf-8", "replace") for each in ("name", "email"))
    return name, email


def _artifact(request: Fields) -> Artifact:
    kind, oid = (bytes_in(request, name).decode("ascii", "replace") for name in ("digest", "oid"))
    try:
        return git_artifact(kind, oid)
    except ValueError as error:
        raise UsageError("agent-request-incomplete", "the request to the agent names no object") from error


def _described(credential: Credential) -> Fields:
    return {
        "identity": credential.identity.value.encode(),
        "issuer": credential.identity.issuer.encode(),
        "not_after": format_rfc3339(credential.certificate.not_after).encode(),
    }


def _token(request: Fields, conversation: Conversation) -> str | None:
    """A far machine's token would decide as whom this machine signs: not through a forwarded socket."""
    if conversation.restricted or "token" not in request:
        return None
    return request["token"].decode("ascii", "replace")


def _signed(result: SigningResult) -> Fields:
    created = gpgstatus.signature_created(result.certificate.fingerprint, result.verified.time)
    return {
        "status_lines": gpgstatus.begin_signing() + created,
        "status": b"ok",
        "signature": result.armored,
        "identity": result.identity.encode(),
        "issuer": result.issuer.encode(),
        "log_index": b"" if result.log_index is None else str(result.log_index).encode(),
        "fingerprint": result.certificate.fingerprint.encode(),
        "time": str(int(result.verified.time.timestamp())).encode(),
        "warnings": "\n".join(result.warnings).encode(),
    }
