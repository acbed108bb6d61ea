"""Signature logs as sources: Rekor v1 by its REST interface, Rekor v2 by its tiles."""

from collections.abc import Iterator

from gitsign_py.clients.rekor import BATCH, RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tiles import TileClient
from gitsign_py.clients.urls import join_url
from gitsign_py.core.tlog.entrytypes import LogEntry
from gitsign_py.core.tlog.tiles import split_bundle
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import ServiceError
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import Batch, RawEntry, beyond_bounds, too_large, withheld
from gitsign_py.monitor.tilesources import TiledSource

_FOREIGN = "service-answer-foreign"


class Rekor1Source:
    """A Rekor v1 with all its trees: ``logIndex`` counts on from one to the next."""

    kind: Kind = "rekor1"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        self.url = url
        self.client = RekorClient(session, url)
        self._root = root
        self._offsets: dict[str, tuple[int, str]] = {}

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        info = self.client.info()
        found: list[Head] = []
        offset = 0
        for one in (*info.inactive, info):
            head = open_head(self.kind, one.checkpoint, self._root)
            self._offsets[head.tree] = (offset, one.tree_id)
            offset += head.size
            found.append(head)
        return tuple(found)

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource."""
        return self.client.consistency(first, last, tree_id=self._offsets[head.tree][1])

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource: ten in a request, which is what the server allows."""
        offset = self._offsets[head.tree][0]
        for at in range(start, stop, BATCH):
            indexes = range(offset + at, offset + min(at + BATCH, stop))
            try:
                yield self._asked(head, indexes, offset)
            except ServiceError as error:
                if not too_large(error, len(indexes)):
                    raise
                yield from ((self._alone(head, index, offset),) for index in indexes)

    def _alone(self, head: Head, index: int, offset: int) -> RawEntry:
        """One by itself, since together they are too large to be read."""
        try:
            return self._asked(head, range(index, index + 1), offset)[0]
        except ServiceError as error:
            leaf_hash = beyond_bounds(self, head, index - offset, error)
            return RawEntry(index - offset, b"", log_index=index, problem=error.message, hashed=leaf_hash)

    def _asked(self, head: Head, indexes: range, offset: int) -> Batch:
        try:
            found = {entry.log_index: entry for entry in self.client.retrieve(indexes=indexes)}
        except ServiceError as error:
            if error.reason != _FOREIGN:
                raise
            raise withheld(head, indexes.start - offset, error.message) from error
        for index in indexes:
            if index not in found:
                raise withheld(head, index - offset, "it is not in the answer")
        return tuple(_raw(found[index], offset) for index in indexes)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource: an entry that the log finds by its leaf hash comes with a proof of its place."""
        del head, index
        found = self.client.by_uuid(leaf_hash.hex())
        proof = None if found is None else found.inclusion_proof
        return None if proof is None else proof.log_index


def _raw(one: LogEntry, offset: int) -> RawEntry:
    promise = one.signed_entry_timestamp
    return RawEntry(one.log_index - offset, one.body, one.integrated_time, one.log_index, promise=promise)


class Rekor2Source(TiledSource):
    """One tree of a tiled log; each shard has a URL of its own."""

    kind: Kind = "rekor2"
    what = "bundle"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        super().__init__(url, TileClient(session, "Rekor", join_url(url, "/api/v2")), root)

    @staticmethod
    def entries_of(body: bytes, width: int, base: int) -> Batch:
        """See TiledSource."""
        return tuple(RawEntry(at, one, log_index=at) for at, one in enumerate(split_bundle(body, width), base))
