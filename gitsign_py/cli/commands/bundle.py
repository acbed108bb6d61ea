"""``gitsign-py bundle export REV`` and ``bundle import REV``: a signature as a Sigstore bundle, and back.

Both verify what they handle: a bundle of a signature that nobody believes would help nobody.
"""

import argparse
import os
import sys
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.commands.verify_bundle import MAX_ARTIFACT_BYTES, read_file
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.judgement import check_named, verifier, verify_object
from gitsign_py.core.git.gitobject import SignedObject, join_commit, join_tag
from gitsign_py.core.printing import printable
from gitsign_py.core.sigstore.bundle import MAX_BUNDLE_BYTES, format_bundle, parse_bundle
from gitsign_py.errors import UsageError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.verification.commitbundle import bundle_from_signature, signature_from_bundle
from gitsign_py.verification.steps import Report

_EPILOG = """\
examples:
  gitsign-py bundle export --output commit.sigstore.json --artifact commit.der
  gitsign-py bundle export v1.0 --output -
  cosign verify-blob --bundle commit.sigstore.json --certificate-identity alice@example.com \\
      --certificate-oidc-issuer https://accounts.example.com commit.der
  gitsign-py bundle import HEAD --bundle commit.sigstore.json --artifact commit.der --any-identity

exit status: 0 done, 1 not verified, 2 usage, 3 could not be checked
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py bundle``."""
    options = _parser().parse_args(arguments)
    return _export(options) if options.action == "export" else _import(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py bundle",
        description="Write the signature of a commit or tag as a Sigstore bundle, or make the signature from one.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    export = actions.add_parser(
        "export",
        help="write a bundle v0.3 and its artifact",
        description="Write a bundle v0.3, and its artifact: the DER of the signed attributes.",
    )
    export.add_argument("revision", nargs="?", default="HEAD", metavar="REV", help="a commit or tag (HEAD)")
    export.add_argument(
        "-o", "--output", metavar="FILE", help="the bundle: a file, a folder, or - for stdout (OID.sigstore.json)"
    )
    export.add_argument(
        "--artifact",
        metavar="FILE",
        help="the artifact, likewise (OID.signed-attributes.der beside the bundle; with a bundle on stdout none)",
    )
    back = actions.add_parser(
        "import",
        help="make the armored signature again",
        description="Make the armored signature from a bundle and its artifact, verify it over the commit or tag, "
        "and print it or write the signed object.",
        formatter_class=HelpFormatter,
    )
    back.add_argument("revision", metavar="REV", help="the commit or tag that was signed, with or without a signature")
    back.add_argument("--bundle", metavar="FILE", required=True, help="the bundle")
    back.add_argument("--artifact", metavar="FILE", required=True, help="the artifact that was exported with it")
    back.add_argument("--write", action="store_true", help="write the signed object, print its id; no ref is moved")
    add_identity_options(back)
    back.add_argument("--any-identity", action="store_true", help="accept any signer, and print the identity")
    for action in (export, back):
        action.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
        action.add_argument("--offline", action="store_true", help="never touch the network")
    return parser


def _export(options: argparse.Namespace) -> int:
    settings = wiring.load_settings()
    with wiring.repository(settings) as repository:
        chosen = verifier(settings, repository, file=options.trusted_root, offline=options.offline)
        signed, oid = _read(repository, options.revision)
        verified = verify_object(signed, oid, chosen, None, Report())
    assert signed.signature is not None  # noqa: S101 - verify_object refuses an object without one
    bundle, artifact = bundle_from_signature(signed.signature, verified)
    places = _places(options, oid)
    for place, data in zip(places, (format_bundle(bundle), artifact), strict=True):
        if place:
            _write(place, data)
    told = sys.stderr if "-" in places else sys.stdout  # stdout is the file's then
    written = [f"{name} {place}" for name, place in zip(("bundle", "artifact"), places, strict=True) if place]
    print(printable(f"{signed.kind} {oid}: signed by {verified.identity}, vouched for by {verified.issuer}"), file=told)
    print(printable(", ".join(written)), file=told)
    return 0


def _places(options: argparse.Namespace, oid: str) -> tuple[str, str]:
    """Where bundle and artifact go; the artifact's is empty where only a bundle on stdout was asked for.

    Raises UsageError ``output-twice``.
    """
    if options.output == options.artifact == "-":
        raise UsageError("output-twice", "bundle and artifact cannot both go to standard output")
    output = _named(options.output or ".", f"{oid}.sigstore.json")
    artifact = f"{oid}.signed-attributes.der"
    if options.artifact:
        return output, _named(options.artifact, artifact)
    return output, "" if output == "-" else str(Path(output).with_name(artifact))


def _named(place: str, name: str) -> str:
    """The file itself, or the one of that name in a folder, which need not be there where it is written as one."""
    is_folder = place != "-" and (place.endswith(("/", os.sep)) or Path(place).is_dir())
    return str(Path(place, name)) if is_folder else place


def _import(options: argparse.Namespace) -> int:
    expected = expected_identity(options)
    if (expected is None) != options.any_identity:
        raise UsageError(
            "identity-missing" if expected is None else "identity-twice",
            "say who is expected: --certificate-identity and --certificate-oidc-issuer, or --any-identity",
        )
    artifact = read_file(options.artifact, MAX_ARTIFACT_BYTES)
    armored = signature_from_bundle(parse_bundle(read_file(options.bundle, MAX_BUNDLE_BYTES)), artifact)
    settings = wiring.load_settings()
    with wiring.repository(settings) as repository:
        chosen = verifier(settings, repository, file=options.trusted_root, offline=options.offline)
        signed, oid = _read(repository, options.revision)
        verified = chosen.verify(signed.payload, armored, object_id=oid, expected=expected)
        print(
            printable(f"{signed.kind} {oid}: signed by {verified.identity}, vouched for by {verified.issuer}"),
            file=sys.stderr,
        )
        if not options.write:
            sys.stdout.write(armored.decode("ascii"))
            return 0
        join = join_commit if signed.kind == "commit" else join_tag
        data = join(signed.payload, armored, repository.algorithm)
        written = repository.run(["hash-object", "-t", signed.kind, "-w", "--stdin"], stdin=data)
    print(written.decode("ascii").strip())
    return 0


def _read(repository: GitRepository, word: str) -> tuple[SignedObject, str]:
    revisions = repository.resolve([word])
    if len(revisions) != 1:
        raise UsageError("revision-several", f"{word} names {len(revisions)} revisions, one is asked for")
    stored = repository.read(revisions[0].oid)
    signed = split_stored(repository, stored)
    check_named(signed, revisions[0], repository)
    return signed, stored.oid


def _write(name: str, data: bytes) -> None:
    try:
        if name == "-":
            sys.stdout.buffer.write(data)
        else:
            Path(name).write_bytes(data)
    except OSError as error:
        raise UsageError("file-unwritable", f"cannot write {name}: {error.strerror or os.strerror(0)}") from error
