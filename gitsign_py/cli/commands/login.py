"""``gitsign-py login``: sign in now, so that the next commits ask for nothing."""

import argparse
import json
import os

from gitsign_py.agent import client
from gitsign_py.agent.client import should_start
from gitsign_py.agent.lifecycle import ensure_running
from gitsign_py.cli import instance, signingparts, wiring
from gitsign_py.cli.agentside.calls import call_agent, committer_fields
from gitsign_py.cli.clock import clock_told
from gitsign_py.cli.commands.debug import committer_here, wanted_here
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.services import confirm_services
from gitsign_py.clients.oidc import Tokens
from gitsign_py.clients.signin import PERSONAL, sign_in
from gitsign_py.clients.urls import check_url
from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.terminal import Terminal, open_terminal

_EPILOG = """\
examples:
  gitsign-py login                    sign in with the browser
  gitsign-py login --device           sign in on another device (ssh, a machine without a browser)
  gitsign-py login --remember         keep a refresh token in the system's keyring: no sign-in tomorrow either
  gitsign-py login --issuer https://accounts.example.com --oob

The sign-in is handed to the signing agent (gitsign.agent), which holds a certificate for some minutes; only
--remember outlives that. Tokens and keys are never written to a file.
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py login``."""
    options = _parser().parse_args(arguments)
    environment = dict(os.environ)
    if options.issuer:
        check_url("--issuer", options.issuer)
        environment["GITSIGN_OIDC_ISSUER"] = options.issuer
    settings = wiring.load_settings(environment)
    chosen = instance.endpoints(settings)
    with open_terminal(environment, log_path=wiring.log_path(settings), now=wiring.now) as terminal:
        confirm_services(settings, chosen, terminal)
        sign_in_settings = signingparts.sign_in_settings(
            settings, chosen, email=_hint(settings), remember=options.remember
        )
        provider = options.way or (sign_in_settings.provider if sign_in_settings.provider in PERSONAL else "")
        with wiring.session(settings) as http, clock_told(http):
            tools = signingparts.sign_in_tools(settings, http, terminal)
            tokens = sign_in(replace(sign_in_settings, provider=provider), tools)
        record = tools.logins.find(chosen.issuer, settings.config.sign_in.client_id)
        until = None if options.no_agent else _hand_over(settings, tokens, terminal)
    identity = tokens.claims.email or tokens.claims.subject
    remembered = record is not None and record.remembered
    facts = {"identity": identity, "issuer": chosen.issuer, "remembered": remembered, "agent_until": until}
    print(json.dumps(facts, indent=2, ensure_ascii=False) if options.json else _text(facts))
    return 0


def _text(facts: dict[str, object]) -> str:
    lines = [f"Signed in as {facts['identity']} at {facts['issuer']}."]
    if facts["agent_until"]:
        lines.append(f"The signing agent signs with it until {facts['agent_until']}.")
    if facts["remembered"]:
        lines.append("The sign-in is remembered in the system's keyring; gitsign-py logout forgets it.")
    elif not facts["agent_until"]:
        lines.append("Nothing was kept: no signing agent holds the sign-in, and no keyring remembers it.")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py login",
        description="Sign in at the OIDC issuer, for the commits to come.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--issuer", metavar="URL", help="the issuer, in place of gitsign.issuer")
    way = parser.add_mutually_exclusive_group()
    for name, about in (
        ("interactive", "with this machine's browser"),
        ("device", "with a code, on another device"),
        ("oob", "with any browser and a code to paste"),
    ):
        way.add_argument(f"--{name}", dest="way", action="store_const", const=name, help=about)
    parser.add_argument("--remember", action="store_true", help="keep a refresh token in the system's keyring")
    parser.add_argument("--no-agent", action="store_true", help="do not hand the sign-in to the signing agent")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _committer(settings: wiring.Settings, tokens: Tokens) -> tuple[str, str]:
    """Whom the next commits will be by; where git does not know it there is nobody to differ from."""
    given = (
        settings.environment.get(f"GIT_COMMITTER_{name.upper()}") or settings.gitconfig.get(f"user.{name}")
        for name in ("name", "email")
    )
    name, email = given
    return name, email or tokens.claims.email or ""


def _hint(settings: wiring.Settings) -> str:
    """The address that the sign-in page is asked for."""
    return wanted_here(settings).address or committer_here(settings)[1]


def _hand_over(settings: wiring.Settings, tokens: Tokens, terminal: Terminal) -> str | None:
    """Let the agent get its certificate now; when it ends (RFC 3339), None without an agent.

    The person is asked for consent here as for a commit by user.email, since the certificate becomes public.
    """
    environment = dict(settings.environment)
    path = client.socket_path(environment)
    if settings.config.program.agent == "off":
        return None
    try:
        if not should_start(settings.config.program.agent, environment) or not ensure_running(path, environment):
            return None
    except (ConfigError, ServiceError) as error:
        terminal.show(f"gitsign-py: {error.message}")
        return None
    name, email = _committer(settings, tokens)
    fields = {"token": tokens.identity.raw.encode("ascii"), **committer_fields(name, email)}
    reply = call_agent(settings, "warm", fields)
    return None if reply is None else reply["not_after"].decode("ascii")
