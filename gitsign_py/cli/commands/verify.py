"""``gitsign-py verify [REV...]``: check commits and tags, and say in a line each who signed and whether they may.

Exit status over several revisions: 1 when one was refused, else 3 when one could not be checked, else 0.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.helptext import HelpFormatter, columns
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.judgement import Judgement, judge, verifier
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.proofs import only_one, read_proof, with_entry, with_proof
from gitsign_py.cli.signertrust import SignerTrust, signer_trust
from gitsign_py.cli.text import exit_status
from gitsign_py.cli.verifyview import View, lines_of
from gitsign_py.core.printing import printable
from gitsign_py.errors import UsageError
from gitsign_py.host.terminal import wants_colour

_EPILOG = """\
examples:
  gitsign-py verify main~3..          (who may sign: gitsign.policy, else gitsign.allowedSigner)
  gitsign-py verify -v HEAD v1        (with every step of the check)
  gitsign-py verify --certificate-identity alice@example.com --certificate-oidc-issuer https://accounts.example.com HEAD
  gitsign-py verify --certificate-identity-regexp '.*@example[.]com' --certificate-oidc-issuer URL origin/main..HEAD v1
  gitsign-py verify --any-identity --json HEAD        (any signer: you judge the identity yourself)

exit status: 0 verified, 1 not verified, 2 usage, 3 could not be checked
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py verify`` (``verify-tag`` comes here with ``--tags-only``)."""
    options = _parser().parse_args(arguments)
    expected = expected_identity(options)
    settings = wiring.load_settings(isolated=options.isolated)
    trust = signer_trust(settings, expected, any_identity=options.any_identity)
    root = wiring.trusted_root(settings, file=options.trusted_root, offline=options.offline)
    sources = (*trust_said_by_repository(settings, root.digest, option=options.trusted_root), *trust.sources)
    tell(sources)
    proof = read_proof(options.proof, root) if options.proof else None
    with wiring.repository(settings) as repository:
        chosen = verifier(
            settings,
            repository,
            root=root,
            file=options.trusted_root,
            offline=options.offline or proof is not None,
            require_sct=not options.insecure_ignore_sct,
            replica=options.log_from,
        )
        revisions = repository.resolve(options.revisions or ["HEAD"])
        if options.tags_only:
            _refuse_commits(revisions)
        for warning in repository.warnings():
            print(f"gitsign-py: {printable(warning)}", file=sys.stderr)
        if proof is None:
            judgements = [
                judge(revision, repository, chosen, expected, sources, accept=trust.accept) for revision in revisions
            ]
        else:
            revision = only_one(revisions)
            proven = judge(revision, repository, with_entry(chosen, proof), expected, sources, accept=trust.accept)
            judgements = [with_proof(proven, repository, proof, root)]
    if not judgements:
        raise UsageError("range-empty", "the range holds no commits, so nothing was verified")
    if options.json:
        print(json.dumps([judgement.to_json() for judgement in judgements], indent=2, ensure_ascii=False))
    else:
        for line in lines_of(judgements, _view(options, trust)):
            print(line)
    return _status(judgements)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py verify",
        description="Check the signatures of commits and tags, and the identity of the signer.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="commits, tags or ranges, as git knows them (HEAD)")
    add_identity_options(parser)
    parser.add_argument("--any-identity", action="store_true", help="accept any signer, and print the identity")
    parser.add_argument("--insecure-ignore-sct", action="store_true", help="do not ask for a CT log's promise")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(parser)
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    parser.add_argument("--log-from", type=Path, metavar="DIR", help="a replica of the log, asked before the log is")
    parser.add_argument("--proof", metavar="FILE", help="a proof by log prove: the log is not asked")
    parser.add_argument("--json", action="store_true", help="print JSON (docs/schemas/verify.json)")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show every step, also of signatures that verified"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="the lines of the revisions alone")
    parser.add_argument("--tags-only", action="store_true", help=argparse.SUPPRESS)
    return parser


def _view(options: argparse.Namespace, trust: SignerTrust) -> View:
    """On a terminal in colours and cut to its width; a pipe gets all of every line."""
    is_terminal = sys.stdout.isatty()
    return View(
        trust.words,
        is_anybody=trust.is_anybody,
        width=columns() if is_terminal and not options.verbose else 0,
        colour=wants_colour(os.environ, is_terminal=is_terminal),
        verbose=options.verbose,
        quiet=options.quiet,
    )


def _refuse_commits(revisions: "tuple[wiring.Revision, ...]") -> None:
    for revision in revisions:
        if revision.kind != "tag":
            raise UsageError("not-a-tag", f"{revision.name} is a {revision.kind}, not an annotated tag")


def _status(judgements: list[Judgement]) -> int:
    statuses = {0 if judgement.error is None else exit_status(judgement.error) for judgement in judgements}
    return next((status for status in (2, 1, 3) if status in statuses), 0)
