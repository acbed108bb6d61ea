"""``gitsign-py whoami``: the identity that would sign here, and where it comes from. Asks no server."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping

from gitsign_py.cli import instance, wiring
from gitsign_py.cli.agentside.calls import call_agent, committer_fields
from gitsign_py.cli.commands.debug import committer_here, wanted_here
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.tokens import token_request
from gitsign_py.clients.tokensources import (
    GIVEN,
    LOCAL_ISSUER,
    PERSON,
    PLATFORM,
    REMEMBERED,
    TOKEN_SOURCES,
    TokenRequest,
    platform_of,
)
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.mapping import certificate_identities
from gitsign_py.core.sigstore.token import parse_unverified
from gitsign_py.errors import PolicyError
from gitsign_py.host.tokens import static_source
from gitsign_py.signing.wanted import WantedSigner

_PLATFORM = "the platform's token"
_EPILOG = """\
examples:
  gitsign-py whoami
  gitsign-py whoami --json

exit status: 0 you can sign without a new sign-in, 1 you are not signed in
"""


@frozen
class FoundSigner:
    """The identity that would sign, why, and until when (RFC 3339; empty: as long as the source lasts)."""

    identity: str
    issuer: str
    source: str
    until: str = ""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py whoami``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings()
    issuer = instance.endpoints(settings).issuer
    wanted = wanted_here(settings)
    found = next(filter(None, _answers(settings, wanted)), None)
    if found is None:
        raise PolicyError("not-signed-in", f"you are not signed in at {issuer}", hint="run gitsign-py login")
    if found.source != _PLATFORM:
        wanted.require(found.identity, found.issuer)
    if options.json:
        fields = {name: getattr(found, name) for name in FoundSigner.__dataclass_fields__}
        print(json.dumps(fields, indent=2, ensure_ascii=False))
    else:
        until = f", until {found.until}" if found.until else ""
        print(f"{found.identity} at {found.issuer} ({found.source}{until})")
    return 0


def _answers(settings: wiring.Settings, wanted: WantedSigner) -> Iterator[FoundSigner | None]:
    """The answer of each token source, in the order of the table; the agent keeps what those from the issuer on
    gave.
    """
    request = token_request(settings, instance.endpoints(settings), wanted.address or committer_here(settings)[1])
    for source in TOKEN_SOURCES:
        if source is LOCAL_ISSUER:  # a key that is held signs before any token is fetched
            yield _agent(settings, wanted)
        if source.here(request):
            yield _SAYS[source.name](request)


def _given(request: TokenRequest) -> FoundSigner | None:
    source = static_source(None, request.environment)
    if source is None:
        return None
    claims = parse_unverified(source.token().raw)
    return FoundSigner(certificate_identities(claims)[-1], claims.issuer, f"token from {source.source}")


def _local_issuer(request: TokenRequest) -> FoundSigner | None:
    """An issuer on this machine gives a token for the committer's address, without a sign-in."""
    return FoundSigner(request.email, request.issuer, "the issuer on this machine") if request.email else None


def _agent(settings: wiring.Settings, wanted: WantedSigner) -> FoundSigner | None:
    """The agent knows which of its credentials fits these settings and this committer."""
    reply = call_agent(settings, "whoami", committer_fields(*committer_here(settings), wanted))
    if reply is None or "identity" not in reply:
        return None
    identity, issuer, until = (reply[name].decode("utf-8", "replace") for name in ("identity", "issuer", "not_after"))
    return FoundSigner(identity, issuer, "signing agent", until)


def _platform(request: TokenRequest) -> FoundSigner:
    """A platform's identity is known when it gives a token, which whoami does not ask for."""
    return FoundSigner("the identity of this workload", platform_of(request), _PLATFORM)


def _remembered(request: TokenRequest) -> FoundSigner | None:
    record = wiring.login_book().find(request.issuer, request.client_id)
    if record is None or not record.remembered:
        return None
    return FoundSigner(record.identity, request.issuer, "remembered in the system's keyring")


_SAYS: Mapping[str, Callable[[TokenRequest], FoundSigner | None]] = {
    GIVEN.name: _given,
    LOCAL_ISSUER.name: _local_issuer,
    PLATFORM.name: _platform,
    REMEMBERED.name: _remembered,
    PERSON.name: lambda _request: None,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py whoami",
        description="Show the identity that would sign here, and where it comes from.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
