"""``gitsign-py initialize``: fetch the trust root by TUF and keep it, as cosign and gitsign do.

Afterwards verifying uses the kept copy, with no network until it expires.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.clients import tuf
from gitsign_py.clients.renewal import Copy, note_failure, refresh
from gitsign_py.clients.trustroot import MIRRORS, embedded_tuf_root, kept_copy, read_bounded
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.printing import printable
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.errors import ConfigError, GitsignError, UncheckedError, UsageError
from gitsign_py.host.config import Trust
from gitsign_py.host.paths import tuf_directory, tuf_place
from gitsign_py.host.tufplace import note_forgotten, note_kept

_EPILOG = """\
examples:
  gitsign-py initialize
  gitsign-py initialize --mirror https://tuf.example.com --root root.json
  gitsign-py initialize --refresh         (what is newer, for the copy that is kept)
  gitsign-py initialize --forget          (the trust root of this package counts again)

A fetch that fails leaves the copy that was there.
TUF_ROOT names another directory for the copy, TUF_MIRROR another repository, TUF_ROOT_JSON its root.json.
exit status: 0 done, 2 usage or configuration, 3 expired, rolled back, tampered with, or not reached
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py initialize``."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings()
    if options.refresh:
        return _refresh(options, settings)
    if options.forget:
        return _forget(options, tuf_place(settings.environment))
    mirror, root = _start(options, settings.config.trust)
    directory = tuf_directory(settings.environment)
    with _advised(mirror, root):
        targets = tuf.initialize(
            mirror,
            root,
            directory,
            check=lambda fetched: parse_trusted_root(fetched.trusted_root),
            network=wiring.network(settings),
        )
    note_kept(directory)
    trusted_root = parse_trusted_root(targets.trusted_root)
    if options.json:
        print(json.dumps(_facts(targets, trusted_root, str(directory)), indent=2))
        return 0
    print(printable(f"trust root of {mirror} is kept in {directory}, valid until {format_rfc3339(targets.expires)}"))
    print(printable(_summary(trusted_root)))
    for name in trusted_root.unsupported:
        print(printable(f"left out, since its algorithm is not supported: {name}"))
    return 0


def _refresh(options: argparse.Namespace, settings: wiring.Settings) -> int:
    """Fetch what is newer for the copy that is kept; another process may do so at the same time."""
    if options.staging or options.mirror or options.root or options.forget:
        raise UsageError("option-conflict", "--refresh goes together with --json alone")
    copy = Copy(*kept_copy(settings.config.trust, settings.environment))
    directory = copy.directory
    before = tuf.load_version(directory)
    try:
        refresh(copy, wiring.network(settings))
    except GitsignError as error:
        note_failure(directory, error.message)
        raise
    after = tuf.load_version(directory)
    text = f"the trust root in {directory} is of version {after}" + ("" if after != before else ", as before")
    print(json.dumps({"directory": str(directory), "version": after}) if options.json else printable(text))
    return 0


def _forget(options: argparse.Namespace, directory: Path) -> int:
    if options.staging or options.mirror or options.root:
        raise UsageError("option-conflict", "--forget does not go together with --mirror, --root or --staging")
    tuf.forget(directory)
    note_forgotten(directory)
    text = printable(f"the trust root in {directory} is forgotten: the one of this package counts again")
    print(json.dumps({"directory": str(directory), "forgotten": True}, indent=2) if options.json else text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py initialize",
        description="Fetch the trust root by TUF, check it, and keep it for verifying without a network.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--mirror", metavar="URL", help="the TUF repository (Sigstore's public good one)")
    parser.add_argument("--root", metavar="FILE", help="its root.json, the first thing to trust (the embedded one)")
    parser.add_argument("--staging", action="store_true", help="Sigstore's staging instance")
    parser.add_argument("--refresh", action="store_true", help="fetch newer metadata for the copy that is kept")
    parser.add_argument("--forget", action="store_true", help="remove the copy that is kept, for good")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _start(options: argparse.Namespace, trust: Trust) -> tuple[str, bytes]:
    """Mirror and first root. Another mirror with the embedded root is a mirror of the public good repository.

    TUF_ROOT_JSON is the root of TUF_MIRROR, as in cosign, and says nothing about a mirror that --mirror names.
    """
    if options.staging:
        if options.mirror or options.root:
            raise UsageError("option-conflict", "--staging does not go together with --mirror or --root")
        return tuf.STAGING_MIRROR, embedded_tuf_root("staging")
    mirror = options.mirror or trust.tuf_mirror or tuf.PUBLIC_GOOD_MIRROR
    if options.root is not None and options.root.startswith(("http://", "https://")):
        raise UsageError(
            "root-is-url",
            "--root names a URL, and a root.json is to be trusted because of where it came from, not by its address",
            hint="fetch it, compare its SHA-256 with the one that the operator gives you, and give --root FILE",
        )
    if options.root is not None:
        return mirror, _first_root(options.root, "--root")
    if trust.tuf_root_json is not None and mirror == trust.tuf_mirror:
        return mirror, _first_root(str(trust.tuf_root_json), "TUF_ROOT_JSON")
    return mirror, embedded_tuf_root()


def _first_root(path: str, source: str) -> bytes:
    """The file's bytes, where they look like a TUF root: what is wrong with them is not the mirror's fault."""
    data = read_bounded(path, source)
    try:
        kind = json.loads(data)["signed"]["_type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        kind = ""
    if kind != "root":
        raise ConfigError(
            "trust-root-file",
            f"{source} names {path[:200]}, which is no root.json of a TUF repository",
            hint="the operator of the instance gives it out; a local Sigstore has it beside its trusted_root.json",
        )
    return data


@contextmanager
def _advised(mirror: str, root: bytes) -> Iterator[None]:
    """Say what to do where another repository does not begin with the embedded root: its own was forgotten."""
    try:
        yield
    except UncheckedError as error:
        if mirror in MIRRORS.values() or root != embedded_tuf_root():
            raise
        hint = f"if {mirror} is no mirror of the public good one: give its first root.json with --root FILE"
        raise UncheckedError(error.reason, error.message, hint=hint, facts=error.facts) from error


def _summary(root: TrustedRoot) -> str:
    return (
        f"{len(root.certificate_authorities)} certificate authorities, {len(root.tlogs)} transparency logs, "
        f"{len(root.ctlogs)} CT logs, {len(root.timestamp_authorities)} timestamp authorities"
    )


def _facts(targets: tuf.TufTargets, root: TrustedRoot, directory: str) -> dict[str, object]:
    return {
        "mirror": targets.mirror,
        "directory": directory,
        "root_version": targets.root_version,
        "timestamp_version": targets.timestamp_version,
        "expires": format_rfc3339(targets.expires),
        "trusted_root": root.digest,
        "signing_config": targets.signing_config is not None,
        "unsupported": list(root.unsupported),
    }
