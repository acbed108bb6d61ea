"""``gitsign-py verify [REV...]``: check commits and tags, name every step, and say who signed.

Exit status over several revisions: 1 when one was refused, else 3 when one could not be checked, else 0.
"""

import argparse
import json
import sys

from gitsign_py.cli import wiring
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.judgement import Judgement, judge, verifier
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.proofs import only_one, read_proof, with_entry, with_proof
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.printing import printable
from gitsign_py.errors import UsageError
from gitsign_py.verification.steps import Step
from gitsign_py.verification.verdict import verdict_of

_EPILOG = """\
examples:
  gitsign-py verify --certificate-identity alice@example.com --certificate-oidc-issuer https://accounts.example.com HEAD
  gitsign-py verify --certificate-identity-regexp '.*@example[.]com' --certificate-oidc-issuer URL origin/main..HEAD v1
  gitsign-py verify --any-identity --json HEAD        (any signer: you judge the identity yourself)

exit status: 0 verified, 1 not verified, 2 usage, 3 could not be checked
"""
_MARKS = {"passed": "ok", "failed": "FAILED", "unchecked": "not checked", "skipped": "left out"}


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py verify`` (``verify-tag`` comes here with ``--tags-only``)."""
    options = _parser().parse_args(arguments)
    expected = expected_identity(options)
    if expected is None and not options.any_identity:
        raise UsageError(
            "identity-missing",
            "nobody was named: a good signature by anybody at all says little",
            hint="give --certificate-identity and --certificate-oidc-issuer, or --any-identity to see who signed",
        )
    if expected is not None and options.any_identity:
        raise UsageError("identity-twice", "--any-identity does not go together with an expected identity")
    settings = wiring.load_settings(isolated=options.isolated)
    root = wiring.trusted_root(settings, file=options.trusted_root, offline=options.offline)
    sources = trust_said_by_repository(settings, root.digest, option=options.trusted_root)
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
        )
        revisions = repository.resolve(options.revisions or ["HEAD"])
        if options.tags_only:
            _refuse_commits(revisions)
        for warning in repository.warnings():
            print(f"gitsign-py: {printable(warning)}", file=sys.stderr)
        if proof is None:
            judgements = [judge(revision, repository, chosen, expected, sources) for revision in revisions]
        else:
            revision = only_one(revisions)
            proven = judge(revision, repository, with_entry(chosen, proof), expected, sources)
            judgements = [with_proof(proven, repository, proof, root)]
    if not judgements:
        raise UsageError("range-empty", "the range holds no commits, so nothing was verified")
    if options.json:
        print(json.dumps([judgement.to_json() for judgement in judgements], indent=2, ensure_ascii=False))
    else:
        for judgement in judgements:
            _print(judgement, verbose=not options.quiet)
    return _status(judgements)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py verify",
        description="Check the signatures of commits and tags, and the identity of the signer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="commits, tags or ranges, as git knows them (HEAD)")
    add_identity_options(parser)
    parser.add_argument("--any-identity", action="store_true", help="accept any signer, and print the identity")
    parser.add_argument("--insecure-ignore-sct", action="store_true", help="do not ask for a CT log's promise")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(parser)
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    parser.add_argument("--proof", metavar="FILE", help="a proof by log prove: the log is not asked")
    parser.add_argument("--json", action="store_true", help="print JSON (docs/schemas/verify.json)")
    parser.add_argument("-q", "--quiet", action="store_true", help="one line for each revision")
    parser.add_argument("--tags-only", action="store_true", help=argparse.SUPPRESS)
    return parser


def _refuse_commits(revisions: "tuple[wiring.Revision, ...]") -> None:
    for revision in revisions:
        if revision.kind != "tag":
            raise UsageError("not-a-tag", f"{revision.name} is a {revision.kind}, not an annotated tag")


def _status(judgements: list[Judgement]) -> int:
    statuses = {0 if judgement.error is None else exit_status(judgement.error) for judgement in judgements}
    return next((status for status in (2, 1, 3) if status in statuses), 0)


def _print(judgement: Judgement, *, verbose: bool) -> None:
    print(printable(headline(judgement)))
    if verbose:
        for step in judgement.steps:
            print(f"  {step.number}  {_MARKS[step.outcome]:<11} {printable(step_line(step))}")


def headline(judgement: Judgement) -> str:
    """One line: the object, the verdict, who and when."""
    name = f"{judgement.revision.kind} {judgement.revision.oid}"
    if judgement.error is not None:
        bad = verdict_of(judgement.error) == "bad"
        return f"{name}: {'not verified' if bad else 'could not be checked'}: {line_of(judgement.error)}"
    verified = judgement.verified
    assert verified is not None  # noqa: S101 - one of the two is always there
    note = "" if verified.identity_checked else " (identity accepted as it is: --any-identity)"
    return (
        f"{name}: verified: signed by {verified.named}, vouched for by {verified.issuer}, "
        f"at {verified.time:%Y-%m-%dT%H:%M:%SZ}, log index {verified.log.log_index}{note}"
    )


def step_line(step: Step) -> str:
    """The title of a step, and its facts or why it failed."""
    if step.outcome in ("failed", "unchecked"):
        return f"{step.title}: {step.message} [{step.reason}]"
    facts = ", ".join(f"{name} {value}" for name, value in step.facts.items() if value not in (None, ""))
    return f"{step.title}" + (f" ({facts or step.message})" if facts or step.message else "")
