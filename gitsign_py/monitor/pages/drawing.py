"""Two drawings as inline SVG: the way from an entry to the root, and how a log grew. All numbers in them are ours."""

from collections.abc import Sequence
from itertools import pairwise

from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog import merkle
from gitsign_py.monitor.findings import format_rfc3339_of
from gitsign_py.monitor.lookup import ProvenEntry
from gitsign_py.monitor.pages.markup import counted, text

_STEP, _WIDTH = 40, 300
_CHART_WIDTH, _CHART_HEIGHT = 640, 160


@frozen
class Point:
    """A log's size at a time (POSIX seconds)."""

    time: int
    size: int


def way_to_root(found: ProvenEntry) -> str:
    """The path as a drawing for who sees it, and as a list that everybody can read."""
    leaf = found.entry.leaf_hash
    steps = tuple(merkle.climb(leaf, found.entry.index, found.head.size, found.hashes))
    items = "".join(
        f"<li>hashed with <code>{sibling.hex()}</code> on its {'left' if is_left else 'right'}: "
        f"<code>{value.hex()}</code></li>"
        for is_left, sibling, value in steps
    )
    end = (
        f"the root of {counted(found.head.size)}, which the log signed" if steps else "it is the root: one entry alone"
    )
    return (
        f"<figure>{_ladder(leaf, steps)}<figcaption>From the entry, below, to the root. Blue hashes come from the "
        "log, green ones are computed here.</figcaption></figure>\n"
        f"<details><summary>The same as a list: {counted(len(steps), 'step', 'steps')}</summary>"
        f'<p class="path">leaf <code>{leaf.hex()}</code></p><ol class="path">{items}</ol><p>The last is {end}.</p>'
        "</details>\n"
    )


def _ladder(leaf: bytes, steps: Sequence[tuple[bool, bytes, bytes]]) -> str:
    """Our own hashes in the middle, from below upwards; each sibling on its side."""
    height = _STEP * (len(steps) + 1)
    middle = _WIDTH // 2
    parts = [_node(middle, height - _STEP // 2, leaf, "own")]
    for number, (is_left, sibling, value) in enumerate(steps, 1):
        y = height - _STEP // 2 - number * _STEP
        x = 50 if is_left else _WIDTH - 50
        parts.append(f'<path class="line" d="M{middle} {y + _STEP}V{y}M{x} {y + _STEP}L{middle} {y}"/>')
        parts.append(_node(x, y + _STEP, sibling, "other"))
        parts.append(_node(middle, y, value, "own"))
    words = counted(len(steps), "hash leads", "hashes lead") + " from the entry to the root"
    return f'<svg class="way" role="img" aria-label="{words}" viewBox="0 0 {_WIDTH} {height}">{"".join(parts)}</svg>'


def _node(x: int, y: int, value: bytes, kind: str) -> str:
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="6"/><text x="{x + 9}" y="{y + 4}">{value.hex()[:5]}</text>'


def growth(points: Sequence[Point], name: str) -> str:
    """Size over time, and the same in words; nothing where fewer than two times are known."""
    found = sorted(points, key=lambda one: (one.time, one.size))
    if len(found) < 2 or found[0].time == found[-1].time:
        return ""
    first, last, highest = found[0], found[-1], max(one.size for one in found)
    span = last.time - first.time
    places = [
        (
            _CHART_WIDTH * (one.time - first.time) / span,
            _CHART_HEIGHT - (_CHART_HEIGHT - 8) * one.size / highest,
        )
        for one in found
    ]
    edge = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(
        f"H{after[0]:.1f}V{after[1]:.1f}" for _, after in pairwise(places)
    )
    words = f"{name} grew from {counted(first.size)} at {when(first.time)} to {highest} at {when(last.time)}"
    return (
        f'<figure><svg class="growth" role="img" aria-label="{text(words)}" viewBox="0 0 {_CHART_WIDTH} '
        f'{_CHART_HEIGHT}"><path class="area" d="{edge}V{_CHART_HEIGHT}H0Z"/><path class="edge" d="{edge}"/></svg>'
        f"<figcaption>{text(words)}.</figcaption></figure>\n"
    )


def when(seconds: int) -> str:
    """POSIX seconds as RFC 3339, empty for none."""
    return format_rfc3339_of(seconds) if seconds else ""
