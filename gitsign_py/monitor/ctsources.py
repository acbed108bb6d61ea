"""CT logs as sources: by the methods of RFC 6962, or by tiles (C2SP static-ct-api)."""

from collections.abc import Iterator

from gitsign_py.clients.ctlog import CtLogClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tiles import TileClient
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.ctleaf import CtEntry, split_data_tile
from gitsign_py.core.tlog.tiles import TILE_WIDTH, hash_at_of, tile_width
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.rekorsources import bundles, place_in_tile, tile_consistency
from gitsign_py.monitor.sources import Batch, RawEntry, withheld

STEP = 256
"""Entries that one get-entries asks for; a log gives fewer where its own limit is lower."""


class CtSource:
    """A CT log as RFC 6962 has it."""

    kind: Kind = "ct"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        self.url = url
        self._client = CtLogClient(session, url)
        self._root = root

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        return (open_head(self.kind, self._client.sth().body, self._root),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource."""
        del head
        return self._client.consistency(first, last)

    def inclusion(self, head: Head, leaf_hash: bytes) -> tuple[int, tuple[bytes, ...]] | None:
        """Index and path of a leaf, unverified; None when the log has it not."""
        found = self._client.included(leaf_hash, head.size)
        return None if found is None else (found.index, found.path)

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource."""
        while start < stop:
            found = self._client.entries(start, min(start + STEP, stop))
            if not found:
                raise withheld(head, start, "the answer is empty")
            yield tuple(_raw(start + place, entry) for place, entry in enumerate(found))
            start += len(found)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource."""
        del index
        found = self._client.included(leaf_hash, head.size)
        return None if found is None else found.index


class StaticCtSource:
    """A tiled CT log below its monitoring prefix."""

    kind: Kind = "static-ct"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        self.url = url
        self._tiles = TileClient(session, "CT log", url, kind="data")
        self._root = root

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        return (open_head(self.kind, self._tiles.checkpoint().body, self._root),)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource: from the tiles."""
        del head
        return tile_consistency(self._tiles, first, last)

    def inclusion(self, head: Head, index: int) -> tuple[bytes, ...]:
        """The path of an entry, from the tiles, unverified."""
        return merkle.prove_inclusion(index, head.size, hash_at_of(self._tiles.tile, head.size))

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource: a data tile at a time."""
        for number, first, last in bundles(start, stop):
            width = tile_width(0, number, head.size)
            answer = self._tiles.bundle(number, width)
            try:
                found = split_data_tile(answer.body, width)
            except FormatError as error:
                raise withheld(head, first, f"data tile {number} cannot be read: {error.message}") from error
            base = number * TILE_WIDTH
            yield tuple(_raw(index, found[index - base]) for index in range(first, last))

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource."""
        return place_in_tile(self._tiles, head, index, leaf_hash)


def _raw(index: int, entry: CtEntry) -> RawEntry:
    return RawEntry(index, entry.leaf, entry.timestamp_ms // 1000, index, entry)
