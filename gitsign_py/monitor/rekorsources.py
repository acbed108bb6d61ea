"""Signature logs as sources: Rekor v1 by its REST interface, Rekor v2 by its tiles."""

from collections.abc import Iterator

from gitsign_py.clients.rekor import BATCH, RekorClient
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tiles import TileClient
from gitsign_py.clients.urls import join_url
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.tiles import TILE_WIDTH, hash_at_of, split_bundle, tile_width
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, ServiceError
from gitsign_py.monitor.heads import Head, Kind, open_head
from gitsign_py.monitor.sources import Batch, RawEntry, withheld

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
                found = {entry.log_index: entry for entry in self.client.retrieve(indexes=indexes)}
            except ServiceError as error:
                if error.reason != _FOREIGN:
                    raise
                raise withheld(head, at, error.message) from error
            for index in indexes:
                if index not in found:
                    raise withheld(head, index - offset, "it is not in the answer")
            entries = (found[index] for index in indexes)
            yield tuple(
                RawEntry(
                    one.log_index - offset,
                    one.body,
                    one.integrated_time,
                    one.log_index,
                    promise=one.signed_entry_timestamp,
                )
                for one in entries
            )

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource: an entry that the log finds by its leaf hash comes with a proof of its place."""
        del head, index
        found = self.client.by_uuid(leaf_hash.hex())
        proof = None if found is None else found.inclusion_proof
        return None if proof is None else proof.log_index


class Rekor2Source:
    """One tree of a tiled log; each shard has a URL of its own."""

    kind: Kind = "rekor2"

    def __init__(self, session: HttpSession, url: str, root: TrustedRoot) -> None:
        self.url = url
        self._tiles = TileClient(session, "Rekor", join_url(url, "/api/v2"))
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
        """See LogSource: a bundle at a time."""
        for number, first, last in bundles(start, stop):
            width = tile_width(0, number, head.size)
            answer = self._tiles.bundle(number, width)
            try:
                bodies = split_bundle(answer.body, width)
            except FormatError as error:
                raise withheld(head, first, f"bundle {number} is short: {error.message}") from error
            base = number * TILE_WIDTH
            yield tuple(RawEntry(index, bodies[index - base], log_index=index) for index in range(first, last))

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource: the rows of tiles have the leaf hashes; the tile around the place is looked at."""
        return place_in_tile(self._tiles, head, index, leaf_hash)


def bundles(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The bundles that hold entries from ``start`` to before ``stop``: number, first and end of what is wanted."""
    for number in range(start // TILE_WIDTH, -(-stop // TILE_WIDTH)):
        base = number * TILE_WIDTH
        yield number, max(start, base), min(stop, base + TILE_WIDTH)


def tile_consistency(tiles: TileClient, first: int, last: int) -> tuple[bytes, ...]:
    """A consistency proof out of the tiles of the larger tree (C2SP tlog-tiles)."""
    return merkle.prove_consistency(first, last, hash_at_of(tiles.tile, last))


def place_in_tile(tiles: TileClient, head: Head, index: int, leaf_hash: bytes) -> int | None:
    """Where a leaf stands in the tile that should hold it."""
    number = index // TILE_WIDTH
    hashes = tiles.tile(0, number, tile_width(0, number, head.size))
    if hashes[index % TILE_WIDTH] == leaf_hash:
        return index
    return number * TILE_WIDTH + hashes.index(leaf_hash) if leaf_hash in hashes else None
