"""Objects by dulwich, where there is no git program at hand.

Raw bytes alone: dulwich's own parsed commits are written anew on output, and what is verified must be what is stored.
Its repositories are not used: they read the configuration with what it includes, grafts and lists of shallow commits.
"""

import os
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from dulwich.object_store import BaseObjectStore, DiskObjectStore
from dulwich.objects import ObjectID, RawObjectID, hex_to_sha
from dulwich.pack import OFS_DELTA, REF_DELTA, Pack

from gitsign_py.core.git.gitobject import is_object_id, prove_object_id
from gitsign_py.errors import UncheckedError
from gitsign_py.host.git.cuts import object_folders
from gitsign_py.host.git.storedbytes import Stored
from gitsign_py.host.plainfile import check_plain, read_plain
from gitsign_py.ports import ObjectKind, RawObject
from gitsign_py.sizes import MAX_OBJECT_BYTES

# Object type numbers of the pack format (gitformat-pack): OBJ_COMMIT to OBJ_TAG.
_KINDS: dict[int, ObjectKind] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS: dict[str, int] = {kind: number for number, kind in _KINDS.items()}
_HEADER = re.compile(rb"(commit|tree|blob|tag) (0|[1-9][0-9]{0,18})\0")
_MAX_HEADER = 32  # bytes that may stand before the object
_MAX_DELTAS = 4096  # one on the other; git makes 4,095 at most (git-pack-objects(1), --depth)


class DulwichObjects:
    """Port ``ObjectSource`` over a folder of objects (``.git/objects``) and its alternates; close it."""

    def __init__(self, folder: Path) -> None:
        self._stores = [
            _Store(path, loose_object_size_limit=MAX_OBJECT_BYTES) for path in object_folders(folder) if path.is_dir()
        ]
        for store in self._stores:
            _check_packs(Path(store.pack_dir))

    def close(self) -> None:
        """Close the files of the packs."""
        for store in self._stores:
            store.close()

    def read(self, oid: str) -> RawObject:
        """Read the object with the full lower-case id ``oid``, its bytes proven by their hash.

        Raises UncheckedError ``object-missing``, ``object-unreadable``, ``object-too-large``; FormatError
        ``object-id-mismatch``.
        """
        stored = self.stored(oid)
        if stored.data is None:
            raise UncheckedError(
                "object-missing", f"the object {oid[:80]} is not in the repository", facts={"object": oid[:80]}
            )
        kind: ObjectKind = stored.kind  # type: ignore[assignment] # one of _KINDS, since it is not missing
        prove_object_id(oid, kind, stored.data)
        return RawObject(kind, oid, stored.data)

    def stored(self, oid: str) -> Stored:
        """The bytes under that id, not proven. Raises UncheckedError ``object-unreadable``, ``object-too-large``."""
        if not is_object_id(oid) or len(oid) != 40:
            return Stored(oid, "missing", None)
        for store in self._stores:
            try:
                number, data = store.get_raw(ObjectID(oid.encode("ascii")))
            except KeyError:
                continue
            except UncheckedError:
                raise
            except Exception as error:  # zlib, pack and file errors of many classes, all meaning the same here
                raise UncheckedError(
                    "object-unreadable",
                    f"the object {oid} cannot be read: {type(error).__name__}",
                    facts={"object": oid},
                ) from error
            return Stored(oid, _KINDS[number], data)
        return Stored(oid, "missing", None)

    def starting_with(self, prefix: str) -> tuple[str, ...]:
        """The ids that start with ``prefix``, of two digits or more."""
        found = {oid.decode("ascii") for store in self._stores for oid in store.iter_prefix(prefix.encode("ascii"))}
        return tuple(sorted(oid for oid in found if is_object_id(oid)))


class _Store(DiskObjectStore):
    """One folder by itself. A packed object is measured before it is unpacked: dulwich unpacks whatever it says."""

    @property
    def alternates(self) -> list[BaseObjectStore]:
        """None: who asks has them all in a list, each once."""
        return []

    def get_raw(self, name: Any) -> tuple[int, bytes]:
        """Type number and bytes, out of a pack where there is one, as git looks. dulwich would parse loose commits.

        Raises KeyError; UncheckedError ``object-too-large``; OSError for a pipe in a file's place, ValueError.
        """
        for pack in self.packs:
            if name in pack:
                _check_sizes(pack, name.decode("ascii"))
                return pack.get_raw(name)
        try:
            return _loose(read_plain(Path(os.fsdecode(self._get_shafile_path(name))), MAX_OBJECT_BYTES), name.decode())
        except FileNotFoundError:
            raise KeyError(name) from None


def _loose(packed: bytes, oid: str) -> tuple[int, bytes]:
    """Type number and bytes of a loose object (gitformat-loose(5)), with nothing after it."""
    stream = zlib.decompressobj()
    data = stream.decompress(packed, MAX_OBJECT_BYTES + _MAX_HEADER)
    head = _HEADER.match(data)
    if head is None:
        raise ValueError("header of a loose object")
    _check_size(max(int(head[2]), len(data) - head.end()), oid)
    if not stream.eof or stream.unused_data or len(data) != head.end() + int(head[2]):
        raise ValueError("length of a loose object")
    return _NUMBERS[head[1].decode("ascii")], data[head.end() :]


def _check_packs(folder: Path) -> None:
    """Before dulwich opens packs, their indexes and lists: it would wait for a writer to a pipe."""
    try:
        for path in folder.glob("*"):
            check_plain(str(path))
    except OSError as error:
        raise UncheckedError("object-unreadable", f"the packs cannot be read: {error}") from error


def _check_sizes(pack: Pack, oid: str) -> None:
    """Go down the chain of deltas by what each one says of its size and of what it makes (gitformat-pack(5))."""
    offset = pack.index.object_offset(hex_to_sha(ObjectID(oid.encode("ascii"))))
    with Path(pack.data.path).open("rb") as file:
        for _ in range(_MAX_DELTAS):
            file.seek(offset)
            _check_size(_entry_size(file.read(10)), oid)
            kind, found = pack.data.get_object_at(offset)
            if kind not in (OFS_DELTA, REF_DELTA):
                return
            base, chunks = cast("tuple[int | RawObjectID, list[bytes]]", found)
            for size in _delta_sizes(b"".join(chunks)[:20]):
                _check_size(size, oid)
            offset = offset - base if isinstance(base, int) else pack.index.object_offset(base)
    raise UncheckedError("object-unreadable", f"the object {oid} is packed in too many steps", facts={"object": oid})


def _check_size(size: int, oid: str) -> None:
    if size > MAX_OBJECT_BYTES:
        raise UncheckedError(
            "object-too-large", f"the object {oid} has more than {MAX_OBJECT_BYTES} bytes", facts={"object": oid}
        )


def _entry_size(head: bytes) -> int:
    """The size at the start of a pack's entry: four bits, then seven in each byte, the lowest first."""
    size, shift = head[0] & 0x0F, 4
    for before, octet in pairwise(head):
        if before < 0x80:
            break
        size |= (octet & 0x7F) << shift
        shift += 7
    return size


def _delta_sizes(head: bytes) -> Iterator[int]:
    """The sizes of what a delta is for and of what it makes: seven bits in each byte, the lowest first."""
    size = shift = 0
    left = 2
    for octet in head:
        size |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            yield size
            size = shift = 0
            left -= 1
            if not left:
                return
