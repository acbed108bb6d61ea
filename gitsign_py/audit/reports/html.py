"""One self-contained HTML page: works offline, prints well, filters and sorts; a picture of coverage over time.

Everything out of commits is escaped twice over: as JSON it holds no ``<``, and the script puts it on the page as text.
The page runs the one script and the one style whose digests its own policy names (CSP 3, hash sources).
"""

import hashlib
import json
from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import TextIO

from gitsign_py.audit.causes import Cause
from gitsign_py.audit.record import Record
from gitsign_py.audit.reports.base import UNPROVEN, Heading, ReportFormat, figures, sentence, warning_lines
from gitsign_py.audit.rollup import Month, Rollup
from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.printing import escaped
from gitsign_py.policy.facts import VERDICTS

MAX_ROWS = 20_000
_CHART_WIDTH, _CHART_HEIGHT, _MAX_BARS = 720, 140, 120
_MAX_BRANCHES, _MAX_NAMED = 50, 3
_PARTS: tuple[tuple[str, str, Callable[[Month], int]], ...] = (
    ("verified", "verified", lambda month: month.verified),
    ("accepted", "accepted otherwise", lambda month: month.accepted - month.verified - month.exempt),
    ("exempt", "exempt, not judged", lambda month: month.exempt),
    ("unchecked", "not checked", lambda month: month.unchecked),
    ("rest", "refused", lambda month: month.commits - month.accepted - month.unchecked),
)
"""The parts of a bar, from below: style, words, how many."""
_COLUMNS = ("commit", "verdict", "why", "signer", "issuer", "time", "log index", "author", "subject")
_CELLS = (("commit",), ("verdict",), ("why",), ("signer", "issuer"), ("time", "log index"), ("subject", "author"))
_POLICY = "default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'"


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
        style, script = _asset("report.css"), _asset("report.js")
        policy = _POLICY.format(style=_digest(style), script=_digest(script))
        title = escape(escaped(f"Signatures of {heading.repository}"))
        self._out.write(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
            f"<style>{style}</style></head>\n<body><main><h1>{title}</h1>\n"
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
            _signer(record),
            escaped(record.issuer),
            record.time,
            record.log_index,
            escaped(record.author),
            escaped(f"{name} {record.subject}".strip()),
            record.reason,
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
        self._out.write(_causes(rollup))
        self._out.write(_chart(sorted(rollup.months.items())))
        self._out.write(_signers(rollup))
        self._out.write(_branches(rollup))
        self._out.write(_table(rollup, self._left_out))
        self._out.write(_about(self._heading))
        self._out.write(f"</main><script>{_asset('report.js')}</script></body></html>\n")


def _asset(name: str) -> str:
    return files("gitsign_py.audit.reports").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64_encode(hashlib.sha256(text.encode()).digest())}"


def _signer(record: Record) -> str:
    """The signer under the name that the policy gives them, or what is claimed and nothing proves."""
    if record.identity:
        return escaped(f"{record.principal}: {record.identity}" if record.principal else record.identity)
    return escaped(f"{record.claimed} (claimed, not proven)") if record.claimed else ""


def _facts(heading: Heading, rollup: Rollup) -> str:
    """The warnings, the three figures, and the verdicts."""
    notices = "".join(
        f'<p class="notice">{escape(escaped(line))}</p>' for line in (*warning_lines(rollup), *heading.notices)
    )
    counts = "".join(
        f'<li class="{verdict}"><b>{rollup.verdicts[verdict]}</b> {verdict}</li>'
        for verdict in VERDICTS
        if rollup.verdicts[verdict]
    )
    shown = "".join(_figure(rollup, *figure) for figure in figures(rollup))
    return f'{notices}\n<ul class="figures">{shown}</ul>\n<ul class="counts">{counts}</ul>\n'


def _figure(rollup: Rollup, name: str, count: int, words: str) -> str:
    kind = ("good" if count == rollup.total else "poor") if name == "verified" else ""
    return (
        f'<li class="coverage {kind}"><b>{rollup.percent(count):.1f} %</b> {name}<small>{count} of {rollup.total}, '
        f"{words}</small></li>"
    )


def _about(heading: Heading) -> str:
    """The heading as a table at the end, which a printed page has too."""
    rows = "".join(
        f'<tr><th scope="row">{escape(about) or "<small>also</small>"}</th>'
        f"<td><bdi>{escape(escaped(text))}</bdi></td></tr>"
        for about, text in heading.lines()
    )
    return f'<h2>What was audited</h2>\n<table class="sums about"><tbody>{rows}</tbody></table>\n'


def _causes(rollup: Rollup) -> str:
    """Why commits are not accepted: each row filters the list below, by a button that a keyboard reaches."""
    if not rollup.causes:
        return ""
    rows = "".join(_cause(cause) for cause in rollup.causes.sorted())
    head = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in (("commits", " class=n"), ("verdict", ""), ("cause", ""), ("who and what", ""), ("to do", ""))
    )
    return (
        f'<h2>Not accepted, by cause</h2>\n<table class="causes"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>\n"
    )


def _cause(cause: Cause) -> str:
    who = ", ".join(f"{escaped(name) or 'nobody'} ({count})" for name, count in cause.who.most_common(_MAX_NAMED))
    what = ", ".join(f"{escaped(name)} ({count})" for name, count in cause.what.most_common(_MAX_NAMED))
    unproven = " (claimed, not proven)" if what and cause.verdict in UNPROVEN else ""
    about = f"<bdi>{escape(who)}</bdi>" + (f"<small><bdi>{escape(what)}</bdi>{unproven}</small>" if what else "")
    key = escape(f"{cause.verdict} {cause.reason}")
    return (
        f'<tr class="{cause.verdict}"><td class=n>{cause.commits}</td><td>{cause.verdict}</td>'
        f'<td><a href="#commits" data-cause="{key}">{escape(escaped(cause.words))}</a>'
        f"<small>{escape(cause.reason)}</small></td><td>{about}</td><td>{escape(escaped(cause.todo))}</td></tr>"
    )


def _chart(months: list[tuple[str, Month]]) -> str:
    """Bars of commits a month: the accepted parts below, the rest on top. Words stand outside, where nothing scales."""
    shown = months[-_MAX_BARS:]
    if not shown:
        return ""
    highest = max(month.commits for _, month in shown)
    width = _CHART_WIDTH / len(shown)
    bars = "".join(_bar(number, width, name, month, highest) for number, (name, month) in enumerate(shown))
    first, last = escape(shown[0][0]), escape(shown[-1][0])
    legend = " ".join(f'<span class="{kind}">{words}</span>' for kind, words, _ in _PARTS)
    return (
        f'<h2>Coverage over time</h2>\n<figure><svg viewBox="0 0 {_CHART_WIDTH} {_CHART_HEIGHT}" role="img" '
        'preserveAspectRatio="none" aria-label="commits a month: '
        f'{", ".join(words for _, words, _ in _PARTS)}">{bars}</svg>'
        f"<figcaption><span>{first}</span><span>commits a month, at most {highest}: {legend}</span>"
        f"<span>{last}</span></figcaption></figure>\n"
    )


def _bar(number: int, width: float, name: str, month: Month, highest: int) -> str:
    left, wide = number * width, max(width - 1, 0.5)
    counts = ", ".join(f"{count(month)} {words}" for _, words, count in _PARTS)
    bottom, parts = float(_CHART_HEIGHT), ""
    for kind, _, count in _PARTS:
        height = _CHART_HEIGHT * count(month) / highest
        bottom -= height
        parts += f'<rect class="{kind}" x="{left:.2f}" y="{bottom:.2f}" width="{wide:.2f}" height="{height:.2f}"/>'
    return f"<g><title>{escape(name)}: {counts}, of {month.commits}</title>{parts}</g>"


def _signers(rollup: Rollup) -> str:
    if not rollup.identities:
        return ""
    rows = "".join(
        f"<tr><td>{_named(seen.name)}<bdi>{escape(escaped(who))}</bdi><small>{escape(escaped(issuer))}</small></td>"
        f"<td class=n>{seen.commits}</td><td class=n>{seen.first[:10]}</td><td class=n>{seen.last[:10]}</td></tr>"
        for (who, issuer), seen in sorted(rollup.identities.items(), key=lambda item: -item[1].commits)
    )
    return f"<h2>Good signatures</h2>\n{_sums('signer', ('signed', 'first', 'last'), rows)}\n"


def _named(name: str) -> str:
    return f"<b>{escape(escaped(name))}</b> " if name else ""


def _branches(rollup: Rollup) -> str:
    """Where there are several: each commit counted for one of them; the largest come first, tags together."""
    found = rollup.by_ref()
    if len(found) < 2:
        return ""
    rows = "".join(
        f"<tr><td><bdi>{escape(escaped(name))}</bdi></td><td class=n>{sums.commits}</td>"
        f"<td class=n>{sums.verified}</td><td class=n>{sums.accepted}</td></tr>"
        for name, sums in found[:_MAX_BRANCHES]
    )
    left_out = len(found) - _MAX_BRANCHES
    more = f"<p>{left_out} more refs are not listed</p>" if left_out > 0 else ""
    return f"<h2>By ref</h2>\n{_sums('ref', ('counted', 'verified', 'accepted'), rows)}{more}\n"


def _sums(name: str, numbers: tuple[str, ...], rows: str) -> str:
    head = f'<th scope="col">{name}</th>' + "".join(f'<th scope="col" class=n>{number}</th>' for number in numbers)
    return f'<table class="sums"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _table(rollup: Rollup, left_out: int) -> str:
    options = "".join(
        f'<option value="{verdict}">{verdict}</option>' for verdict in VERDICTS if rollup.verdicts[verdict]
    )
    head = "".join(f'<th scope="col" class="{names[0]}">{" ".join(map(_button, names))}</th>' for names in _CELLS)
    more = f"<p>{left_out} more accepted commits are not listed (--format ndjson has all).</p>" if left_out else ""
    return (
        '<h2 id="commits" tabindex="-1">Commits and tags</h2>\n'
        '<form class="filter"><label>verdict <select id="verdict"><option value="">all'
        f'</option>{options}</select></label> <label>search <input id="search" type="search"></label> '
        '<button type="button" id="every" hidden>all causes</button> '
        '<output id="shown" aria-live="polite"></output></form>\n<table class="commits"><thead><tr>'
        f'{head}</tr></thead><tbody id="body"></tbody></table>\n'
        f'<p><button type="button" id="more">show more</button></p>{more}'
        f"<noscript><p>The list of commits needs a script; the sums above do not.</p></noscript>\n"
    )


def _button(name: str) -> str:
    return f'<button type="button" data-column="{_COLUMNS.index(name)}">{name}</button>'
