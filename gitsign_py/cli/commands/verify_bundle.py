"""``gitsign-py verify-bundle --bundle FILE ... ARTIFACT``: check a Sigstore bundle over a file or a digest.

Exit status 0 when every step passed, 1 when one did not, 2 for usage, 3 when one could not be made.
"""

import argparse
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsign_py.cli import wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.identityoptions import add_identity_options, expected_identity
from gitsign_py.cli.judgement import log_object, refusal_object, sources_object, step_object, time_object
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.text import exit_status, line_of
from gitsign_py.clients.trustroot import embedded, read_bounded
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.pki.keys import PublicKey, load_pem
from gitsign_py.core.printing import printable
from gitsign_py.core.sigstore.bundle import MAX_BUNDLE_BYTES
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ConfigError, FormatError, GitsignError, UsageError
from gitsign_py.verification.bundle import (
    BUNDLE_TITLES,
    Artifact,
    VerifiedBundle,
    artifact_of,
    artifact_of_digest,
    verify_bundle,
)
from gitsign_py.verification.identity import ExpectedIdentity
from gitsign_py.verification.renewal import Renew, checked
from gitsign_py.verification.result import logged_at
from gitsign_py.verification.steps import Report, Requirements, Step
from gitsign_py.verification.verdict import verdict_of

if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy

_EPILOG = """\
examples:
  gitsign-py verify-bundle --bundle app.sigstore.json --certificate-identity alice@example.com \\
      --certificate-oidc-issuer https://accounts.example.com app.tar.gz
  gitsign-py verify-bundle --bundle app.sigstore.json --key cosign.pub sha256:9f86d081884c7d659a2feaa0c55ad015...

A digest (sha256:, sha384: or sha512: and hex) stands for the file, unless a file has that name.

exit status: 0 verified, 1 not verified, 2 usage, 3 could not be checked
"""
_DIGEST = re.compile(r"(sha256|sha384|sha512):([0-9A-Fa-f]+)\Z")
_MARKS = {"passed": "ok", "failed": "FAILED", "unchecked": "not checked", "skipped": "left out"}
MAX_ARTIFACT_BYTES = 1 << 30


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py verify-bundle``."""
    options = _parser().parse_args(arguments)
    expected = _who(options)
    bundle, artifact = read_file(options.bundle, MAX_BUNDLE_BYTES), read_artifact(options.artifact)
    report = Report()
    sources: tuple[str, ...] = ()
    try:
        root, sources, renew, witnesses = _trusted_root(options)
        tell(sources)
        verified = checked(
            root,
            renew,
            lambda one: verify_bundle(
                bundle,
                artifact=artifact,
                trusted_root=one,
                now=wiring.now(),
                expected=expected,
                requirements=Requirements(sct=not options.insecure_ignore_sct, witnesses=witnesses),
                report=report,
            ),
            report,
        )
    except (ConfigError, UsageError):
        raise
    except GitsignError as error:
        words = "not verified" if verdict_of(error) == "bad" else "could not be checked"
        _show(options, report.steps, refusal_object(error) | sources_object(sources), f"{words}: {line_of(error)}")
        return exit_status(error)
    _show(options, report.steps, bundle_object(verified) | sources_object(sources), f"verified: {_headline(verified)}")
    return 0


def _who(options: argparse.Namespace) -> ExpectedIdentity | PublicKey | None:
    expected = expected_identity(options)
    if options.key is not None:
        if expected is not None or options.any_identity:
            raise UsageError("identity-twice", "--key names a managed key: no identity goes with it")
        return _read_key(options.key)
    if (expected is None) != options.any_identity:
        raise UsageError(
            "identity-missing" if expected is None else "identity-twice",
            "say who is expected: --certificate-identity and --certificate-oidc-issuer, --key, or --any-identity",
        )
    return expected


def _read_key(path: str) -> PublicKey:
    try:
        return load_pem(read_bounded(path, "--key"))
    except FormatError as error:
        raise ConfigError("key-file", f"--key {path}: {error.message}") from error


def _trusted_root(
    options: argparse.Namespace,
) -> tuple[TrustedRoot, tuple[str, ...], Renew | None, "WitnessPolicy | None"]:
    """The root, what the repository's own configuration said of it, what may renew it, and the witnesses' policy.

    With ``--staging`` that configuration is not even read.
    """
    if options.trusted_root is None and options.staging:
        return embedded("staging").root, (), None, None
    settings = wiring.load_settings(isolated=options.isolated)
    root = wiring.trusted_root(settings, file=options.trusted_root, offline=options.offline)
    renew = wiring.renewal(settings, root, file=options.trusted_root, offline=options.offline)
    said = trust_said_by_repository(settings, root.digest, option=options.trusted_root)
    return root, said, renew, wiring.witness_policy(settings)


def read_artifact(name: str) -> Artifact:
    """Make the artifact that the command line names: a file, or a digest when no file has that name.

    Raises UsageError ``file-unreadable``.
    """
    match = _DIGEST.match(name)
    if match and not os.path.lexists(name):
        with suppress(FormatError, ValueError):
            return artifact_of_digest(match[1], bytes.fromhex(match[2]))
    return artifact_of(read_file(name, MAX_ARTIFACT_BYTES))


def read_file(name: str, most: int) -> bytes:
    """Read a file of at most ``most`` bytes. Raises UsageError ``file-unreadable``, FormatError ``file-too-large``."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError("file-unreadable", f"cannot read {name[:200]}: {why}") from error
    if len(data) > most:
        raise FormatError("file-too-large", f"{name[:200]} has more than {most} bytes")
    return data


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py verify-bundle",
        description="Check a Sigstore bundle (versions 0.1 to 0.3) over a file or its digest.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("artifact", metavar="FILE|sha256:DIGEST", help="the file that the bundle signs, or its digest")
    parser.add_argument("--bundle", metavar="FILE", required=True, help="the bundle's JSON")
    add_identity_options(parser)
    parser.add_argument("--any-identity", action="store_true", help="accept any signer, and print the identity")
    parser.add_argument("--key", metavar="FILE", help="PEM public key, for bundles by a managed key")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    parser.add_argument("--staging", action="store_true", help="believe Sigstore's staging instance")
    parser.add_argument("--insecure-ignore-sct", action="store_true", help="do not ask for a CT log's promise")
    add_isolated(parser)
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    parser.add_argument("--json", action="store_true", help="print JSON (docs/schemas/verify-bundle.json)")
    parser.add_argument("-q", "--quiet", action="store_true", help="one line")
    return parser


def _show(options: argparse.Namespace, steps: list[Step], facts: dict[str, Any], headline: str) -> None:
    if options.json:
        verdict = facts.pop("verdict")
        asked = {"bundle": options.bundle, "artifact": options.artifact, "verdict": verdict}
        print(json.dumps({**asked, "steps": [_step(step) for step in steps], **facts}, indent=2, ensure_ascii=False))
        return
    print(printable(headline))
    for step in () if options.quiet else steps:
        shown = step.message or ", ".join(f"{name} {value}" for name, value in step.facts.items())
        line = BUNDLE_TITLES[step.number] + (f" ({shown})" if shown else "")
        print(f"  {step.number}  {_MARKS[step.outcome]:<11} {printable(line)}")


def _headline(verified: VerifiedBundle) -> str:
    if verified.identity is None:
        return f"signed by the key {verified.key.key_id.hex()}"
    note = "" if verified.identity_checked else " (identity accepted as it is: --any-identity)"
    time = format_rfc3339(min(proven.time for proven in verified.times))
    unlogged = "" if verified.entries else f", {logged_at(None)}"
    return f"signed by {verified.identity}, vouched for by {verified.issuer}, at {time}{unlogged}{note}"


def _step(step: Step) -> dict[str, Any]:
    return {**step_object(step), "title": BUNDLE_TITLES[step.number]}


def bundle_object(verified: VerifiedBundle) -> dict[str, Any]:
    """The proven facts, named as in ``verify --json`` where it is the same; ``logs`` stands for ``log``."""
    statement = verified.statement
    times = [time_object(proven) for proven in verified.times]
    return {
        "verdict": "verified",
        "identity": verified.identity,
        "san_type": verified.san_type,
        "issuer": verified.issuer,
        "identity_checked": verified.identity_checked,
        "claims": dict(verified.claims),
        "certificate": verified.certificate.fingerprint if verified.certificate else None,
        "key": verified.key.key_id.hex(),
        "time": min(proven["time"] for proven in times) if times else None,
        "times": times,
        "logs": [{"kind": entry.kind, **log_object(entry)} for entry in verified.entries],
        "predicate_type": statement.predicate_type if statement else None,
        "trusted_root": verified.trusted_root_digest,
    }
