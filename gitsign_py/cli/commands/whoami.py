"""``gitsign-py whoami``: the identity that would sign here, and where it comes from. Asks no server."""

import argparse
import json

from gitsign_py.cli import wiring
from gitsign_py.cli.agentside.calls import call_agent, committer_fields
from gitsign_py.cli.commands.debug import committer_here
from gitsign_py.cli.tokens import stack_answers
from gitsign_py.clients.ambient import NAMES, detect
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import certificate_identities, parse_unverified
from gitsign_py.errors import PolicyError
from gitsign_py.host.tokens import static_source

_EPILOG = """\
examples:
  gitsign-py whoami
  gitsign-py whoami --json

exit status: 0 you can sign without a new sign-in, 1 you are not signed in
"""


@frozen
class Answer:
    """Who would sign, why, and until when (RFC 3339; empty: as long as the source lasts)."""

    identity: str
    issuer: str
    source: str
    until: str = ""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py whoami``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings()
    issuer = wiring.endpoints(settings).issuer
    found = _given(settings) or _stack(settings) or _agent(settings) or _platform(settings) or _remembered(settings)
    if found is None:
        raise PolicyError("not-signed-in", f"you are not signed in at {issuer}", hint="run gitsign-py login")
    if options.json:
        fields = {name: getattr(found, name) for name in Answer.__dataclass_fields__}
        print(json.dumps(fields, indent=2, ensure_ascii=False))
    else:
        until = f", until {found.until}" if found.until else ""
        print(f"{found.identity} at {found.issuer} ({found.source}{until})")
    return 0


def _given(settings: wiring.Settings) -> Answer | None:
    source = static_source(None, settings.environment)
    if source is None:
        return None
    claims = parse_unverified(source.token().raw)
    return Answer(certificate_identities(claims)[-1], claims.issuer, f"token from {source.source}")


def _platform(settings: wiring.Settings) -> Answer | None:
    """A platform's identity is known when it gives a token, which whoami does not ask for."""
    provider = settings.config.token_provider
    found = detect(settings.environment) if not provider else None
    name = provider if provider in NAMES else found.name if found else ""
    return Answer("the identity of this workload", name, "the platform's token") if name else None


def _agent(settings: wiring.Settings) -> Answer | None:
    """The agent knows which of its credentials fits these settings and this committer."""
    reply = call_agent(settings, "whoami", committer_fields(*committer_here(settings)))
    if reply is None or "identity" not in reply:
        return None
    identity, issuer, until = (reply[name].decode("utf-8", "replace") for name in ("identity", "issuer", "not_after"))
    return Answer(identity, issuer, "signing agent", until)


def _stack(settings: wiring.Settings) -> Answer | None:
    """An issuer on this machine gives a token for the committer's address, without a sign-in."""
    chosen, email = wiring.endpoints(settings), committer_here(settings)[1]
    if not email or not stack_answers(settings, chosen):
        return None
    return Answer(email, chosen.issuer, "the issuer on this machine")


def _remembered(settings: wiring.Settings) -> Answer | None:
    issuer = wiring.endpoints(settings).issuer
    record = wiring.login_book().find(issuer, settings.config.client_id)
    if record is None or not record.remembered:
        return None
    return Answer(record.identity, issuer, "remembered in the system's keyring")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py whoami",
        description="Show the identity that would sign here, and where it comes from.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
