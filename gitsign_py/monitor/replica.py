"""A replica of one tree of a log: checkpoint, tiles and entries, and an index beside them.

Its layout is that of C2SP tlog-tiles, and of static-ct-api for a CT log, however that log is read: any static file
server can give the folder out. The checkpoint is written last, when the root over everything before it was compared
with the signed one: what it covers is whole.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from gitsign_py.core.encoding import opaque
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.ctleaf import CtEntry, encode_tile_leaf, split_data_tile
from gitsign_py.core.tlog.tiles import (
    TILE_WIDTH,
    bundle_path,
    hash_at_of,
    split_bundle,
    subtree_hash,
    tile_path,
)
from gitsign_py.errors import ConfigError, FormatError, VerificationError
from gitsign_py.host.plainfile import read_plain
from gitsign_py.host.privatefile import write_whole
from gitsign_py.monitor.heads import CT_KINDS, Head, Kind, checkpoint_of
from gitsign_py.monitor.replicaindex import INDEX, Index, fits_bundle
from gitsign_py.monitor.sources import GROUP_BYTES, LogSource, RawEntry, weight

CHECKPOINT = "checkpoint"
_MOST_BYTES = 64 << 20  # of a file: a bundle of certificates with their chains comes nowhere near
_GROUP = 16 * TILE_WIDTH


class Replica:
    """The folder of one tree. Raises ConfigError ``replica-unusable`` for one that cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = Index(folder, self.unusable)

    # -- reading ----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """The signed head that the replica covers."""
        return self._read(CHECKPOINT)

    @property
    def has_checkpoint(self) -> bool:
        """Whether it covers anything yet."""
        return (self.folder / CHECKPOINT).is_file()

    def kind(self) -> Kind:
        """The kind of log that the folder is as: a CT log is a tiled one here."""
        found = self.index.facts().get("kind")
        if found not in ("rekor1", "rekor2", "static-ct"):
            raise self.unusable("its index names no kind of log")
        return cast(Kind, found)

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
        """The first hashes of a tile."""
        data = self._partial(tile_path(level, number, width), tile_path(level, number))
        if len(data) < width * 32:
            raise self.unusable(f"tile {level}/{number} is short")
        return tuple(data[at : at + 32] for at in range(0, width * 32, 32))

    def bundle(self, number: int, width: int = TILE_WIDTH) -> tuple[RawEntry, ...]:
        """The first entries of a bundle, as the tiles have them: without what only the index knows."""
        kind = self.kind()
        paths = (bundle_path(number, each, kind=_folder_of(kind)) for each in (width, TILE_WIDTH))
        data, base = self._partial(*paths), number * TILE_WIDTH
        try:
            if kind in CT_KINDS:
                return self._of_data(split_data_tile(data, width), width, base)
            return tuple(RawEntry(at, body, log_index=at) for at, body in enumerate(split_bundle(data, width), base))
        except FormatError as error:
            raise self.unusable(f"bundle {number} is short") from error

    def _of_data(self, found: Sequence[CtEntry], width: int, base: int) -> tuple[RawEntry, ...]:
        if len(found) < width:
            raise FormatError("ct-entry-malformed", "an entry in it is of an unknown form")
        return tuple(
            RawEntry(at, one.leaf, one.timestamp_ms // 1000, at, one, problem=one.problem)
            for at, one in enumerate(found, base)
        )

    def _partial(self, path: str, full: str) -> bytes:
        return self._read(path if (self.folder / path).is_file() else full)

    def _read(self, path: str) -> bytes:
        try:
            data = read_plain(self.folder / path, _MOST_BYTES)
        except OSError as error:
            raise self.unusable(error.strerror or str(error)) from error
        if len(data) > _MOST_BYTES:
            raise self.unusable(f"{path} has more than {_MOST_BYTES} bytes")
        return data

    def unusable(self, why: str) -> ConfigError:
        """The error for a folder that cannot be used."""
        return ConfigError(
            "replica-unusable",
            f"the replica {self.folder} cannot be used: {why}",
            hint="make it again with: gitsign-py monitor --mirror DIR",
        )

    # -- writing ----------------------------------------------------------------------------------------------------

    def begin(self, kind: Kind, url: str, head: Head) -> None:
        """Make the folder of a tree, unless it is there. One of another tree is refused."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.unusable(error.strerror or str(error)) from error
        self.index.begin({"kind": "static-ct" if kind in CT_KINDS else kind, "url": url, "tree": head.tree})
        tree = self.index.facts().get("tree", "")
        if tree != head.tree:
            raise self.unusable(f"it is of the tree {tree}")

    def update(self, source: LogSource, head: Head) -> int:
        """Bring the replica up to ``head``; gives the number of entries that came.

        Raises VerificationError ``replica-root-mismatch`` when the entries do not hash to the signed root.
        """
        self.begin(source.kind, source.url, head)
        start = self.index.size()
        group: list[RawEntry] = []
        held = 0
        for batch in source.entries(head, start, head.size) if start < head.size else ():
            group += batch
            held += weight(batch)
            if len(group) >= _GROUP or held >= GROUP_BYTES:
                self.append(group)
                group, held = [], 0
        self.append(group)
        self.seal(source.kind, head)
        return head.size - start

    def append(self, group: Sequence[RawEntry]) -> None:
        """Write the entries that come next: tiles first, then the index, so that what the index has, the tiles have."""
        if not group:
            return
        leaves = [entry.leaf_hash for entry in group]
        self._issuers(group)
        self._bundles(group)
        self._tiles(0, group[0].index, leaves)
        self.index.add(group, leaves)

    def seal(self, kind: Kind, head: Head) -> None:
        """Write the checkpoint. Raises VerificationError ``replica-root-mismatch`` when the entries miss its root."""
        if merkle.root(head.size, hash_at_of(self.tile, head.size)) != head.root:
            raise VerificationError(
                "replica-root-mismatch",
                f"the entries in {self.folder} do not hash to the root that the log signed",
                hint="keep the folder as evidence, and begin a new one",
                facts={"size": head.size, "expected": head.root.hex()},
            )
        self._write(CHECKPOINT, checkpoint_of(kind, head))

    def _issuers(self, group: Iterable[RawEntry]) -> None:
        """The certificates of chains, each once by its fingerprint (static-ct-api, "Issuers")."""
        chains = (entry.ct.issuers for entry in group if entry.ct is not None)
        for der in {der for chain in chains for der in chain}:
            path = f"issuer/{hashlib.sha256(der).hexdigest()}"
            if not (self.folder / path).is_file():
                self._write(path, der)

    def _bundles(self, group: Sequence[RawEntry]) -> None:
        number, offset = divmod(group[0].index, TILE_WIDTH)
        every = [*(self.bundle(number, offset) if offset else ()), *group]
        folder = "entries" if group[0].ct is None else "data"
        for at in range(0, len(every), TILE_WIDTH):
            part = every[at : at + TILE_WIDTH]
            path = bundle_path(number + at // TILE_WIDTH, len(part), kind=folder)
            self._write(path, b"".join(_encoded(entry) for entry in part))

    def _tiles(self, level: int, start: int, hashes: Sequence[bytes]) -> None:
        """Append hashes to a row of tiles; each tile that is full has a hash in the row above."""
        number, offset = divmod(start, TILE_WIDTH)
        every = [*(self.tile(level, number, offset) if offset else ()), *hashes]
        above: list[bytes] = []
        for at in range(0, len(every), TILE_WIDTH):
            part = tuple(every[at : at + TILE_WIDTH])
            self._write(tile_path(level, number + at // TILE_WIDTH, len(part)), b"".join(part))
            if len(part) == TILE_WIDTH:
                above.append(subtree_hash(part))
        if above:
            self._tiles(level + 1, number, above)

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, data, 0o644, synced=True)
            self._forget_smaller(target)
        except OSError as error:
            raise self.unusable(error.strerror or str(error)) from error

    @staticmethod
    def _forget_smaller(target: Path) -> None:
        """Partial tiles may go once the full one is there (C2SP tlog-tiles, "Partial Tiles")."""
        partial = target.with_name(target.name + ".p")
        if target.parent.suffix != ".p" and partial.is_dir():
            for old in partial.iterdir():
                with suppress(OSError):
                    old.unlink()
            with suppress(OSError):
                partial.rmdir()


def _encoded(entry: RawEntry) -> bytes:
    """An entry in its bundle; one that has no room in it leaves an empty place (the index has what there is of it)."""
    if entry.ct is not None:
        return encode_tile_leaf(entry.ct)
    return opaque(entry.leaf if fits_bundle(entry) else b"", 2)


def _folder_of(kind: Kind) -> str:
    """The folder of bundles below ``tile``."""
    return "data" if kind in CT_KINDS else "entries"


def folder_of(tree: str) -> str:
    """A tree's name as that of a folder: an origin may be any text."""
    safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in ".-") else "_" for letter in tree)
    return safe.lstrip(".")[:100] or "_"


def replicas(folder: Path) -> tuple[Replica, ...]:
    """The replicas in a folder, or the folder itself when it is one."""
    if (folder / INDEX).is_file():
        return (Replica(folder),)
    try:
        found = sorted(path for path in folder.iterdir() if (path / INDEX).is_file())
    except OSError:
        found = []
    if not found:
        raise ConfigError(
            "replica-unusable",
            f"{folder} holds no replica of a log",
            hint="make one with: gitsign-py monitor --mirror DIR",
        )
    return tuple(Replica(path) for path in found)
