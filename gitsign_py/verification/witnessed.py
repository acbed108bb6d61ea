"""Step 4.4: the checkpoint behind a log entry is cosigned as a witness policy says, and when its witnesses had seen it.

Without a policy nobody is a witness, and the step is not made.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.tlog.tlogproof import VerifiedEntry
from gitsign_py.errors import VerificationError
from gitsign_py.verification.result import CLOCK_SKEW, ProvenTime
from gitsign_py.verification.steps import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy


def check_witnesses(
    report: Report, policy: "WitnessPolicy | None", entry: LogEntry, proven: VerifiedEntry, *, now: datetime
) -> tuple[ProvenTime, ...]:
    """Hold the checkpoint of a proven entry against the policy. Raises VerificationError with step 4.4."""
    if policy is None:
        return ()
    from gitsign_py.core.tlog.cosigned import check_cosigned  # noqa: PLC0415 - for those who have a policy

    with report.step("4.4") as facts:
        facts["quorum"] = policy.quorum
        envelope = entry.inclusion_proof.checkpoint if entry.inclusion_proof is not None else b""
        latest = int((now + CLOCK_SKEW).timestamp())
        found = check_cosigned(policy, envelope, proven.checkpoint, proven.log.public_key, latest=latest)
        facts["witnesses"] = found.names
        if found.time is None:
            return ()
        time = datetime.fromtimestamp(found.time, UTC)
        facts["time"] = format_rfc3339(time)
        return (ProvenTime(time, "witness", found.names),)


def refuse_unwitnessed(report: Report, policy: "WitnessPolicy | None") -> None:
    """Refuse what has no checkpoint where a policy asks for cosignatures: there is nothing to cosign.

    Raises VerificationError ``checkpoint-missing``, step 4.4.
    """
    if policy is not None and policy.requires and policy.logs:
        with report.step("4.4"):
            raise VerificationError("checkpoint-missing", "there is no checkpoint of a log that witnesses could cosign")


def telling(
    witnessed: Iterable[ProvenTime], others: Iterable[ProvenTime], certificate: Certificate
) -> tuple[ProvenTime, ...]:
    """The times of witnesses that say something about the signing.

    A witness says that the entry was there by then. A checkpoint that was fetched later has later cosignatures: after
    the certificate's end they say nothing, unless nothing else proves a time.
    """
    alone = not tuple(others)
    return tuple(one for one in witnessed if alone or one.time <= certificate.not_after)
