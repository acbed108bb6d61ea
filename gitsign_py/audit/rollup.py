"""Sums over a history: by identity, issuer, format, author against signer, branch and month; coverage and runs.

Memory grows with the number of different people and months, never with the number of commits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from gitsign_py.audit.causes import Causes
from gitsign_py.audit.record import Record
from gitsign_py.audit.recording import Batch, UnsignedRun
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.frozen import field, slotted
from gitsign_py.policy.facts import ACCEPTED, VERDICTS

NEW_DAYS = 30
_MAX_KINDS = 20_000  # authors beyond that are counted together
_MAX_DAYS = 40_000
_DAY = 86_400  # seconds
_TAGS = "refs/tags/"
_UNPROVEN = ("bad", "unchecked", "malformed")


class Run(NamedTuple):
    """Unsigned commits in a row, in the order of the walk."""

    length: int
    first: str
    last: str


@slotted
class Seen:
    """How often, and when first and last (RFC 3339, empty when no time is proven)."""

    commits: int = 0
    first: str = ""
    last: str = ""
    name: str = ""
    """The name that a policy gives them."""

    def add(self, time: str) -> None:
        """Count one."""
        self.commits += 1
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)


@slotted
class Month:
    """Sums, of a month by what commits say themselves, or of a ref: all, and of them those of each figure.

    Accepted ones may stay, exemptions included; of those that are exempt nothing was judged.
    """

    commits: int = 0
    accepted: int = 0
    verified: int = 0
    exempt: int = 0
    unchecked: int = 0

    @property
    def judged(self) -> int:
        """Those about which something else than an exemption decided."""
        return self.commits - self.exempt

    def add(self, verdict: str, many: int) -> None:
        """Count records of one verdict."""
        self.commits += many
        self.accepted += many * (verdict in ACCEPTED)
        self.verified += many * (verdict == "verified")
        self.exempt += many * (verdict == "exempt")
        self.unchecked += many * (verdict == "unchecked")

    def add_all(self, other: "Month") -> None:
        """Add another's sums."""
        self.commits += other.commits
        self.accepted += other.accepted
        self.verified += other.verified
        self.exempt += other.exempt
        self.unchecked += other.unchecked

    def as_object(self) -> dict[str, int]:
        """The sums as JSON."""
        figures = {"verified": self.verified, "accepted": self.accepted, "judged": self.judged}
        return {"commits": self.commits, **figures, "unchecked": self.unchecked}


class _Kind(NamedTuple):
    """The keys that commits are counted by; the sums of a report are sums over these."""

    verdict: str
    reason: str
    format: str
    author: str
    identity: str
    issuer: str


_shared_of: Callable[[Record], Any] = attrgetter(
    "verdict", "reason", "format", "identity", "issuer", "kind", "ref", "claimed", "principal"
)


@slotted
class Rollup:
    """Add all records, then ask."""

    identities: dict[tuple[str, str], Seen] = field(default_factory=dict)
    branches: dict[str, Month] = field(default_factory=dict)
    tags: int = 0
    longest: Run = field(default_factory=lambda: Run(0, "", ""))
    causes: Causes = field(default_factory=Causes)
    newer_root: tuple[str, str] | None = None
    """Digest and version of the trust root that judged in the end, where the one in the heading was renewed."""
    _kinds: dict[_Kind, int] = field(default_factory=dict)
    _days: dict[int, Month] = field(default_factory=dict)
    _run: int = 0
    _run_first: str = ""
    _run_last: str = ""

    def add(self, records: Batch) -> None:
        """Count records in the order of the walk. A million pass here: those in a row that are alike, at once."""
        if isinstance(records, UnsignedRun):
            self._add_alike(records.first, records.items)
            return
        for _, alike in groupby(records, _shared_of):
            members = list(alike)
            self._add_alike(members[0], members)
            if members[0].identity and members[0].verdict not in _UNPROVEN:
                seen = self.identities.setdefault((members[0].identity, members[0].issuer), Seen())
                seen.name = seen.name or members[0].principal
                for record in members:
                    seen.add(record.time)

    def _add_alike(self, first: Record, members: Sequence[Record | Scanned]) -> None:
        """Count members that have in common what ``first`` says, but for their authors and times."""
        many = len(members)
        kind = _Kind(first.verdict, first.reason, first.format, "", first.identity, first.issuer)
        for author, count in Counter([member.author for member in members]).items():
            self._add_kind(kind._replace(author=author), count)
        days = [member.committed // _DAY for member in members if member.committed is not None]
        for day, count in Counter(days).items():
            self._day(day).add(first.verdict, count)
        self.branches.setdefault(first.ref, Month()).add(first.verdict, many)
        if first.verdict not in ACCEPTED:
            self.causes.add(first, members)
        if first.verdict == "unsigned" and first.kind == "commit":
            self._run_first = self._run_first if self._run else first.oid
            self._run += many
            self._run_last = members[-1].oid
        elif self._run:
            self._end_run()
        self.tags += many * (first.kind == "tag")

    def _add_kind(self, kind: _Kind, count: int) -> None:
        if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
            kind = kind._replace(author="(others)")
        self._kinds[kind] = self._kinds.get(kind, 0) + count

    def _day(self, day: int) -> Month:
        found = self._days.get(day)
        return found or self._days.setdefault(day if len(self._days) < _MAX_DAYS else -1, Month())

    def _end_run(self) -> None:
        if self._run > self.longest.length:
            self.longest = Run(self._run, self._run_first, self._run_last)
        self._run = 0

    def longest_run(self) -> Run:
        """The longest run of unsigned commits, the one that is still going on included."""
        if self._run > self.longest.length:
            return Run(self._run, self._run_first, self._run_last)
        return self.longest

    def _sum(self, *names: str) -> Counter[Any]:
        """Sums by one field of the kinds, or by several together."""
        sums: Counter[Any] = Counter()
        for kind, count in self._kinds.items():
            values = tuple(getattr(kind, name) for name in names)
            sums[values if len(values) > 1 else values[0]] += count
        return sums

    @property
    def verdicts(self) -> Counter[str]:
        """Number of records by verdict."""
        return self._sum("verdict")

    @property
    def months(self) -> dict[str, Month]:
        """Commits by the month that they say themselves."""
        months: dict[str, Month] = {}
        for day, found in self._days.items():
            months.setdefault(_month(day), Month()).add_all(found)
        return months

    def by_ref(self) -> list[tuple[str, Month]]:
        """Sums by ref for people, the largest first; tags, each of which is judged for itself, stand together."""
        sums: dict[str, Month] = {}
        tags = sum(ref.startswith(_TAGS) for ref in self.branches)
        for ref, found in self.branches.items():
            name = f"{tags} tags" if tags > 1 and ref.startswith(_TAGS) else ref
            sums.setdefault(name, Month()).add_all(found)
        return sorted(sums.items(), key=lambda item: -item[1].commits)

    @property
    def total(self) -> int:
        """Number of records."""
        return sum(self._kinds.values())

    @property
    def accepted(self) -> int:
        """Number of records that may stay."""
        return sum(count for kind, count in self._kinds.items() if kind.verdict in ACCEPTED)

    @property
    def verified(self) -> int:
        """Number of records with a good signature by somebody who may sign this: the first figure of every report."""
        return self.verdicts["verified"]

    @property
    def exempt(self) -> int:
        """Number of records that a policy lets pass as they are: by their id, or as older than the introduction."""
        return self.verdicts["exempt"]

    @property
    def judged(self) -> int:
        """Number of records about which something else than an exemption decided."""
        return self.total - self.exempt

    def percent(self, part: int) -> float:
        """The share of all records, rounded down to a tenth: 100 means all of them. Of nothing it is nothing."""
        return part * 1000 // self.total / 10 if self.total else 0.0

    @property
    def coverage(self) -> float:
        """Share of commits and tags that are verified, in percent."""
        return self.percent(self.verified)

    @property
    def exit_status(self) -> int:
        """0 all good, 1 something was refused, 3 nothing was refused but something could not be checked.

        2 where there was nothing at all: an audit of nothing is no success.
        """
        if not self.total:
            return 2
        if self.total == self.accepted:
            return 0
        return 3 if self.total == self.accepted + self.verdicts["unchecked"] else 1

    def new_identities(self) -> list[tuple[str, str]]:
        """Identities first seen within 30 days before the newest proven time."""
        newest = max((seen.last for seen in self.identities.values()), default="")
        if not newest:
            return []
        try:
            since = format_rfc3339(datetime.fromisoformat(newest) - timedelta(days=NEW_DAYS))
        except OverflowError:  # in the calendar's first month everybody is new
            since = ""
        return sorted(who for who, seen in self.identities.items() if seen.first >= since)

    def as_object(self) -> dict[str, Any]:
        """The sums as JSON (docs/schemas/audit-summary.json)."""
        verdicts = self.verdicts
        return {
            "total": self.total,
            "verified": self.verified,
            "accepted": self.accepted,
            "judged": self.judged,
            "coverage_percent": self.coverage,
            "accepted_percent": self.percent(self.accepted),
            "tags": self.tags,
            "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS},
            "reasons": [
                {"verdict": verdict, "reason": reason, "commits": count}
                for (verdict, reason), count in self._sum("verdict", "reason").most_common()
                if verdict not in ACCEPTED
            ],
            "causes": self.causes.as_objects(),
            "formats": {name or "none": count for name, count in self._sum("format").most_common()},
            "identities": [
                {"identity": who, "issuer": issuer, "name": seen.name, "commits": seen.commits}
                | {"first": seen.first, "last": seen.last}
                for (who, issuer), seen in sorted(self.identities.items(), key=lambda item: -item[1].commits)
            ],
            "issuers": dict(self._issuers().most_common()),
            "authors": [
                {"author": author, "signer": signer, "commits": count}
                for (author, signer), count in self._sum("author", "identity").most_common()
            ],
            "months": {month: found.as_object() for month, found in sorted(self.months.items())},
            "branches": {ref: found.as_object() for ref, found in sorted(self.branches.items())},
            "longest_unsigned_run": self.longest_run()._asdict(),
            "new_identities": [{"identity": who, "issuer": issuer} for who, issuer in self.new_identities()],
            "newer_trusted_root_digest": self.newer_root[0] if self.newer_root else "",
            "newer_trusted_root_version": self.newer_root[1] if self.newer_root else "",
        }

    def _issuers(self) -> Counter[str]:
        issuers: Counter[str] = Counter()
        for (_, issuer), seen in self.identities.items():
            issuers[issuer] += seen.commits
        return issuers


def _month(day: int) -> str:
    """``2024-05`` of days since 1970, in UTC; what no calendar holds is ``unknown``."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime("%Y-%m") if day >= 0 else "unknown"
    except OverflowError:
        return "unknown"
