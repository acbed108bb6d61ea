"""``gitsign-py debug token``: the claims of the identity token that would be used, and what is wrong with it."""

import argparse
import json
import os
from typing import Any

from gitsign_py.cli import instance, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.cli.tokens import Person, TokenFinder
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.git.gittext import committer_of
from gitsign_py.core.printing import escaped
from gitsign_py.core.sigstore.mapping import certificate_identities
from gitsign_py.core.sigstore.token import IdentityToken, UnverifiedClaims, check_claims, parse_unverified
from gitsign_py.errors import GitsignError, UncheckedError, veiled
from gitsign_py.host.git.program import run_git
from gitsign_py.host.terminal import open_terminal
from gitsign_py.signing.wanted import WantedSigner, wanted_signer

_EPILOG = """\
examples:
  gitsign-py debug token
  gitsign-py debug token --raw | wc -c        (the token itself; its holder can sign as you until it expires)

No server checks the token, no certificate is asked for, nothing is logged.
exit status: 0, 1 when a server would refuse the token, 2 usage or configuration
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py debug``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings()
    token = _find(settings, options.token)
    if options.raw:
        print(token.raw)
        return 0
    claims = parse_unverified(token.raw)
    problem = _problem(settings, claims)
    value = describe(claims) | ({"problem": line_of(problem)} if problem is not None else {})
    if options.json:
        print(veiled(json.dumps(value, indent=2), guess=False))
    else:
        for name, each in value.items():
            text = each if isinstance(each, str) else json.dumps(each)
            print(escaped(veiled(f"{name:<24}{text}", guess=False)))  # a nonce or a digest may read like chance
    return 0 if problem is None else exit_status(problem)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py debug",
        description="Look at the identity token that would be used to sign here.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("what", choices=("token",), help="the thing to look at")
    parser.add_argument("--token", metavar="TOKEN", help="look at this one")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--raw", action="store_true", help="print the token itself, a secret")
    return parser


def _find(settings: wiring.Settings, given: str | None) -> IdentityToken:
    """Find the token as signing does, with a sign-in where signing would ask for one."""
    chosen = instance.endpoints(settings)
    log_path = wiring.log_path(settings)
    with (
        open_terminal(os.environ, log_path=log_path, now=wiring.now) as terminal,
        wiring.session(settings) as http,
    ):
        return TokenFinder(settings, chosen, http, Person(terminal, *committer_here(settings)), given).find()


def committer_here(settings: wiring.Settings) -> tuple[str, str]:
    """Name and address of the committer; nobody where git does not know."""
    try:
        line = run_git(["var", "GIT_COMMITTER_IDENT"], environment=settings.environment)
    except UncheckedError:
        return "", ""
    return committer_of(b"committer " + line)


def wanted_here(settings: wiring.Settings) -> WantedSigner:
    """Whom user.signingkey asks for, as a commit without ``-S<id>`` reads it."""
    key = settings.gitconfig.last("user.signingkey")
    return wanted_signer((key.text or "") if key is not None else "", committer_here(settings))


def _problem(settings: wiring.Settings, claims: UnverifiedClaims) -> GitsignError | None:
    try:
        check_claims(claims, now=wiring.now(), audience=settings.config.sign_in.client_id)
    except GitsignError as error:
        return error
    return None


def describe(claims: UnverifiedClaims) -> dict[str, Any]:
    """The claims by their names in the token, and first whom a certificate for it would name."""
    times = {"exp": claims.expiry, "iat": claims.issued_at, "nbf": claims.not_before}
    value: dict[str, Any] = {
        "certificate identity": certificate_identities(claims)[-1],
        "alg": claims.algorithm,
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": list(claims.audience),
        **{name: format_rfc3339(time) for name, time in times.items() if time is not None},
        "email": claims.email,
        "email_verified": claims.email_verified,
        **claims.other,
    }
    return {name: each for name, each in value.items() if each is not None}
