"""``python -m bench``: the table of what a person waits for, beside others, with limits; and the curves over size.

python -m bench [--quick] [--only PART ...] [--peer PROGRAM] [--rounds N] [--svg FILE] [--kept FOLDER]
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import histories, people, push
from bench.curve import Curve, as_svg, as_text, curves
from bench.kept import FOLDER, document, keep, last, rows_of, surroundings
from bench.options import QUICK, Sizes
from bench.peer import Peer, find_peer
from bench.rows import Row, table

PARTS = ("people", "histories", "push", "curve")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="small sizes, a minute or two")
    made.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    made.add_argument("--peer", default="", metavar="PROGRAM", help="Go's gitsign (default: gitsign on PATH)")
    made.add_argument("--kept", type=Path, default=FOLDER, metavar="FOLDER", help="kept runs (default: .bench)")
    made.add_argument("--svg", type=Path, metavar="FILE", help="draw the curves into a file")
    for name, words in (
        ("rounds", "times that each is run"), ("signed", "signed commits"), ("unsigned", "unsigned commits"),
        ("mixed", "commits of three formats"), ("pushed", "commits of a push"),
    ):  # fmt: skip
        made.add_argument(f"--{name}", type=int, metavar="N", help=words)
    for name in ("curve-commits", "curve-refs"):
        made.add_argument(f"--{name}", type=int, nargs="+", metavar="N", help="sizes of a curve")
    return made


def sizes_of(options: argparse.Namespace) -> Sizes:
    """The sizes that were asked for."""
    base = QUICK if options.quick else Sizes()
    given = {name: getattr(options, name, None) for name in vars(base)}
    asked: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None
    }
    return replace(base, **asked)


def measured(parts: Sequence[str], folder: Path, sizes: Sizes, peer: Peer) -> Iterator[Row]:
    """The rows of some parts, each as it comes."""
    if "people" in parts:
        yield from people.rows(sizes, peer)
    if "histories" in parts:
        yield from histories.rows(folder, sizes)
    if "push" in parts:
        yield from push.rows(folder, sizes)


def main() -> None:
    """Measure, print, compare, keep."""
    options = parser().parse_args()
    sizes, before = sizes_of(options), last(options.kept, quick=options.quick)
    around = surroundings()
    print(", ".join(f"{name} {value}" for name, value in around.items()))
    rows: list[Row] = []
    drawn: list[Curve] = []
    with tempfile.TemporaryDirectory(prefix="gitsign-py-bench-") as name:
        for found in measured(options.only, Path(name), sizes, find_peer(options.peer)):
            row = found.without_limits() if sizes.quick else found  # they are of the whole sizes
            print(table([row], rows_of(before)).split("\n", 1 if rows else 0)[-1], flush=True)
            rows.append(row)
        if "curve" in options.only:
            for curve in curves(Path(name), sizes):
                print(as_text(curve), flush=True)
                drawn.append(curve)
    if options.svg and drawn:
        options.svg.write_text(as_svg(drawn))
    kept = keep(options.kept, document(rows, [curve.to_json() for curve in drawn], around, quick=options.quick))
    compared = f"; compared with the run of {before['time']}" if before else ""
    print(f"kept as {kept}{compared}")


if __name__ == "__main__":
    main()
