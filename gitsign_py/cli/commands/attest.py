"""``gitsign-py attest``: attach a signed statement to a commit or its tree, and check those that are there."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from gitsign_py.cli import wiring
from gitsign_py.cli.commands.verify_bundle import read_file
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.statementsigning import sign_statement
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.core.encoding import load_json
from gitsign_py.core.printing import printable
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, GitsignError, UncheckedError, UsageError, VerificationError
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.attestationrefs import SUFFIX, Stored
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.signing.attestation import git_artifact, statement_about
from gitsign_py.verification.bundle import Artifact, VerifiedBundle, verify_bundle
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.renewal import checked
from gitsign_py.verification.result import logged_at
from gitsign_py.verification.steps import Requirements

_DESCRIPTION = """\
Sign a file with a JSON object as the predicate of an in-toto statement about a commit (or its tree), log the signature,
and keep file, DSSE envelope and Sigstore bundle under refs/attestations/commits (or .../trees), as gitsign attest does.
With --verify check the attestations that are there."""
_EPILOG = """\
examples:
  gitsign-py attest -f review.json --type https://example.com/review/v1
  gitsign-py attest -f sbom.json --type spdx --objtype tree v1.0
  gitsign-py attest --verify --certificate-identity alice@example.com --certificate-oidc-issuer URL HEAD
  git push origin 'refs/attestations/*:refs/attestations/*'    (git says "fetch first": gitsign-py approve --help)

exit status: 0 done, 1 not verified or none there, 2 usage, 3 could not be checked, or a server failed
"""
_REFS = {"commit": "refs/attestations/commits", "tree": "refs/attestations/trees"}
_DIGESTS = {"commit": "gitCommit", "tree": "gitTree"}
TYPES = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "slsaprovenance": "https://slsa.dev/provenance/v0.2",
    "link": "https://in-toto.io/Link/v1",
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}
"""cosign's short names for predicate types."""
MAX_PREDICATE = 8 << 20


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py attest``."""
    options = _parser().parse_args(arguments)
    expected = _expected(options)
    settings = wiring.load_settings(isolated=options.isolated)
    with wiring.repository(settings) as repository:
        oid = _subject(repository, options.revision, options.objtype)
        if options.verify:
            return _verify(repository, settings, oid, options, expected)
        return _attest(repository, settings, oid, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py attest",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("revision", nargs="?", default="HEAD", metavar="REV", help="the commit (HEAD)")
    parser.add_argument("-f", "--filepath", metavar="FILE", help="the predicate: a file with a JSON object")
    parser.add_argument(
        "--type", default="custom", metavar="URI", help=f"type of the predicate: a URI, or {', '.join(TYPES)} (custom)"
    )
    parser.add_argument("--objtype", choices=tuple(_REFS), default="commit", help="the subject (commit)")
    parser.add_argument("--force", action="store_true", help="replace an attestation of the same name")
    parser.add_argument("--verify", action="store_true", help="check the attestations that are there")
    parser.add_argument("--any-identity", action="store_true", help="accept any signer, and print the identity")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_identity_options(parser)
    return parser


def _expected(options: argparse.Namespace) -> ExpectedIdentity | None:
    expected = expected_identity(options)
    if options.verify and (expected is None) != options.any_identity:
        raise UsageError(
            "identity-missing" if expected is None else "identity-twice",
            "say who is expected: --certificate-identity and --certificate-oidc-issuer, or --any-identity",
        )
    if options.verify and options.filepath:
        raise UsageError("attest-or-verify", "--verify checks what is there; it takes no --filepath")
    if not options.verify and (expected is not None or options.any_identity):
        raise UsageError("attest-or-verify", "an expected identity goes with --verify")
    return expected


def _subject(repository: GitRepository, word: str, objtype: str) -> str:
    """The id of the commit (an annotated tag is followed), or of its tree."""
    [revision, *more] = repository.resolve([word]) or [None]
    if revision is None or more:
        raise UsageError("revision-several", f"{word} does not name one revision")
    peeled = repository.run(["rev-parse", "--verify", "-q", f"{revision.oid}^{{{objtype}}}"], accept=(0, 1, 128))
    if not peeled.strip():
        raise UsageError("revision-kind", f"{word} leads to no {objtype}")
    return peeled.decode("ascii").strip()


# --- make ------------------------------------------------------------------------------------------------------------


def _attest(repository: GitRepository, settings: wiring.Settings, oid: str, options: argparse.Namespace) -> int:
    if not options.filepath:
        raise UsageError("file-missing", "say what to attest", hint="-f FILE, a file with a JSON object")
    name = Path(options.filepath).name
    names = (name, f"{name}.sig", f"{name}{SUFFIX}")
    ref, digest_name = _REFS[options.objtype], _DIGESTS[options.objtype]
    data = read_file(options.filepath, MAX_PREDICATE)
    statement = statement_about(digest_name, oid, predicate_type(options.type), _predicate(name, data))
    if not options.force:
        attestationrefs.refuse_existing(repository, ref, oid, names)  # before anything is logged for ever
    artifact = git_artifact(digest_name, oid)
    made = sign_statement(settings, statement, artifact, options.trusted_root)
    files = dict(zip(names, (data, made.envelope, made.bundle), strict=True))
    message = f"gitsign-py attest {name}"
    commit = attestationrefs.store(repository, ref, oid, files, message=message, replace=options.force)
    facts = {"ref": ref, "commit": commit, "name": name, **_facts(made.verified)}
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        print(printable(f"{options.objtype} {oid}: attested by {facts['identity']}, {logged_at(facts['log_index'])}"))
        print(printable(f"{ref} is now {commit}; to share it: git push REMOTE {ref}"))
    return 0


def predicate_type(given: str) -> str:
    """A URI as it is, or what a short name stands for. Raises UsageError ``predicate-type``."""
    if ":" in given and given.isprintable() and " " not in given:
        return given
    if given not in TYPES:
        raise UsageError("predicate-type", f"{given!r} is neither a URI nor one of {', '.join(TYPES)}")
    return TYPES[given]


def _predicate(name: str, data: bytes) -> dict[str, Any]:
    try:
        value = load_json(data, max_bytes=MAX_PREDICATE)
    except FormatError as error:
        raise UsageError("predicate-malformed", f"{name}: {error.message}", hint="it has to be JSON") from error
    if not isinstance(value, dict):
        raise UsageError("predicate-malformed", f"{name} holds no JSON object, as a predicate has to")
    return value


# --- check -----------------------------------------------------------------------------------------------------------


def _verify(
    repository: GitRepository,
    settings: wiring.Settings,
    oid: str,
    options: argparse.Namespace,
    expected: ExpectedIdentity | None,
) -> int:
    found = attestationrefs.stored(repository, _REFS[options.objtype], oid)
    if not found:
        raise VerificationError("attestation-missing", f"there is no attestation of {options.objtype} {oid}")
    root = wiring.trusted_root(settings, file=options.trusted_root)
    tell(trust_said_by_repository(settings, root.digest, option=options.trusted_root))
    renew = wiring.renewal(settings, root, file=options.trusted_root)
    rows: list[dict[str, Any]] = []
    statuses: set[int] = set()
    for one in found:
        try:
            bundle = _bundle(one)
            artifact = git_artifact(_DIGESTS[options.objtype], oid)
            required = Requirements(witnesses=wiring.witness_policy(settings))
            verified = checked(root, renew, partial(_verified, bundle, artifact, expected, required))
        except GitsignError as error:
            statuses.add(exit_status(error))
            rows.append({"name": one.name, "verified": False, "reason": error.reason, "message": line_of(error)})
        else:
            rows.append({"name": one.name, "verified": True, **_facts(verified)})
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(printable(_line(row)))
    return next((status for status in (2, 1, 3) if status in statuses), 0)


def _verified(
    bundle: bytes,
    artifact: Artifact,
    expected: ExpectedIdentity | None,
    required: Requirements,
    root: TrustedRoot,
) -> VerifiedBundle:
    return verify_bundle(
        bundle, artifact=artifact, trusted_root=root, now=wiring.now(), expected=expected, requirements=required
    )


def _bundle(one: Stored) -> bytes:
    if one.bundle is None:
        raise UncheckedError(
            "attestation-without-bundle",
            f"{one.name} has an envelope alone: neither certificate nor log entry are stored with it",
            hint="attest it again with gitsign-py",
        )
    return one.bundle


def _facts(verified: VerifiedBundle) -> dict[str, Any]:
    return {
        "identity": verified.identity,
        "issuer": verified.issuer,
        "predicate_type": "" if verified.statement is None else verified.statement.predicate_type,
        "log_index": verified.entries[0].log_index if verified.entries else None,
    }


def _line(row: dict[str, Any]) -> str:
    if not row["verified"]:
        return f"{row['name']}: not verified: {row['message']}"
    return (
        f"{row['name']}: verified: {row['predicate_type']}, by {row['identity']}, vouched for by {row['issuer']}, "
        f"{logged_at(row['log_index'])}"
    )
