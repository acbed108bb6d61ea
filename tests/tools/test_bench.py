"""The benchmarks' own arithmetic and words; nothing is timed here. One small run shows that the command works."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.curve import Curve, Point, as_svg, as_text
from bench.kept import document, keep, last, rows_of
from bench.peer import find_peer
from bench.rows import Figure, Row, compared, table
from bench.timing import Cost, in_turns, middle, ratio
from tests.support.gitrepo import environment

ROOT = Path(__file__).resolve().parents[2]
OURS, OTHER = [Cost(2, 1), Cost(4, 2), Cost(9, 3)], [Cost(1, 1), Cost(4, 1), Cost(3, 1)]


def test_jobs_run_in_turns_and_the_first_turn_is_thrown_away() -> None:
    made: list[str] = []

    def job(name: str) -> Cost:
        made.append(name)
        return Cost(len(made), 0)

    found = in_turns({"a": lambda: job("a"), "b": lambda: job("b")}, 2)
    assert made == ["a", "b"] * 3
    assert [cost.wall for cost in found["a"]] == [3, 5]


def test_ratios_are_medians_of_the_turns() -> None:
    assert middle(OURS) == Cost(4, 2, 0)
    assert ratio(OURS, OTHER) == (2, 2)


def test_a_row_says_whether_its_limit_is_met() -> None:
    row = compared("k", "work", {"ours": OURS, "other": OTHER}, beside="git", wall=1.5, cpu=2)
    assert [figure.met for figure in row.figures] == [False, True]
    assert not Figure("share", 70, 75, "%", least=True).met
    assert Figure("share", 75, 75, "%", least=True).met
    text = table([row], {})
    assert "clock 2x (wanted <= 1.5x: not met)" in text
    assert "processor 2x (wanted <= 2x: met)" in text
    assert "wanted" not in table([row.without_limits()], {})


def test_without_the_peer_its_column_is_empty_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_peer().why == find_peer().why_cold == "gitsign is not on PATH (or name it: --peer PROGRAM)"
    (tmp_path / "gitsign").touch(0o755)
    assert find_peer().why == ""
    assert find_peer().why_cold == "gitsign-credential-cache is not beside gitsign"
    (tmp_path / "gitsign-credential-cache").touch(0o755)
    assert find_peer(str(tmp_path / "gitsign")).why_cold == ""
    row = compared("k", "work", {"ours": OURS}, beside="gitsign", why="it is not here")
    assert row.other is None
    assert "beside gitsign: it is not here" in table([row], {})


def test_a_run_is_compared_with_the_last_kept_one_of_its_kind(tmp_path: Path) -> None:
    for when, cpu, quick in (("2026-01-01T00:00:00+00:00", 4.0, False), ("2026-01-02T00:00:00+00:00", 1.0, True)):
        run = document([Row("k", "work", Cost(1, cpu), 3)], [], {"time": when}, quick=quick)
        keep(tmp_path, run)
    assert last(tmp_path / "none", quick=True) == {}
    assert rows_of(last(tmp_path, quick=False))["k"]["ours"]["cpu"] == 4
    text = table([Row("k", "work", Cost(1, 2.0), 3)], rows_of(last(tmp_path, quick=True)))
    assert "2.00x cpu" in text


def test_a_curve_is_drawn_and_its_slope_told() -> None:
    points = tuple(Point(size, Cost(1, size / 1000), Cost(1, size / 2000)) for size in (1000, 10_000, 100_000))
    curve = Curve("commits", "commits", points)
    assert curve.slope == pytest.approx(1)
    assert "exponent between the two largest: 1.00" in as_text(curve)
    drawn = ElementTree.fromstring(as_svg([curve, curve]))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4
    assert all(len(line.attrib["points"].split()) == 3 for line in lines)


def test_the_command_prints_keeps_and_compares(tmp_path: Path) -> None:
    sizes = ["--curve-commits", "5", "10", "--curve-refs", "2", "--unsigned", "5"]
    command = [sys.executable, "-m", "bench", "--quick", "--only", "curve", *sizes, "--kept", str(tmp_path / "kept")]
    done = subprocess.run(
        [*command, "--svg", str(tmp_path / "curve.svg")], cwd=ROOT, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "kept").iterdir()
    run = json.loads(kept.read_bytes())
    assert [curve["over"] for curve in run["curves"]] == ["commits", "refs"]
    assert run["quick"] is True
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
