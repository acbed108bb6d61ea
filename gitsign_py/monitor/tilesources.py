"""A tiled log as a source (C2SP tlog-tiles): heads, proofs and places out of its tiles, entries a bundle at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from gitsign_py.clients.tiles import TileClient
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.ctleaf import unread_entry
from gitsign_py.core.tlog.tiles import TILE_WIDTH, hash_at_of, tile_width
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import Batch, RawEntry, withheld


class TiledSource(ABC):
    """Port ``LogSource`` over tiles; a kind of log takes a bundle of entries apart, and calls it ``what``."""

    kind: Kind
    what: str

    def __init__(self, url: str, tiles: TileClient, root: TrustedRoot) -> None:
        self.url = url
        self._tiles = tiles
        self._root = root

    @staticmethod
    @abstractmethod
    def entries_of(body: bytes, width: int, base: int) -> Batch:
        """The ``width`` entries of one bundle, the first of them at ``base``, up to one of an unknown form.

        Raises FormatError for a bundle that is cut off.
        """

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        return (open_head(self.kind, self._tiles.checkpoint().body, self._root),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource: out of the tiles of the larger tree."""
        del head
        return merkle.prove_consistency(first, last, hash_at_of(self._tiles.tile, last))

    def inclusion(self, head: Head, index: int) -> tuple[bytes, ...]:
        """The path of an entry, from the tiles, unverified."""
        return merkle.prove_inclusion(index, head.size, hash_at_of(self._tiles.tile, head.size))

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource: a bundle at a time."""
        for number, first, last in bundles(start, stop):
            width, base = tile_width(0, number, head.size), number * TILE_WIDTH
            answer = self._tiles.bundle(number, width)
            try:
                found = self.entries_of(answer.body, width, base)
            except FormatError as error:
                raise withheld(head, first, f"{self.what} {number} cannot be read: {error.message}") from error
            found = (*found, *(self._nameless(number, at) for at in range(base + len(found), base + width)))
            if any(one.problem and not one.leaf for one in found):
                hashes = self._tiles.tile(0, number, width)
                found = tuple(
                    one if one.leaf or not one.problem else replace(one, hashed=hashes[one.index - base])
                    for one in found
                )
            yield found[first - base : last - base]

    def _nameless(self, number: int, index: int) -> RawEntry:
        """An entry of a CT log's bundle from one of an unknown form on; the row of tiles has its leaf hash."""
        words = f"it, or one before it in {self.what} {number}, is of an unknown form"
        return RawEntry(index, b"", log_index=index, ct=unread_entry(b"", words), problem=words)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource: the rows of tiles have the leaf hashes; the tile around the place is looked at."""
        number = index // TILE_WIDTH
        hashes = self._tiles.tile(0, number, tile_width(0, number, head.size))
        if hashes[index % TILE_WIDTH] == leaf_hash:
            return index
        return number * TILE_WIDTH + hashes.index(leaf_hash) if leaf_hash in hashes else None


def bundles(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The bundles that hold entries from ``start`` to before ``stop``: number, first and end of what is wanted."""
    for number in range(start // TILE_WIDTH, -(-stop // TILE_WIDTH)):
        base = number * TILE_WIDTH
        yield number, max(start, base), min(stop, base + TILE_WIDTH)
