"""Sums over a history: by identity, issuer, format, author against signer, branch and month; coverage and runs.

Memory grows with the number of different people and months, never with the number of commits.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from gitsign_py.audit.record import Record
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.policy.facts import ACCEPTED, VERDICTS

NEW_DAYS = 30
_MAX_PAIRS = 10_000  # different (author, signer) pairs that are counted apart; more are summed up


class Run(NamedTuple):
    """Unsigned commits in a row, in the order of the walk."""

    length: int
    first: str
    last: str


@dataclass(slots=True)
class Seen:
    """How often, and when first and last (RFC 3339, empty when no time is proven)."""

    commits: int = 0
    first: str = ""
    last: str = ""

    def add(self, time: str) -> None:
        """Count one."""
        self.commits += 1
        if time:
            self.first = min(self.first or time, time)
            self.last = max(self.last, time)


@dataclass(slots=True)
class Month:
    """Commits of a month by what they say themselves: all, and those with a good signature or an exemption."""

    commits: int = 0
    accepted: int = 0


@dataclass(slots=True)
class Rollup:
    """Add every record, then ask."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    branches: dict[str, Month] = field(default_factory=dict)
    identities: dict[tuple[str, str], Seen] = field(default_factory=dict)
    authors: Counter[tuple[str, str]] = field(default_factory=Counter)
    months: dict[str, Month] = field(default_factory=dict)
    tags: int = 0
    longest: Run = field(default_factory=lambda: Run(0, "", ""))
    _run: int = 0
    _run_first: str = ""

    def add(self, record: Record) -> None:
        """Count one record."""
        self.verdicts[record.verdict] += 1
        if record.kind == "tag":
            self.tags += 1
        self.formats[record.format or "none"] += 1
        if record.verdict not in ACCEPTED:
            self.reasons[record.verdict, record.reason] += 1
        if record.identity:
            self.identities.setdefault((record.identity, record.issuer), Seen()).add(record.time)
        self._add_author(record)
        self._add_month(record)
        self._add_run(record)
        if record.ref:
            _count(self.branches.setdefault(record.ref, Month()), record)

    def _add_author(self, record: Record) -> None:
        pair = (record.author, record.identity)
        if pair not in self.authors and len(self.authors) >= _MAX_PAIRS:
            pair = ("(others)", "(others)")
        self.authors[pair] += 1

    def _add_month(self, record: Record) -> None:
        if record.committed is not None:
            _count(self.months.setdefault(_month(record.committed), Month()), record)

    def _add_run(self, record: Record) -> None:
        if record.verdict != "unsigned":
            self._run = 0
            return
        self._run_first = record.oid if self._run == 0 else self._run_first
        self._run += 1
        if self._run > self.longest.length:
            self.longest = Run(self._run, self._run_first, record.oid)

    @property
    def total(self) -> int:
        """Number of records."""
        return sum(self.verdicts.values())

    @property
    def accepted(self) -> int:
        """Number of records that may stay."""
        return sum(self.verdicts[verdict] for verdict in ACCEPTED)

    @property
    def coverage(self) -> float:
        """Share of commits and tags that are accepted, in percent; nothing at all is fully covered."""
        return 100.0 * self.accepted / self.total if self.total else 100.0

    @property
    def exit_status(self) -> int:
        """0 all good, 1 something was refused, 3 nothing was refused but something could not be checked."""
        if self.total == self.accepted:
            return 0
        return 3 if self.total == self.accepted + self.verdicts["unchecked"] else 1

    def new_identities(self) -> list[tuple[str, str]]:
        """Identities first seen within 30 days before the newest proven time."""
        newest = max((seen.last for seen in self.identities.values()), default="")
        if not newest:
            return []
        since = format_rfc3339(datetime.fromisoformat(newest) - timedelta(days=NEW_DAYS))
        return sorted(who for who, seen in self.identities.items() if seen.first >= since)

    def as_object(self) -> dict[str, Any]:
        """The sums as JSON (docs/schemas/audit-summary.json)."""
        return {
            "total": self.total,
            "accepted": self.accepted,
            "coverage_percent": round(self.coverage, 2),
            "tags": self.tags,
            "verdicts": {verdict: self.verdicts[verdict] for verdict in VERDICTS},
            "reasons": [
                {"verdict": verdict, "reason": reason, "commits": count}
                for (verdict, reason), count in self.reasons.most_common()
            ],
            "formats": dict(self.formats.most_common()),
            "identities": [
                {"identity": who, "issuer": issuer, "commits": seen.commits, "first": seen.first, "last": seen.last}
                for (who, issuer), seen in sorted(self.identities.items(), key=lambda item: -item[1].commits)
            ],
            "issuers": dict(self._issuers().most_common()),
            "authors": [
                {"author": author, "signer": signer, "commits": count}
                for (author, signer), count in self.authors.most_common()
            ],
            "months": {
                month: {"commits": found.commits, "accepted": found.accepted} for month, found in self._sorted()
            },
            "branches": {
                ref: {"commits": found.commits, "accepted": found.accepted}
                for ref, found in sorted(self.branches.items())
            },
            "longest_unsigned_run": self.longest._asdict(),
            "new_identities": [{"identity": who, "issuer": issuer} for who, issuer in self.new_identities()],
        }

    def _issuers(self) -> Counter[str]:
        issuers: Counter[str] = Counter()
        for (_, issuer), seen in self.identities.items():
            issuers[issuer] += seen.commits
        return issuers

    def _sorted(self) -> list[tuple[str, Month]]:
        return sorted(self.months.items())


def _count(month: Month, record: Record) -> None:
    month.commits += 1
    month.accepted += record.verdict in ACCEPTED


def _month(seconds: int) -> str:
    """``2024-05`` of seconds since 1970, in UTC; what no calendar holds is ``unknown``."""
    known = _MONTHS.get(seconds // 86_400)
    if known is None:
        try:
            known = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")
        except (ValueError, OverflowError, OSError):
            return "unknown"
        if len(_MONTHS) < _MAX_DAYS:
            _MONTHS[seconds // 86_400] = known
    return known


_MONTHS: dict[int, str] = {}
_MAX_DAYS = 20_000
