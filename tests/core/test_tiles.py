"""Paths of tiles, against the examples of C2SP tlog-tiles, and widths against a tree counted leaf by leaf."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.tlog.tiles import bundle_path, tile_path, tile_width


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1, 17, "tile/1/001.p/17"),
        (2, 0, 1, "tile/2/000.p/1"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (3, 1234067, 256, "tile/3/x001/x234/067"),
        (0, 1234067, 5, "tile/0/x001/x234/067.p/5"),
    ],
)
def test_paths_of_the_specification(level: int, number: int, width: int, path: str) -> None:
    assert tile_path(level, number, width) == path
    assert bundle_path(number, width) == path.replace(f"tile/{level}/", "tile/entries/")


@given(st.integers(0, 3), st.integers(0, 300), st.integers(0, 2**20))
def test_width_is_the_number_of_complete_subtrees_in_the_tile(level: int, number: int, size: int) -> None:
    complete = size // 256**level
    assert tile_width(level, number, size) == len(range(number * 256, min(complete, number * 256 + 256)))
