"""``gitsign-py source``: state how a ref came to its revision, check that as a consumer, and look for gaps."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gitsign_py.audit.sourcestatements import REF, Attester, SourceStatements, VerifiedSummary
from gitsign_py.cli import optiontypes, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError, GitsignError, UsageError, VerificationError
from gitsign_py.host.git.naming import commit_of, list_refs
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.source.continuity import Chain, Link, follow
from gitsign_py.source.controls import LEVELS, level_name, level_of
from gitsign_py.source.provenance import Provenance
from gitsign_py.source.summary import Wanted

_EPILOG = """\
on a server (gitsign.sourceURI, gitsign.sourceRef and gitsign.sourceAttester are set):
  gitsign-py hooks install --server --attest      state each push to a source ref, signed
  gitsign-py source attest refs/heads/main        state what the hook let in and nobody has stated yet

in a build:
  git fetch origin 'refs/attestations/*:refs/attestations/*'
  gitsign-py source verify HEAD --level 3 --ref refs/heads/main --resource-uri git+https://git.example.com/project \\
      --certificate-identity URI --certificate-oidc-issuer URL

exit status: 0 done or verified, 1 below the level, not verified, or a gap, 2 usage, 3 could not be checked
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py source``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings(isolated=options.isolated)
    action: Callable[[argparse.Namespace, wiring.Settings, GitRepository], int] = options.action
    with wiring.repository(settings) as repository:
        return action(options, settings, repository)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py source",
        description="Source provenance and levels by SLSA's Source track, for branches and tags of any git server.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="attest | verify | audit")
    attest = commands.add_parser(
        "attest", help="sign the provenance and the level of the revision that a ref names now"
    )
    attest.add_argument("ref", metavar="REF", type=optiontypes.full_ref, help="a full name, such as refs/heads/main")
    attest.add_argument(
        "--old", metavar="ID", type=_object_id, help="the ref's value before, which a mark of the hook must agree with"
    )
    attest.set_defaults(action=_attest)
    verify = commands.add_parser(
        "verify", help="check a revision's level, as a consumer does", formatter_class=HelpFormatter
    )
    verify.add_argument("revision", metavar="REV", help="the revision that is consumed")
    verify.add_argument("--level", type=int, choices=LEVELS, required=True, help="the least level that will do")
    verify.add_argument("--ref", type=optiontypes.full_ref, required=True, metavar="REF", help="the ref it came to")
    verify.set_defaults(action=_verify)
    audit = commands.add_parser(
        "audit", help="follow the statements about a ref back, and report each gap", formatter_class=HelpFormatter
    )
    audit.add_argument("ref", metavar="REF", type=optiontypes.full_ref, help="a full name, such as refs/heads/main")
    audit.add_argument("--tip", metavar="REV", help="the revision to begin at, where the ref has another name here")
    audit.set_defaults(action=_audit)
    for command in (verify, audit):
        command.add_argument(
            "--resource-uri", required=True, metavar="URI", help="the repository, by the URI that it is stated under"
        )
        command.add_argument(
            "--since", type=_time, metavar="TIME", help="an RFC 3339 time or a date; nothing may have lapsed since"
        )
        add_identity_options(command)
    for command in (attest, verify, audit):
        command.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
        command.add_argument("--json", action="store_true", help="print JSON (docs/schemas/source.json)")
        add_isolated(command)
    return parser


def _object_id(text: str) -> str:
    if not is_object_id(text):
        raise argparse.ArgumentTypeError(f"{text} is no full object id")
    return text


def _time(text: str) -> datetime:
    try:
        return parse_rfc3339(text if "T" in text.upper() else f"{text}T00:00:00Z").astimezone(UTC)
    except FormatError:
        raise argparse.ArgumentTypeError(f"{text} is neither a date nor an RFC 3339 time") from None


# --- state -----------------------------------------------------------------------------------------------------------


def _attest(options: argparse.Namespace, settings: wiring.Settings, repository: GitRepository) -> int:
    from gitsign_py.cli import sourceserver  # noqa: PLC0415 - consumers sign nothing

    server = sourceserver.server_of(settings, repository, options.trusted_root)
    for made in sourceserver.attest_ref(server, options.ref, _at(repository, options.ref), options.old):
        facts = {"new": made.is_new, "level": level_name(made.level), **_stated(made.provenance)}
        print(json.dumps(facts) if options.json else printable(sourceserver.told(made)), flush=True)
    if not options.json:
        print(f"to share it: let others fetch {REF}")
    return 0


def _at(repository: GitRepository, ref: str) -> str:
    """The object that the ref of this very name has."""
    found = next((line.oid for line in list_refs(repository, ref) if line.name == ref), "")
    if not found:
        raise UsageError("revision-unknown", f"there is no {ref} here")
    return found


# --- check -----------------------------------------------------------------------------------------------------------


def _statements(options: argparse.Namespace, settings: wiring.Settings, repository: GitRepository) -> SourceStatements:
    expected = expected_identity(options)
    if expected is None:
        raise UsageError(
            "identity-missing",
            "say whose statements count: --certificate-identity and --certificate-oidc-issuer",
            hint="the repository cannot say so, because its author could claim anything",
        )
    root = wiring.trusted_root(settings, file=options.trusted_root)
    tell(trust_said_by_repository(settings, root.digest, option=options.trusted_root))
    renew = wiring.renewal(settings, root, file=options.trusted_root)
    attester = Attester(expected, root, wiring.now(), renew, wiring.witness_policy(settings))
    return SourceStatements(repository, attester, options.resource_uri, options.ref)


def _commit(repository: GitRepository, word: str) -> str:
    [revision, *more] = repository.resolve([word]) or [None]
    commit = "" if revision is None else commit_of(repository, revision.oid)
    if not commit or more:
        raise UsageError("revision-kind", f"{word} does not name one commit")
    return commit


def _verify(options: argparse.Namespace, settings: wiring.Settings, repository: GitRepository) -> int:
    statements = _statements(options, settings, repository)
    commit = _commit(repository, options.revision)
    wanted = Wanted(options.resource_uri, options.ref, commit, options.level, options.since)
    try:
        found = statements.check(wanted)
    except GitsignError as error:
        if not options.json:
            raise
        print(json.dumps({"verified": False, "revision": commit, "ref": options.ref, **_refusal(error)}, indent=2))
        return exit_status(error)
    print(json.dumps(_verified(found, wanted), indent=2) if options.json else printable(_line(found, wanted)))
    return 0


def _refusal(error: GitsignError) -> dict[str, Any]:
    return {"reason": error.reason, "message": line_of(error), "facts": dict(error.facts)}


def _verified(found: VerifiedSummary, wanted: Wanted) -> dict[str, Any]:
    return {
        "verified": True,
        "level": level_name(found.summary.level),
        "results": list(found.summary.results),
        "identity": found.bundle.identity,
        "issuer": found.bundle.issuer,
        "proven": format_rfc3339(min(proven.time for proven in found.bundle.times)),
        **_stated(found.link.provenance),
        "wanted": level_name(wanted.level),
    }


def _line(found: VerifiedSummary, wanted: Wanted) -> str:
    since = max((one.time for one in found.link.provenance.controls.values()), default=found.link.provenance.time)
    return (
        f"{wanted.revision} on {wanted.ref}: {level_name(found.summary.level)}, stated by {found.bundle.identity}, "
        f"vouched for by {found.bundle.issuer}; every control held since {format_rfc3339(since)}"
    )


def _stated(provenance: Provenance) -> dict[str, Any]:
    """A provenance as values for JSON."""
    return {
        "revision": provenance.revision,
        "ref": provenance.ref,
        "repository": provenance.repository,
        "old": provenance.old or None,
        "updated": format_rfc3339(provenance.time),
        "policy": provenance.policy_digest,
        "pusher": dict(provenance.pusher),
        "controls": {
            name: {"revision": since.revision, "time": format_rfc3339(since.time)}
            for name, since in provenance.controls.items()
        },
    }


# --- gaps ------------------------------------------------------------------------------------------------------------


def _audit(options: argparse.Namespace, settings: wiring.Settings, repository: GitRepository) -> int:
    statements = _statements(options, settings, repository)
    tip = _commit(repository, options.tip or _at(repository, options.ref))
    chain = follow(tip, statements.links_at, statements.newest, options.since)
    if not chain.links and not options.json:
        raise VerificationError(
            "source-unstated",
            f"nothing is stated about {options.ref} of {options.resource_uri} by the signer that you name",
            hint=f"fetch {REF}, and compare the names with those that the server states",
        )
    print(json.dumps(_report(chain, tip), indent=2) if options.json else _text(chain, tip))
    return 1 if chain.lapses else 0


def _report(chain: Chain, tip: str) -> dict[str, Any]:
    return {
        "tip": tip,
        "statements": [{"level": _level(link), **_stated(link.provenance)} for link in chain.links],
        "lapses": [{"kind": one.kind, "revision": one.revision, "message": one.message} for one in chain.lapses],
    }


def _text(chain: Chain, tip: str) -> str:
    first = chain.links[-1].provenance
    lines = [f"lapse: {one.message} [{one.kind}]" for one in chain.lapses]
    lines += [
        f"{link.provenance.revision} {format_rfc3339(link.provenance.time)} {_level(link)}" for link in chain.links
    ]
    lapses = f"{len(chain.lapses)} lapses" if chain.lapses else "no lapse"
    lines.append(f"{len(chain.links)} statements back from {tip}, begun {format_rfc3339(first.time)}: {lapses}.")
    return "\n".join(map(printable, lines))


def _level(link: Link) -> str:
    return level_name(level_of(link.provenance.controls))
