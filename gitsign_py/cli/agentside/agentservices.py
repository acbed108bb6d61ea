"""The services that the agent works with: configuration read anew for each request, trust roots and connections kept
warm.
"""

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime

from gitsign_py import __version__
from gitsign_py.agent.clientcontext import ClientContext
from gitsign_py.agent.conversation import DeclinedError
from gitsign_py.agent.handlers import AgentServices
from gitsign_py.agent.hardening import Hardening
from gitsign_py.agent.holder import Holder, SigningPlan, Words
from gitsign_py.agent.ledger import Ledger
from gitsign_py.cli import instance, signingparts, wiring
from gitsign_py.cli.agentside.keptroots import KeptRoots, verify_by
from gitsign_py.cli.agentside.settings import settings_for
from gitsign_py.cli.clock import clock_told
from gitsign_py.cli.gpg.signing import summary
from gitsign_py.cli.services import are_confirmed
from gitsign_py.cli.tokens import Person, TokenFinder, token_request
from gitsign_py.clients.fulcio import KnownConfigurations
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.signin import remembered_token
from gitsign_py.clients.tokensources import first_source
from gitsign_py.core.frozen import replace
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.host.terminal import Terminal
from gitsign_py.host.tokens import GivenToken, static_source
from gitsign_py.ports import TokenSource


def agent_services(hardening: Hardening, *, stop: Callable[[], None], started: datetime) -> AgentServices:
    """Put the agent together; ``stop`` ends its server."""
    kept = Kept()
    ledger = Ledger(wiring.now)

    return AgentServices(
        holder=Holder(wiring.now, ledger),
        ledger=ledger,
        plan=lambda context, token: _plan(kept, context, token),
        verify=verify_by(kept.roots),
        summary=summary,
        stop=stop,
        hardening=hardening,
        started=started,
        version=__version__,
    )


class SilentDialogue:
    """The dialogue of a program without a terminal, such as the agent (host.consent.Dialogue)."""

    interactive = False

    def show(self, text: str) -> None:
        """Say nothing."""

    def confirm(self, question: str) -> bool:  # noqa: ARG002
        """Return no."""
        return False

    def prompt(self, text: str) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""


class Kept:
    """Warm connections by time-out and network, trust roots, and what each Fulcio said about its issuers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[object, ...], HttpSession] = {}
        self.roots = KeptRoots()
        self.configurations = KnownConfigurations()

    def session(self, settings: wiring.Settings) -> HttpSession:
        """One repository's proxy and authorities of TLS (git's includeIf, git -c) are not another's."""
        key = (settings.config.services.timeout, *wiring.network(settings).key)
        with self._lock:
            found = self._sessions.get(key)
            if found is None:
                found = self._sessions[key] = wiring.session(settings)
            return found


def _plan(kept: Kept, context: ClientContext, token: str | None) -> SigningPlan:
    settings = settings_for(context)
    config, chosen = settings.config, instance.endpoints(settings)
    if not are_confirmed(settings, chosen):
        raise DeclinedError  # the client has a terminal to ask at
    root, http = kept.roots.trusted_root(settings), kept.session(settings)
    log = Terminal(None, log_path=wiring.log_path(settings), now=wiring.now).log
    words = Words(log, quiet=config.program.quiet)
    renew = wiring.renewal(settings, root, say=words.tell)
    given = _given(settings, token)
    sign_in = config.sign_in
    services = (chosen.fulcio, chosen.rekor, chosen.issuer)
    names = (*services, sign_in.client_id, sign_in.connector_id, sign_in.token_provider)
    return SigningPlan(
        slot=hashlib.sha256("\0".join((*names, root.digest)).encode()).hexdigest(),
        label=f"{chosen.fulcio}, issuer {chosen.issuer}",
        fulcio=chosen.fulcio,
        issuer=chosen.issuer,
        services=signingparts.signing_services(
            http,
            chosen,
            root,
            given or GivenToken(IdentityToken(""), "the agent"),
            renew,
            known=kept.configurations,
        ),
        options=signingparts.signing_options(settings, chosen, root, renew),
        match_committer=sign_in.match_committer,
        consent=wiring.consent_book(),
        silent=lambda email: _silent(settings, chosen, http, email, forwarded=context.forwarded),
        given=given,
        sign_in_seconds=sign_in.sign_in_timeout,
        clock_told=lambda: clock_told(http),
        words=words,
    )


def _given(settings: wiring.Settings, token: str | None) -> TokenSource | None:
    if token is not None:
        return GivenToken(IdentityToken(token), "the client")
    return static_source(None, settings.environment)


def _silent(
    settings: wiring.Settings, chosen: instance.Endpoints, http: HttpSession, email: str, *, forwarded: bool
) -> IdentityToken | None:
    """Find a token without anybody: the local stack's; for a forwarded request, which has nobody, a remembered one.

    A platform's token is fetched where the platform's variables are, and the keyring is asked where the person's
    session is: by the client. No person would read a finding of the agent about a keyring.
    """
    source = first_source(token_request(settings, chosen, email))
    if source.handed:
        return None
    if not source.person:
        return TokenFinder(settings, chosen, http, Person(SilentDialogue(), email=email)).find()
    if not forwarded:
        return None
    tools = replace(signingparts.sign_in_tools(settings, http, SilentDialogue()), warned=None)
    return remembered_token(signingparts.sign_in_settings(settings, chosen), tools)
