"""One self-contained HTML page: works offline, prints well, filters and sorts; a picture of coverage over time.

Everything out of commits is escaped twice over: as JSON it holds no ``<``, and the script puts it on the page as text.
"""

import json
from html import escape
from importlib.resources import files
from typing import TextIO

from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import Heading, ReportFormat, sentence
from gitsign_py.audit.rollup import Month, Rollup
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import VERDICTS

MAX_ROWS = 20_000
_CHART_WIDTH, _CHART_HEIGHT, _MAX_BARS = 720, 140, 120
_MAX_BRANCHES = 50
_COLUMNS = ("commit", "verdict", "why", "signer", "issuer", "time", "log index", "author", "subject")
_CELLS = (("commit",), ("verdict",), ("why",), ("signer", "issuer"), ("time", "log index"), ("subject", "author"))
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class HtmlReport(ReportFormat):
    """Rows are written as they come; past 20,000 only those that are not accepted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._heading: Heading | None = None
        self._rows = 0
        self._left_out = 0

    def begin(self, heading: Heading) -> None:
        """The head of the page, and the start of the rows."""
        self._heading = heading
        style = _asset("report.css")
        title = escape(escaped(f"Signatures of {heading.repository}"))
        self._out.write(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
            f"<style>{style}</style></head>\n<body><h1>{title}</h1>\n"
            '<script type="application/json" id="rows">['
        )

    def record(self, record: Record) -> None:
        """One row."""
        if self._rows >= MAX_ROWS and record.accepted:
            self._left_out += 1
            return
        name = f"{record.ref.removeprefix('refs/tags/')} (tag)" if record.kind == "tag" else ""
        row = (
            record.oid,
            record.verdict,
            sentence(record),
            escaped(record.identity),
            escaped(record.issuer),
            record.time,
            record.log_index,
            escaped(record.author),
            escaped(f"{name} {record.subject}".strip()),
        )
        # "<" cannot stand in a script element's data (HTML, "script data state")
        text = json.dumps(row, separators=(",", ":")).replace("<", "\\u003c")
        self._out.write((",\n" if self._rows else "\n") + text)
        self._rows += 1

    def end(self, rollup: Rollup) -> None:
        """The sums, the picture, the table's frame and the script."""
        assert self._heading is not None  # noqa: S101 - begin comes first
        self._out.write("]</script>\n")
        self._out.write(_facts(self._heading, rollup))
        self._out.write(_chart(sorted(rollup.months.items())))
        self._out.write(_signers(rollup))
        self._out.write(_branches(rollup))
        self._out.write(_table(rollup, self._left_out))
        self._out.write(f"<script>{_asset('report.js')}</script></body></html>\n")


def _asset(name: str) -> str:
    return files("gitsign_py.audit.reports").joinpath(name).read_text("utf-8")


def _facts(heading: Heading, rollup: Rollup) -> str:
    good = "good" if rollup.exit_status == 0 else "poor"
    counts = "".join(
        f'<li class="{verdict}"><b>{rollup.verdicts[verdict]}</b> {verdict}</li>'
        for verdict in VERDICTS
        if rollup.verdicts[verdict]
    )
    notices = "".join(f'<p class="notice">{escape(escaped(notice))}</p>' for notice in heading.notices)
    revisions = escape(", ".join(map(escaped, heading.revisions)))
    about = (
        f"{revisions}; policy: {escape(escaped(heading.policy))}; "
        f"trust root: {escape(escaped(heading.trust_root))}; {escape(heading.time)}; "
        f"gitsign-py {escape(heading.version)}"
    )
    return (
        f'<p class="about">{about}</p>{notices}\n<p class="coverage {good}"><b>{rollup.coverage:.1f} %</b> '
        f'of {rollup.total} accepted</p>\n<ul class="counts">{counts}</ul>\n'
    )


def _chart(months: list[tuple[str, Month]]) -> str:
    """Bars of commits a month: the accepted part below, the rest on top. Words stand outside, where nothing scales."""
    shown = months[-_MAX_BARS:]
    if not shown:
        return ""
    highest = max(month.commits for _, month in shown)
    width = _CHART_WIDTH / len(shown)
    bars = "".join(_bar(number, width, name, month, highest) for number, (name, month) in enumerate(shown))
    first, last = escape(shown[0][0]), escape(shown[-1][0])
    legend = '<span class="accepted">accepted</span> <span class="rest">not accepted</span>'
    return (
        f'<h2>Coverage over time</h2>\n<figure><svg viewBox="0 0 {_CHART_WIDTH} {_CHART_HEIGHT}" role="img" '
        f'preserveAspectRatio="none" aria-label="commits a month, accepted and not">{bars}</svg>'
        f"<figcaption><span>{first}</span><span>commits a month, at most {highest}: {legend}</span>"
        f"<span>{last}</span></figcaption></figure>\n"
    )


def _bar(number: int, width: float, name: str, month: Month, highest: int) -> str:
    whole = _CHART_HEIGHT * month.commits / highest
    good = _CHART_HEIGHT * month.accepted / highest
    left, wide = number * width, max(width - 1, 0.5)
    title = f"<title>{escape(name)}: {month.accepted} of {month.commits} accepted</title>"
    return (
        f'<g>{title}<rect class="rest" x="{left:.2f}" y="{_CHART_HEIGHT - whole:.2f}" width="{wide:.2f}" '
        f'height="{whole - good:.2f}"/><rect class="accepted" x="{left:.2f}" y="{_CHART_HEIGHT - good:.2f}" '
        f'width="{wide:.2f}" height="{good:.2f}"/></g>'
    )


def _signers(rollup: Rollup) -> str:
    if not rollup.identities:
        return ""
    rows = "".join(
        f"<tr><td><bdi>{escape(escaped(who))}</bdi><small>{escape(escaped(issuer))}</small></td>"
        f"<td class=n>{seen.commits}</td><td class=n>{seen.first[:10]}</td><td class=n>{seen.last[:10]}</td></tr>"
        for (who, issuer), seen in sorted(rollup.identities.items(), key=lambda item: -item[1].commits)
    )
    return f"<h2>Who signed</h2>\n{_sums('signer', ('signed', 'first', 'last'), rows)}\n"


def _branches(rollup: Rollup) -> str:
    """Where there are several: each commit counted for one of them; the largest come first, tags together."""
    found = rollup.by_ref()
    if len(found) < 2:
        return ""
    rows = "".join(
        f"<tr><td><bdi>{escape(escaped(name))}</bdi></td><td class=n>{sums.commits}</td>"
        f"<td class=n>{sums.accepted}</td></tr>"
        for name, sums in found[:_MAX_BRANCHES]
    )
    left_out = len(found) - _MAX_BRANCHES
    more = f"<p>{left_out} more refs are not listed</p>" if left_out > 0 else ""
    return f"<h2>By ref</h2>\n{_sums('ref', ('counted', 'accepted'), rows)}{more}\n"


def _sums(name: str, numbers: tuple[str, ...], rows: str) -> str:
    head = f"<th>{name}</th>" + "".join(f"<th class=n>{number}</th>" for number in numbers)
    return f'<table class="sums"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _table(rollup: Rollup, left_out: int) -> str:
    options = "".join(
        f'<option value="{verdict}">{verdict}</option>' for verdict in VERDICTS if rollup.verdicts[verdict]
    )
    head = "".join(f'<th class="{names[0]}">{" ".join(map(_button, names))}</th>' for names in _CELLS)
    more = f"<p>{left_out} more accepted commits are not listed (--format ndjson has all).</p>" if left_out else ""
    return (
        '<h2>Commits and tags</h2>\n<form class="filter"><label>verdict <select id="verdict"><option value="">all'
        f'</option>{options}</select></label> <label>search <input id="search" type="search"></label> '
        '<output id="shown"></output></form>\n<table class="commits"><thead><tr>'
        f'{head}</tr></thead><tbody id="body"></tbody></table>\n'
        f'<p><button type="button" id="more">show more</button></p>{more}'
        f"<noscript><p>The list of commits needs a script; the sums above do not.</p></noscript>\n"
    )


def _button(name: str) -> str:
    return f'<button type="button" data-column="{_COLUMNS.index(name)}">{name}</button>'
