"""What all report formats share: the heading, the protocol, and how a record is put in words."""

from typing import Any, Protocol

from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch
from gitsign_py.audit.rollup import Rollup
from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import escaped

_MAX_BRANCHES = 10


@frozen
class Heading:
    """What was audited, by what: words for people and digests for machines."""

    repository: str
    revisions: tuple[str, ...]
    policy: str
    policy_digest: str
    trust_root: str
    trust_root_digest: str
    version: str
    time: str
    notices: tuple[str, ...] = ()

    def as_object(self) -> dict[str, Any]:
        """The heading as JSON."""
        return {
            "repository": self.repository,
            "revisions": list(self.revisions),
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "trusted_root": self.trust_root,
            "trusted_root_digest": self.trust_root_digest,
            "version": self.version,
            "time": self.time,
            "notices": list(self.notices),
        }


class ReportFormat(Protocol):
    """A format. Records are written as they come; none keeps them."""

    def begin(self, heading: Heading) -> None:
        """Write what stands first."""
        ...

    def record(self, record: Record) -> None:
        """Write one record."""
        ...

    def records(self, records: Batch) -> None:
        """Write several."""
        for record in records:
            self.record(record)

    def end(self, rollup: Rollup) -> None:
        """Write the sums, and close what is open."""
        ...

    def close(self) -> None:
        """Let go of what the format holds, also where the audit ends by an error."""
        return  # most hold nothing


def sentence(record: Record) -> str:
    """Why a record has its verdict, on one line of printable text."""
    words = record.message or record.reason or record.verdict
    return escaped(words)


def summary_lines(rollup: Rollup) -> list[str]:
    """The sums in plain words."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in rollup.verdicts.most_common())
    lines = [f"{rollup.total} judged{': ' + counts if counts else ''}", f"coverage {rollup.coverage:.1f} %"]
    refs = rollup.by_ref()
    if len(refs) > 1:
        counts = ", ".join(f"{escaped(ref)} {sums.accepted} of {sums.commits}" for ref, sums in refs[:_MAX_BRANCHES])
        more = len(refs) - _MAX_BRANCHES
        lines.append(f"by ref: {counts}" + (f" and {more} more refs" if more > 0 else ""))
    run = rollup.longest_run()
    if run.length > 1:
        lines.append(f"longest unsigned run: {run.length} commits, {run.first[:12]} to {run.last[:12]}")
    return lines
