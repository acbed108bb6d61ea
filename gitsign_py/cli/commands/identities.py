"""``gitsign-py identities``: everybody and every key that ever signed here, and with which certificates."""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TextIO

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.inventory import Inventory, SeenCertificate, Signer
from gitsign_py.audit.plan import AuditPlan, Target, read_refs, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.forges import cell
from gitsign_py.cli import auditing, optiontypes, wiring
from gitsign_py.cli.helptext import HelpFormatter
from gitsign_py.cli.outputfile import output_file
from gitsign_py.cli.ownconfig import add_isolated, tell, trust_said_by_repository
from gitsign_py.cli.text import write_utf8
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.printing import escaped
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.host.progress import counted

_DESCRIPTION = """Take stock of who signed: each identity and each key, proven by a good signature or only claimed by
one that is not good, how often, when first and last, and for which refs commits were counted. No policy is asked."""
_EPILOG = """examples:
  gitsign-py identities                              all refs and tags
  gitsign-py identities --certificates --format csv main
  gitsign-py identities --format json --output signers.json

exit status: 0 done, 2 usage or configuration, 3 a part of the history is not here"""
_COLUMNS = ("identity", "issuer", "kind", "proven", "signatures", "first", "last", "refs")
_OF_CERTIFICATE = ("fingerprint", "serial", "not_before", "not_after", "log_index")


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    settings = wiring.load_settings(isolated=options.isolated)
    inventory = Inventory()
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        audit_options = auditing.AuditOptions(options.trusted_root, options.offline)
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        tell(trust_said_by_repository(settings, prepared.trust_digest, option=options.trusted_root))
        targets, exclude = _targets(repository, options.revisions)
        records = audit_history(repository, AuditPlan(targets, exclude), prepared.resources)
        for record in counted(records, auditing.stderr_terminal()):
            certificate = _certificate(repository, record) if options.certificates else None
            inventory.add(record, _time(record), certificate)
    with output_file(options.output) as out:
        if out is sys.stdout:
            write_utf8()
        _write(list(inventory.signers()), options, out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py identities",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("revisions", nargs="*", metavar="REV", help="branches, commits or ranges (all refs and tags)")
    parser.add_argument("--certificates", action="store_true", help="list the certificates of each identity too")
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text", help="default: text")
    parser.add_argument("--output", type=optiontypes.given, metavar="FILE", help="write it there, whole or not at all")
    parser.add_argument("--trusted-root", metavar="FILE", help="the trusted_root.json to believe")
    add_isolated(parser)
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    return parser


def _targets(repository: GitRepository, revisions: list[str]) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    return resolve_targets(repository, tuple(revisions)) if revisions else (read_refs(repository), ())


def _time(record: Record) -> str:
    """The proven time, else what the commit says itself; nothing for what no calendar holds."""
    if record.time or record.committed is None:
        return record.time
    try:
        return format_rfc3339(datetime.fromtimestamp(record.committed, UTC))
    except (ValueError, OverflowError, OSError):
        return ""


def _certificate(repository: GitRepository, record: Record) -> SeenCertificate | None:
    """The certificate that the signature itself holds; only a Sigstore or X.509 one has a certificate."""
    if record.format not in ("sigstore", "x509"):
        return None
    from gitsign_py.verification.signature import open_signature  # noqa: PLC0415 - cryptography, for who asks

    try:
        signed = split_stored(repository, repository.read(record.oid))
        found = open_signature(signed.signature or b"").certificate
    except GitsignError:
        return None
    dates = format_rfc3339(found.not_before), format_rfc3339(found.not_after)
    return SeenCertificate(found.fingerprint, f"{found.serial:x}", *dates, record.log_index)


def _write(signers: list[Signer], options: argparse.Namespace, out: TextIO) -> None:
    if options.format == "json":
        value = [signer.as_object(certificates=options.certificates) for signer in signers]
        out.write(json.dumps(value, indent=2) + "\n")
    elif options.format == "csv":
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow((*_COLUMNS, *_OF_CERTIFICATE) if options.certificates else _COLUMNS)
        writer.writerows(_rows(signers, certificates=options.certificates))
    else:
        out.writelines(f"{line}\n" for line in _lines(signers, certificates=options.certificates))


def _rows(signers: Iterable[Signer], *, certificates: bool) -> Iterator[list[object]]:
    """A line for each signer, or for each of their certificates."""
    for signer in signers:
        value = signer.as_object(certificates=certificates)
        value["refs"] = " ".join(value["refs"])
        own = [cell(value[name]) for name in _COLUMNS]
        for one in signer.certificates.values() if certificates else ():
            yield [*own, *(cell(one.as_object()[name]) for name in _OF_CERTIFICATE)]
        if not certificates or not signer.certificates:
            yield [*own, *([""] * len(_OF_CERTIFICATE) if certificates else [])]


def _lines(signers: list[Signer], *, certificates: bool) -> Iterator[str]:
    for signer in signers:
        word = "proven " if signer.proven else "claimed"
        who = escaped(signer.identity) or "(no name)"
        yield f"{signer.commits:>6} {word} {signer.kind:<8} {who}"
        if signer.issuer:
            yield f"{'':24}by {escaped(signer.issuer)}"
        yield f"{'':24}{signer.first[:10] or 'unknown'} to {signer.last[:10] or 'unknown'}, on {_refs(signer)}"
        for one in signer.certificates.values() if certificates else ():
            yield f"{'':24}certificate {one.serial}, {one.not_before} to {one.not_after}, log {one.log_index}"
            yield f"{'':26}sha256 {one.fingerprint}"
    proven = sum(signer.proven for signer in signers)
    yield f"{len(signers)} signers: {proven} proven by good signatures, {len(signers) - proven} only claimed"


def _refs(signer: Signer) -> str:
    names = [escaped(name) for name, _ in sorted(signer.refs.items(), key=lambda item: -item[1])]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
