"""A log with its replicas beside it: entries that are read go into the replica too, so that each is fetched once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.tiles import TILE_WIDTH
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import FormatError, VerificationError
from gitsign_py.monitor.heads import Head, Kind
from gitsign_py.monitor.replica import Replica, folder_of
from gitsign_py.monitor.replicasource import ReplicaSource
from gitsign_py.monitor.sources import GROUP_BYTES, Batch, LogSource, RawEntry, weight

_GROUP = 16 * TILE_WIDTH


class MirroredSource:
    """Port ``LogSource``: heads, proofs and places are the log's own; its entries are kept below ``folder``.

    What the replica's checkpoint covers is read from the replica. The rest comes from the log, and what the replica has
    not yet is appended to it; ``seal`` covers it when a head was proven.
    """

    def __init__(self, source: LogSource, folder: Path, root: TrustedRoot) -> None:
        self.kind: Kind = source.kind
        self.url = source.url
        self._source, self._folder, self._root = source, folder, root
        self._replayed: dict[str, int] = {}

    def heads(self) -> tuple[Head, ...]:
        """See LogSource."""
        return self._source.heads()

    def consistency(self, head: Head, first: int, last: int) -> tuple[bytes, ...]:
        """See LogSource."""
        return self._source.consistency(head, first, last)

    def place_of(self, head: Head, index: int, leaf_hash: bytes) -> int | None:
        """See LogSource. Raises ConfigError ``replica-unusable`` where the replica gave what its own tree has not."""
        if index < self._replayed.get(head.tree, 0):
            self._check_own(head, index, leaf_hash)
        return self._source.place_of(head, index, leaf_hash)

    def _check_own(self, head: Head, index: int, leaf_hash: bytes) -> None:
        """A folder that was damaged must not accuse the log."""
        replica = Replica(self._folder / folder_of(head.tree))
        (own,) = (source := ReplicaSource(replica, self._root)).heads()
        try:
            merkle.verify_inclusion(leaf_hash, index, own.size, source.inclusion(own, index), own.root)
        except VerificationError as error:
            raise replica.unusable(f"entry {index} in it is not the one of its own tree") from error

    def entries(self, head: Head, start: int, stop: int) -> Iterator[Batch]:
        """See LogSource."""
        replica = Replica(self._folder / folder_of(head.tree))
        replica.begin(self.kind, self.url, head)
        sealed = self._sealed(replica)
        if start < sealed:
            (own,) = (source := ReplicaSource(replica, self._root)).heads()
            self._replayed[head.tree] = sealed
            yield from source.entries(own, start, min(stop, sealed))
        writer = _Writer(replica)
        first = max(start, sealed)
        for batch in self._source.entries(head, min(first, writer.size), stop):
            writer.take(batch)
            if wanted := tuple(entry for entry in batch if entry.index >= first):
                yield wanted
        writer.flush()

    def seal(self, head: Head) -> None:
        """Bring the replica of a proven head's tree up to it: nothing is fetched that was read already.

        Raises VerificationError ``replica-root-mismatch`` when the entries do not hash to the signed root.
        """
        Replica(self._folder / folder_of(head.tree)).update(self._source, head)

    def _sealed(self, replica: Replica) -> int:
        if not replica.has_checkpoint:
            return 0
        try:
            (head,) = ReplicaSource(replica, self._root).heads()
        except (VerificationError, FormatError) as error:
            raise replica.unusable(f"its checkpoint is not the log's: {error.message}") from error
        return head.size


class _Writer:
    """Appends what comes next, some thousand entries at a time and up to the end of a tile."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.size = replica.index.size()
        self._group: list[RawEntry] = []
        self._held = 0

    def take(self, batch: Sequence[RawEntry]) -> None:
        new = tuple(entry for entry in batch if entry.index >= self.size + len(self._group))
        self._group += new
        self._held += weight(new)
        if self._held >= GROUP_BYTES:
            self.flush()
        elif len(self._group) >= _GROUP:
            end = (self.size + len(self._group)) % TILE_WIDTH
            self._write(len(self._group) - end)

    def flush(self) -> None:
        self._write(len(self._group))

    def _write(self, count: int) -> None:
        self._replica.append(self._group[:count])
        self.size += count
        self._group = self._group[count:]
        self._held = weight(tuple(self._group))
