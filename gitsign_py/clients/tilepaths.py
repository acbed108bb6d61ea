"""Where a tiled log keeps its tiles (C2SP tlog-tiles, "Merkle Tree" and "Log Entries")."""

TILE_WIDTH = 256
TILE_LEVELS = 8  # tree levels between the rows of tiles


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Path of tile ``number`` in row ``level`` (0 to 63) holding ``width`` hashes, 1 to 256."""
    return f"tile/{level}/{_place(number, width)}"


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """Path of the bundle of entries beside tile ``number`` of row 0."""
    return f"tile/entries/{_place(number, width)}"


def tile_width(level: int, number: int, size: int) -> int:
    """How many hashes tile ``number`` of row ``level`` holds in a tree of ``size`` leaves: 0 to 256."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_LEVELS * level)) - number * TILE_WIDTH))


def _place(number: int, width: int) -> str:
    """Three digits a group, each but the last with an x: 1234067 is x001/x234/067; a partial tile ends in .p/WIDTH."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return place if width == TILE_WIDTH else f"{place}.p/{width}"
