"""``gitsign-py identities``: everybody and every key that ever signed here, and with which certificates."""

import argparse
import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.inventory import Inventory, IssuedCertificate, SeenCertificate, Signer, Use
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
  gitsign-py identities --log ct --log rekor1        certificates issued, and which were used

exit status: 0 done, 2 usage or configuration, 3 a part of the history is not here"""
_COLUMNS = ("identity", "issuer", "kind", "proven", "signatures", "first", "last", "refs")
_OF_CERTIFICATE = ("fingerprint", "serial", "not_before", "not_after", "log_index")
_OF_ISSUED = (*_OF_CERTIFICATE, "ct_log", "ct_index", "use")
_USES: dict[Use, str] = {
    "here": "used here",
    "elsewhere": "used elsewhere",
    "unused": "unused",
    "unknown": "not used here, and no signature log was read whole",
}


def run(arguments: list[str]) -> int:
    """Run the command; gives the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.has_logs = bool(options.log or options.log_from)
    if options.log and options.offline:
        parser.error("--log asks logs over the network, and --offline forbids it: name a replica (--log-from)")
    if options.identity and not options.has_logs:
        parser.error("--identity looks for certificates in logs: name some with --log or --log-from")
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
            certificate = _certificate(repository, record) if options.certificates or options.has_logs else None
            inventory.add(record, _time(record), certificate)
        if options.has_logs:
            from gitsign_py.cli.issuedcertificates import add_issued  # noqa: PLC0415 - the logs, for who asks

            add_issued(inventory, options, settings)
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
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="KIND[=URL]",
        help="look for certificates and their use in this log",
    )
    parser.add_argument("--log-from", type=Path, metavar="DIR", help="the same in replicas, without the network")
    parser.add_argument(
        "--identity",
        action="append",
        default=[],
        metavar="NAME",
        help="look for this name too, which may never have signed here",
    )
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
    from gitsign_py.core.tlog.sct import precertificate_tbs  # noqa: PLC0415 - cryptography, for who asks
    from gitsign_py.verification.signature import open_signature  # noqa: PLC0415

    try:
        signed = split_stored(repository, repository.read(record.oid))
        found = open_signature(signed.signature or b"").certificate
    except GitsignError:
        return None
    dates = format_rfc3339(found.not_before), format_rfc3339(found.not_after)
    tbs = hashlib.sha256(precertificate_tbs(found)).hexdigest()
    return SeenCertificate(found.fingerprint, f"{found.serial:x}", *dates, record.log_index, tbs)


def _write(signers: list[Signer], options: argparse.Namespace, out: TextIO) -> None:
    if options.format == "json":
        value = [signer.as_object(certificates=options.certificates, issued=options.has_logs) for signer in signers]
        out.write(json.dumps(value, indent=2) + "\n")
    elif options.format == "csv":
        writer = csv.writer(out, lineterminator="\r\n")
        more = _OF_ISSUED if options.has_logs else _OF_CERTIFICATE if options.certificates else ()
        writer.writerow((*_COLUMNS, *more))
        writer.writerows(_rows(signers, more))
    else:
        out.writelines(f"{line}\n" for line in _lines(signers, options))


def _rows(signers: Iterable[Signer], more: tuple[str, ...]) -> Iterator[list[object]]:
    """A line for each signer, or for each of their certificates with the columns ``more``."""
    for signer in signers:
        value = signer.as_object(certificates=False)
        value["refs"] = " ".join(value["refs"])
        own = [cell(value[name]) for name in _COLUMNS]
        found = _certificates(signer, issued=more == _OF_ISSUED) if more else []
        for one in found or [{}]:
            yield [*own, *(cell(one.get(name, "")) for name in more)]


def _certificates(signer: Signer, *, issued: bool) -> list[dict[str, Any]]:
    """Certificates out of signatures and, with ``issued``, those of the CT logs; one that is in both stands once."""
    seen = {one.tbs: one.as_object() for one in signer.certificates.values()}
    if not issued:
        return list(seen.values())
    logged = [{**one.as_object(), **seen.pop(one.tbs, {})} for one in signer.issued]
    return [*logged, *({**one, "use": "here"} for one in seen.values())]


def _lines(signers: list[Signer], options: argparse.Namespace) -> Iterator[str]:
    for signer in signers:
        word = "proven " if signer.proven else "claimed" if signer.commits else "issued "
        who = escaped(signer.identity) or "(no name)"
        yield f"{signer.commits:>6} {word} {signer.kind:<8} {who}"
        if signer.issuer:
            yield f"{'':24}by {escaped(signer.issuer)}"
        if signer.commits:
            yield f"{'':24}{signer.first[:10] or 'unknown'} to {signer.last[:10] or 'unknown'}, on {_refs(signer)}"
        yield from _issued_lines(signer, every=options.certificates)
        for one in signer.certificates.values() if options.certificates else ():
            yield f"{'':24}certificate {one.serial}, {one.not_before} to {one.not_after}, log {one.log_index}"
            yield f"{'':26}sha256 {one.fingerprint}"
    proven = sum(signer.proven for signer in signers)
    claimed = sum(not signer.proven and signer.commits > 0 for signer in signers)
    noun = "signer" if proven + claimed == 1 else "signers"
    yield f"{proven + claimed} {noun}: {proven} proven by good signatures, {claimed} only claimed"
    if options.has_logs:
        yield _sum(one for signer in signers for one in signer.issued)


def _issued_lines(signer: Signer, *, every: bool) -> Iterator[str]:
    """How many certificates the CT logs show, and those that nothing here used."""
    if signer.issued:
        yield f"{'':24}{_sum(signer.issued)}"
    for one in signer.issued:
        if every or one.use != "here":
            by = f" by log entry {one.log_index}" if one.use == "elsewhere" else ""
            yield f"{'':26}{one.use}{by}: {one.serial}, {one.not_before} to {one.not_after}, CT log {one.ct_index}"


def _sum(issued: Iterable[IssuedCertificate]) -> str:
    counts = Counter(one.use for one in issued)
    parts = [f"{counts[use]} {words}" for use, words in _USES.items() if counts[use]]
    return f"{counts.total()} certificates issued" + (f": {', '.join(parts)}" if parts else "")


def _refs(signer: Signer) -> str:
    names = [escaped(name) for name, _ in sorted(signer.refs.items(), key=lambda item: -item[1])]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
