"""Records of every verdict, what commits may contain to fool a report, and a report over them."""

import io
from collections.abc import Callable, Iterable
from typing import TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat
from gitsign_py.audit.rollup import Rollup
from gitsign_py.policy.facts import VERDICTS

EVIL = "</script><script>alert(1)</script> ]]> & \x1b[31m \u202e `x` [l](u) | <!-- é"
HEADING = Heading(
    "/srv/r.git",
    ("HEAD",),
    "policy.toml",
    "b" * 64,
    "root.json",
    "a" * 64,
    "0.1.0",
    "2024-05-01T10:00:00Z",
    ("shallow",),
    (("refs/heads/main", "c" * 40),),
    "https://forge.example/r.git",
    "d" * 40,
    "TUF root 12",
    "alice@laptop",
)


def record(number: int, verdict: str = "verified", **more: object) -> Record:
    oid = f"{number:040x}"
    base = Record(oid, verdict, verdict, f"it is {verdict}", committed=1_700_000_000 + number * 86_400, author="a@x")  # type: ignore[arg-type]
    return base._replace(**more)  # type: ignore[arg-type]


def all_records() -> list[Record]:
    records = [record(number, verdict) for number, verdict in enumerate(VERDICTS)]
    records[0] = records[0]._replace(
        identity="alice@example.com",
        issuer="https://i",
        time="2024-01-01T00:00:00Z",
        time_source="log",
        log_index=4,
        steps=("1.1",),
        format="sigstore",
    )
    records.append(record(90, "unsigned", subject=EVIL, author=EVIL, message=EVIL))
    records.append(record(91, kind="tag", ref="refs/tags/v1", identity=EVIL))
    return records


def write(
    make: Callable[[TextIO], ReportFormat], records: Iterable[Record], heading: Heading = HEADING
) -> tuple[str, Rollup]:
    out, rollup = io.StringIO(), Rollup()
    report = make(out)
    report.begin(heading)
    for one in records:
        rollup.add([one])
        report.record(one)
    report.end(rollup)
    return out.getvalue(), rollup
