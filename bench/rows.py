"""The rows of the table: what was measured, what it was measured beside, and how far a figure may go."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.timing import Cost, least, middle, ratio


@dataclass(frozen=True)
class Figure:
    """A number with its limit. ``least`` says that the limit is a lower one."""

    name: str
    value: float
    limit: float | None = None
    unit: str = "x"
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the number is within its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        text = f"{self.name} {self.value:.3g}{self.unit}"
        if self.limit is None:
            return text
        sign, said = ">=" if self.least else "<=", "met" if self.met else "not met"
        return f"{text} (wanted {sign} {self.limit:g}{self.unit}: {said})"


@dataclass(frozen=True)
class Row:
    """One line of the table. ``key`` names it in kept runs, so it stays when the words change.

    ``why`` says why there is nothing to compare with. ``ours`` and ``other`` are medians, ``minima`` their minima.
    """

    key: str
    work: str
    ours: Cost
    runs: int
    beside: str = ""
    other: Cost | None = None
    figures: tuple[Figure, ...] = ()
    why: str = ""
    minima: tuple[Cost, Cost] | None = None

    def without_limits(self) -> "Row":
        """The same, without saying what is wanted."""
        return replace(self, figures=tuple(replace(figure, limit=None) for figure in self.figures))

    def to_json(self) -> dict[str, Any]:
        """The row as it is kept."""
        return {
            **asdict(self),
            "ours": self.ours._asdict(),
            "other": self.other._asdict() if self.other else None,
            "minima": [cost._asdict() for cost in self.minima] if self.minima else None,
            "figures": [asdict(figure) | {"met": figure.met} for figure in self.figures],
        }


def compared(
    key: str,
    work: str,
    found: Mapping[str, Sequence[Cost]],
    *,
    beside: str,
    why: str = "",
    wall: float | None = None,
    cpu: float | None = None,
) -> Row:
    """A row for ``found["ours"]`` beside ``found["other"]``, whose limits are ratios; without other there is none."""
    ours = found["ours"]
    if "other" not in found:
        return Row(key, work, middle(ours), len(ours), beside, why=why)
    by_clock, of_processor = ratio(ours, found["other"])
    figures = (Figure("clock", by_clock, wall), Figure("processor", of_processor, cpu))
    other = found["other"]
    minima = (least(ours), least(other))
    return Row(key, work, middle(ours), len(ours), beside, middle(other), figures, minima=minima)


def table(rows: Sequence[Row], before: Mapping[str, Any]) -> str:
    """The table as text. ``before`` are the rows of the last kept run, by key."""
    head = f"{'work':<46} {'ours s':>8} {'cpu s':>8}  {'other s':>8} {'cpu s':>8}  {'kept run':>9}"
    return "\n".join([head, *(_lines(row, before.get(row.key)) for row in rows)])


def _lines(row: Row, kept: Mapping[str, Any] | None) -> str:
    other = f"{row.other.wall:8.3f} {row.other.cpu:8.3f}" if row.other else f"{'':8} {'':8}"
    first = f"{row.work:<46} {row.ours.wall:8.3f} {row.ours.cpu:8.3f}  {other}  {_change(row, kept):>9}"
    notes = [f"beside {row.beside}: {row.why}"] if row.why else [f"beside {row.beside}"] if row.beside else []
    return "\n    ".join([first, *notes, *map(str, row.figures), *_of_minima(row)])


def _of_minima(row: Row) -> list[str]:
    """What the least of all turns cost: on a machine that others use too, they say more than medians do."""
    if row.minima is None:
        return []
    ours, other = row.minima
    ratios = f"{ours.wall / other.wall:.3g}x, {ours.cpu / max(other.cpu, 1e-4):.3g}x"
    return [f"least: {ours.wall:.3f} {ours.cpu:.3f}, other {other.wall:.3f} {other.cpu:.3f}: {ratios}"]


def _change(row: Row, kept: Mapping[str, Any] | None) -> str:
    """Processor time of now by that of the kept run."""
    return f"{row.ours.cpu / kept['ours']['cpu']:.2f}x cpu" if kept and kept["ours"]["cpu"] else "-"
