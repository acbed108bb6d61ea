"""``gitsign-py show [REV]``: print what a signature holds, marked as unverified unless it was verified."""

import argparse
import json
import sys
from collections.abc import Iterator

from gitsign_py.cli import wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.judgement import Judgement, judge, verifier
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.signatureview import Values, statement
from gitsign_py.cli.text import exit_status
from gitsign_py.core.printing import printable, without_password
from gitsign_py.errors import UsageError
from gitsign_py.host.git.objects import GitRepository, Revision
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.verification.identity import ExpectedIdentity

_DESCRIPTION = """\
Print what a commit or tag and its signature say: a few lines on a terminal, else an in-toto statement in JSON, as
gitsign show prints. Reading is not believing: without --verify, or an expected identity, nothing is checked, and the
output says so."""
_EPILOG = """\
examples:
  gitsign-py show
  gitsign-py show --json v1.0
  gitsign-py show --verify HEAD | jq .predicate.verification.verdict
  gitsign-py show HEAD | jq .predicate.log_entry

exit status: 0; with --verify that of gitsign-py verify: 1 not verified, 3 could not be checked; 2 usage
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py show``."""
    options = _parser().parse_args(arguments)
    expected = expected_identity(options)
    settings = wiring.load_settings(isolated=options.isolated)
    with wiring.repository(settings) as repository:
        revision = _only(repository.resolve([options.revision]), options.revision)
        stored = repository.read(revision.oid)
        value = statement(split_stored(repository, stored), stored.oid, _remote(settings, options.remote))
        wanted = options.verify or expected is not None
        judgement = _judged(options, settings, repository, revision, expected) if wanted else None
    value["predicate"]["verification"] = _verification(judgement)
    if options.text or (sys.stdout.isatty() and not options.json):
        print("\n".join(printable(line) for line in _lines(value, revision)))
    else:
        # ASCII: names and messages are foreign, and a terminal obeys more than JSON has to escape.
        json.dump(value, sys.stdout, indent=2, ensure_ascii=True)
        print()
    return 0 if judgement is None or judgement.error is None else exit_status(judgement.error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py show",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("revision", nargs="?", default="HEAD", metavar="REV", help="a commit or tag (HEAD)")
    parser.add_argument(
        "-r", "--remote", default="origin", metavar="NAME", help="remote whose URL names the subject (origin)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON (the default, but on a terminal)")
    form.add_argument("--text", action="store_true", help="print a few lines for people (the default on a terminal)")
    parser.add_argument("--verify", action="store_true", help="verify too, with any signer")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(parser)
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    add_identity_options(parser)
    return parser


def _only(revisions: tuple[Revision, ...], word: str) -> Revision:
    if len(revisions) != 1:
        raise UsageError("revision-several", f"{word} names {len(revisions)} revisions, one can be shown")
    return revisions[0]


def _remote(settings: wiring.Settings, name: str) -> str:
    """The remote's URL, empty without one; a user name or password in it is left out."""
    return without_password(settings.gitconfig.get(f"remote.{name}.url"))


def _judged(
    options: argparse.Namespace,
    settings: wiring.Settings,
    repository: GitRepository,
    revision: Revision,
    expected: ExpectedIdentity | None,
) -> Judgement:
    root = wiring.trusted_root(settings, file=options.trusted_root, offline=options.offline)
    sources = trust_said_by_repository(settings, root.digest, option=options.trusted_root)
    tell(sources)
    chosen = verifier(settings, repository, root=root, file=options.trusted_root, offline=options.offline)
    return judge(revision, repository, chosen, expected, sources)


def _verification(judgement: Judgement | None) -> Values:
    if judgement is None:
        return {"verdict": "not-asked", "message": "nothing of this was verified; see gitsign-py verify"}
    return judgement.to_json()


def _lines(value: Values, revision: Revision) -> Iterator[str]:
    content = value["predicate"]
    yield f"{revision.kind} {revision.oid}"
    source = content["source"]
    person = source.get("committer") or source.get("tagger") or {"name": "", "email": "", "date": ""}
    yield f"  by           {person['name']} <{person['email']}> {person['date']}".rstrip()
    yield f"  message      {source['message'].strip().partition(chr(10))[0]}".rstrip()
    yield from _signature_lines(content)
    verification = content["verification"]
    verdict = verification["verdict"]
    words = f"{verdict}: {verification['message']}" if "message" in verification else verdict
    yield f"  verification {words}"


def _signature_lines(content: Values) -> Iterator[str]:
    if not content["signature"]:
        yield "  signature    none"
    if "problem" in content:
        yield f"  signature    {content['problem']}"
    if "smime" in content:
        yield f"  S/MIME by    {content['smime']['subject']}"
        yield f"  issuer       {content['smime']['issuer']}"
        yield f"  certificate  {content['smime']['fingerprint']}"
    certificate = content.get("certificate")
    if certificate is None:
        return
    yield f"  identity     {certificate.get('identity', certificate.get('problem'))}"
    yield f"  issuer       {certificate.get('issuer', '')}"
    for name, claim in certificate.get("claims", {}).items():
        yield f"    {name}: {claim}"
    yield f"  certificate  {certificate['not_before']} to {certificate['not_after']}, {certificate['fingerprint']}"
    entry = content["log_entry"]
    yield f"  log entry    {'not in the signature' if entry is None else entry.get('logIndex', entry.get('problem'))}"
    if content["timestamp"] is not None:
        yield f"  timestamp    {content['timestamp']['time']}"
