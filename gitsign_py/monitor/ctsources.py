"""CT logs as sources: by the methods of RFC 6962, or by tiles (C2SP static-ct-api)."""

from collections.abc import Iterator

from gitsign_py.clients.ctlog import CtLogClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tiles import TileClient
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog.ctleaf import CtEntry, split_data_tile, unread_entry
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ServiceError
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import Batch, RawEntry, beyond_bounds, too_large, withheld
from gitsign_py.monitor.tilesources import TiledSource

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
        step = STEP
        while start < stop:
            wanted = min(step, stop - start)
            try:
                found = self._client.entries(start, start + wanted)
            except ServiceError as error:
                if not too_large(error, wanted):
                    yield (self._beyond(head, start, error),)
                    start += 1
                step = 1
                continue
            if not found:
                raise withheld(head, start, "the answer is empty")
            yield tuple(_raw(start + place, entry) for place, entry in enumerate(found))
            start += len(found)
            step = min(STEP, step * 2)

    def _beyond(self, head: Head, index: int, error: ServiceError) -> RawEntry:
        leaf_hash = beyond_bounds(self, head, index, error)
        return replace(_raw(index, unread_entry(b"", error.message)), hashed=leaf_hash)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource."""
        del index
        found = self._client.included(leaf_hash, head.size)
        return None if found is None else found.index


class StaticCtSource(TiledSource):
    """A tiled CT log below its monitoring prefix."""

    kind: Kind = "static-ct"
    what = "data tile"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        super().__init__(url, TileClient(session, "CT log", url, kind="data"), root)

    @staticmethod
    def entries_of(body: bytes, width: int, base: int) -> Batch:
        """See TiledSource."""
        return tuple(_raw(at, one) for at, one in enumerate(split_data_tile(body, width), base))


def _raw(index: int, entry: CtEntry) -> RawEntry:
    return RawEntry(index, entry.leaf, entry.timestamp_ms // 1000, index, entry, problem=entry.problem)
