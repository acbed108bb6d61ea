"""Cost over size: audits of more and more commits, and of more and more refs; as numbers, as text and as SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.histories import audit, plain
from bench.kinds import unsigned_repo
from bench.options import Sizes
from bench.timing import Cost

_COMMITS_OF_REFS = 1000
_WIDTH, _HEIGHT, _EDGE = 520, 300, 56
_BAR = 40


@dataclass(frozen=True)
class Point:
    """The cost at one size, and that of what it is compared with."""

    size: int
    ours: Cost
    other: Cost


@dataclass(frozen=True)
class Curve:
    """Points by size; ``slope`` near 1 is a cost that grows as the size does."""

    key: str
    over: str
    points: tuple[Point, ...]

    @property
    def slope(self) -> float:
        """The exponent between the two largest sizes: log of cost by log of size (processor time)."""
        if len(self.points) < 2:
            return 0.0
        first, second = self.points[-2:]
        return math.log(second.ours.cpu / first.ours.cpu) / math.log(second.size / first.size)

    def to_json(self) -> dict[str, Any]:
        """The curve as it is kept."""
        points = [{"size": one.size, "ours": one.ours._asdict(), "other": one.other._asdict()} for one in self.points]
        return {"key": self.key, "over": self.over, "slope": self.slope, "points": points}


def curves(folder: Path, sizes: Sizes) -> Iterator[Curve]:
    """Both curves. Each repository goes away before the next is made."""
    yield _curve(folder, "commits", sizes.curve_commits, lambda path, size: unsigned_repo(path, size).path)
    yield _curve(folder, "refs", sizes.curve_refs, lambda path, size: unsigned_repo(path, _COMMITS_OF_REFS, size).path)


def _curve(folder: Path, over: str, sizes: Sequence[int], make: Callable[[Path, int], Path]) -> Curve:
    points = []
    for size in sizes:
        repo = make(folder / f"{over}-{size}", size)
        audit(repo, folder, "--all") if size == sizes[0] else None  # the first makes byte code
        points.append(Point(size, audit(repo, folder, "--all"), plain(repo)))
    return Curve(over, over, tuple(points))


def as_text(curve: Curve) -> str:
    """Bars on a logarithmic scale, and the slope."""
    costs = [one.ours.cpu for one in curve.points]
    low, high = min(costs) / 2, max(costs)
    lines = [f"an audit over {curve.over} (processor seconds, logarithmic; git's rev-list | cat-file beside it)"]
    for one in curve.points:
        bar = "#" * max(1, round(_BAR * math.log(one.ours.cpu / low) / math.log(high / low)))
        lines.append(
            f"{one.size:>9} {bar:<{_BAR}} {one.ours.cpu:8.2f}  git {one.other.cpu:.2f}  {one.ours.largest:.0f} MiB"
        )
    return "\n".join([*lines, f"          exponent between the two largest: {curve.slope:.2f}"])


def as_svg(drawn: Sequence[Curve]) -> str:
    """One plot below the other, both axes logarithmic."""
    plots = "".join(_plot(curve, number * _HEIGHT) for number, curve in enumerate(drawn))
    size = f'width="{_WIDTH}" height="{_HEIGHT * len(drawn)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">{plots}</svg>\n'


def _plot(curve: Curve, top: int) -> str:
    sizes = [math.log10(one.size) for one in curve.points]
    values = [math.log10(max(cost.cpu, 1e-3)) for one in curve.points for cost in (one.ours, one.other)]
    across = _scale(min(sizes), max(sizes), _EDGE, _WIDTH - _EDGE)
    down = _scale(min(values), max(values), top + _HEIGHT - _EDGE, top + _EDGE)
    parts = [f'<text x="{_EDGE}" y="{top + 20}">processor seconds of an audit over {curve.over}</text>']
    for colour, name, costs in (
        ("#0b6", "gitsign-py", [one.ours for one in curve.points]),
        ("#999", "git rev-list | cat-file", [one.other for one in curve.points]),
    ):
        places = [(across(x), down(math.log10(max(cost.cpu, 1e-3)))) for x, cost in zip(sizes, costs, strict=True)]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        for (x, y), cost in zip(places, costs, strict=True):
            parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{x + 4:.0f}" y="{y - 5:.0f}">{cost.cpu:.2f}</text>')
        parts.append(f'<text x="{places[-1][0] - 90:.0f}" y="{places[-1][1] + 16:.0f}" fill="{colour}">{name}</text>')
    parts += [
        f'<text x="{across(x) - 14:.0f}" y="{top + _HEIGHT - 30}">{one.size:,}</text>'
        for x, one in zip(sizes, curve.points, strict=True)
    ]
    return "".join(parts)


def _scale(low: float, high: float, start: int, end: int) -> Callable[[float], float]:
    return lambda value: start + (value - low) / ((high - low) or 1) * (end - start)
