"""Tiled logs: where tiles and bundles of entries are kept, and the tree's hashes out of them (C2SP tlog-tiles)."""

from collections.abc import Callable
from functools import lru_cache

from gitsign_py.core.encoding import ByteReader
from gitsign_py.core.tlog import merkle

TILE_WIDTH = 256
MAX_ENTRY_BYTES = 0xFFFF  # of an entry in a bundle, whose length has two bytes
TILE_LEVELS = 8  # tree levels between the rows of tiles
_KEPT = 4096  # tiles that one proof may need again; a path crosses eight rows
Tile = Callable[[int, int, int], tuple[bytes, ...]]
"""Gives the first so many hashes of a tile, by row, number and width."""


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Path of tile ``number`` in row ``level`` (0 to 63) holding ``width`` hashes, 1 to 256."""
    return f"tile/{level}/{_place(number, width)}"


def bundle_path(number: int, width: int = TILE_WIDTH, *, kind: str = "entries") -> str:
    """Path of the bundle of entries beside tile ``number`` of row 0; CT logs call theirs ``data``."""
    return f"tile/{kind}/{_place(number, width)}"


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


def hash_at_of(tile: Tile, size: int) -> merkle.HashAt:
    """Give the hashes of complete subtrees, as proofs ask for them, of a tree of ``size`` leaves from its tiles."""
    read = lru_cache(_KEPT)(lambda level, number: tile(level, number, tile_width(level, number, size)))

    def hash_at(level: int, place: int) -> bytes:
        """From the row of tiles at or below the level."""
        row, height = divmod(level, TILE_LEVELS)
        number, first = divmod(place << height, TILE_WIDTH)
        return subtree_hash(read(row, number)[first : first + (1 << height)])

    return hash_at


def subtree_hash(hashes: tuple[bytes, ...]) -> bytes:
    """Root over 1, 2, 4, ... hashes of one level (RFC 6962 §2.1)."""
    while len(hashes) > 1:
        hashes = tuple(merkle.node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True))
    return hashes[0]


def split_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Split a bundle into its first ``width`` entries, each after its length in two bytes (tlog-tiles, "Log Entries").

    Raises FormatError ``vector-truncated``.
    """
    reader = ByteReader(data)
    return tuple(reader.opaque(2) for _ in range(width))
