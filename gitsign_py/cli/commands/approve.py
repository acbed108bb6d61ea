"""``gitsign-py approve``: say, signed, that a commit may come to a ref, or take that back."""

import argparse
import hashlib
import json
import secrets
from collections.abc import Sequence

from gitsign_py.audit.approvals import PREFIX, REF
from gitsign_py.audit.plan import resolve_targets
from gitsign_py.cli import optiontypes, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.ownconfig import add_isolated
from gitsign_py.cli.statementsigning import sign_statement
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.git.refname import is_full_ref_name
from gitsign_py.core.printing import printable
from gitsign_py.errors import UsageError
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.naming import list_refs, symbolic_ref
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.approvals import MAX_AT_ONCE, PREDICATE, WITHDRAWAL, predicate_about
from gitsign_py.policy.facts import CommitFacts
from gitsign_py.signing.attestation import git_artifact, statement_about

_EPILOG = """examples:
  gitsign-py approve --ref refs/heads/main HEAD         one commit
  gitsign-py approve --ref refs/heads/main main..topic  each commit of a range
  gitsign-py approve --withdraw --ref refs/heads/main HEAD
  git push origin 'refs/attestations/*:refs/attestations/*'

where others were quicker (git says: fetch first), and for attestations too:
  git fetch origin '+refs/attestations/*:refs/remotes/origin/attestations/*'
  gitsign-py approve --join origin
  git push origin 'refs/attestations/*:refs/attestations/*'

exit status: 0 done, 2 usage, 3 a server failed
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py approve``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings(isolated=options.isolated)
    with wiring.repository(settings) as repository:
        if options.join is not None:
            _join(repository, options.join, options)
            if not options.revisions:
                return 0
        ref = options.ref or symbolic_ref(repository, "HEAD")
        if not ref:
            raise UsageError("ref-name", "HEAD is on no branch: say which ref the commit may come to", hint="--ref REF")
        for oid in _commits(repository, options.revisions or ["HEAD"]):
            _approve(repository, settings, oid, ref, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py approve",
        description="Sign that a commit may come to a ref (gittuf's reference authorization, an in-toto statement), "
        "log it, and keep it under refs/attestations/trees. Rules with approvals count it (docs/policy.md).",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="commits, or a range (HEAD)")
    parser.add_argument("--ref", type=optiontypes.full_ref, metavar="REF", help="the ref (the current branch)")
    parser.add_argument("--withdraw", action="store_true", help="take your approval back")
    parser.add_argument(
        "--join",
        type=_remote,
        metavar="REMOTE",
        help="first join the attestations fetched to refs/remotes/REMOTE/attestations/; without REV do only that",
    )
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each commit")
    add_isolated(parser)
    return parser


def _remote(text: str) -> str:
    if not is_full_ref_name(f"refs/remotes/{text}/attestations"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a remote")
    return text


def _join(repository: GitRepository, remote: str, options: argparse.Namespace) -> None:
    """Approvals that two people sign at a time are on two histories of the ref; git pushes neither over the other."""
    place = f"refs/remotes/{remote}/attestations/"
    for line in list_refs(repository, place):
        ref = f"refs/attestations/{line.name.removeprefix(place)}"
        if attestationrefs.join(repository, ref, line.name) and not options.json:
            print(printable(f"{ref} has what was fetched from {remote}"))


def _commits(repository: GitRepository, words: Sequence[str]) -> list[str]:
    """The commits that the words name, each once; with a range among them, all that it leads to."""
    targets, exclude = resolve_targets(repository, tuple(words))
    if not all(target.commit for target in targets):
        raise UsageError("revision-kind", f"{' '.join(words)} does not name commits, which alone are approved")
    found = list(dict.fromkeys(target.commit for target in targets))
    if exclude:
        asked = ["rev-list", "--reverse", f"--max-count={MAX_AT_ONCE + 1}", *found, *(f"^{oid}" for oid in exclude)]
        found = repository.run(asked).decode("ascii").split()
    if not 0 < len(found) <= MAX_AT_ONCE:
        told = f"{' '.join(words)} has {len(found) or 'no'} commits, 1 to {MAX_AT_ONCE} can be approved"
        raise UsageError("range-empty", told)
    return found


def _approve(
    repository: GitRepository, settings: wiring.Settings, oid: str, ref: str, options: argparse.Namespace
) -> None:
    commit = split_commit(repository.read(oid).data, two_hashes=True)
    said = predicate_about(CommitFacts(oid, "", "", commit.parents, commit.tree), ref)
    # The nonce tells a second approval, after a withdrawal, from a copy of the first: the agent signs both by one key.
    predicate = said | {"nonce": secrets.token_hex(8)}
    statement = statement_about("gitTree", commit.tree, WITHDRAWAL if options.withdraw else PREDICATE, predicate)
    made = sign_statement(settings, statement, git_artifact("gitTree", commit.tree), options.trusted_root)
    place = hashlib.sha256(f"{ref}\0{predicate['fromID']}".encode()).hexdigest()[:16]
    name = f"{PREFIX}{place}-{secrets.token_hex(4)}.json"
    contents = (json.dumps(predicate).encode(), made.envelope, made.bundle)
    files = dict(zip((name, f"{name}.sig", f"{name}{SUFFIX}"), contents, strict=True))
    word = "withdraw" if options.withdraw else "approve"
    attestationrefs.store(repository, REF, commit.tree, files, message=f"gitsign-py {word} {oid}")
    facts = {"commit": oid, "ref": ref, "name": name, "identity": made.verified.identity, "withdrawn": options.withdraw}
    told = f"{oid} on {ref}: {'withdrawn' if options.withdraw else 'approved'} by {made.verified.identity}"
    print(json.dumps(facts) if options.json else printable(f"{told}; to share it: git push REMOTE {REF}"))
