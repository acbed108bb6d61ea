"""The checks of docs/verification.md that a log's entry allows by itself, under the numbers of their steps.

An entry holds digest, signature and certificate, and not what was signed: the signature is checked over the digest, and
whose commit it is stays open.
"""

from datetime import datetime

from gitsign_py.core.pki.certificate import parse_certificate
from gitsign_py.core.tlog.logentry import LogEntry
from gitsign_py.core.tlog.tlogproof import verify_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, GitsignError
from gitsign_py.monitor.decode import SeenEntry
from gitsign_py.verification.logged import integrated_times
from gitsign_py.verification.result import ProvenTime
from gitsign_py.verification.signer import check_signer, check_validity
from gitsign_py.verification.steps import Report


def check_entry(
    report: Report, entry: LogEntry, seen: SeenEntry, root: TrustedRoot, *, now: datetime
) -> GitsignError | None:
    """Make every check that can be made, the later ones where an earlier one failed too; gives the first refusal."""
    refusals: list[GitsignError] = []
    times: tuple[ProvenTime, ...] = ()
    try:
        times = _logged(report, entry, root, now)
    except GitsignError as error:
        refusals.append(error)
    try:
        _signed(report, seen, root, times)
    except GitsignError as error:
        refusals.append(error)
    return refusals[0] if refusals else None


def _logged(report: Report, entry: LogEntry, root: TrustedRoot, now: datetime) -> tuple[ProvenTime, ...]:
    with report.step("4.3") as facts:
        proven = verify_entry(entry, (entry.body,), root.tlogs)
        facts["log"], facts["log_index"] = proven.log.base_url, entry.log_index
        facts["tree_size"] = proven.checkpoint.size
        return integrated_times(entry, proven.log.base_url, now) if proven.promised else ()


def _signed(report: Report, seen: SeenEntry, root: TrustedRoot, times: tuple[ProvenTime, ...]) -> None:
    if seen.problem:
        with report.step("4.2"):
            raise FormatError("log-body-malformed", f"entry cannot be read: {seen.problem}")
    signers = [one for one in seen.signers if one.certificate]
    if not signers:
        report.skip("2.1", "the entry names a bare key, which no CA vouches for")
        return
    certificate = parse_certificate(signers[0].certificate)
    signer = check_signer(report, certificate, (), root)
    if seen.signature:
        algorithm, _, digest = seen.digest.partition(":")
        with report.step("3.2") as facts:
            facts["digest"] = seen.digest
            certificate.public_key.verify_digest(seen.signature, bytes.fromhex(digest), algorithm)
    if times:
        check_validity(report, signer, times)
    else:
        report.skip("5.3", "the entry states no time: a timestamp is with the signature")
