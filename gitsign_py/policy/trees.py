"""Git trees as bytes: parse one, find a path."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from gitsign_py.errors import FormatError
from gitsign_py.ports import ObjectSource

TREE_MODE = b"40000"
_MODES = frozenset({TREE_MODE, b"100644", b"100664", b"100755", b"120000", b"160000"})  # fsck.c, fsck_tree
_REMEMBERED_BYTES = 16 * 1024  # 128 such trees, parsed, take 10 MiB at most
_FILE_MODES = (b"100644", b"100664", b"100755")


class Entry(NamedTuple):
    """One entry of a tree: the mode in octal digits without leading zeros, and the object's id in hex.

    A named tuple, since judging by paths makes and compares hundreds of them for each commit.
    """

    mode: bytes
    oid: str

    @property
    def is_tree(self) -> bool:
        """Tell whether the entry is a folder."""
        return self.mode == TREE_MODE

    @property
    def is_file(self) -> bool:
        """Tell whether the entry is a file: no folder, no symbolic link, no submodule."""
        return self.mode in _FILE_MODES


def each_entry(data: bytes, id_bytes: int) -> Iterator[tuple[bytes, Entry]]:
    """Read a tree's content (git's tree-walk.c: ``mode SP name NUL id``), as far as somebody asks for entries.

    Raises FormatError ``tree-invalid``. Whether a name stands twice is for who keeps the names.
    """
    at = 0
    while at < len(data):
        space, end = data.find(b" ", at), data.find(b"\0", at)
        if not at < space < end or end + 1 + id_bytes > len(data):
            raise FormatError("tree-invalid", "tree ends inside an entry")
        name = data[space + 1 : end]
        if not name or b"/" in name:
            raise FormatError("tree-invalid", "tree has an empty name, or one with a slash")
        # Old trees have "040000"; git reads the number, so a folder must not pass for a file here.
        mode = data[at:space].lstrip(b"0")
        if mode not in _MODES:
            raise FormatError("tree-invalid", "tree has an entry of an unknown mode")
        yield name, Entry(mode, data[end + 1 : end + 1 + id_bytes].hex())
        at = end + 1 + id_bytes


def parse_tree(data: bytes, id_bytes: int) -> dict[bytes, Entry]:
    """Parse a whole tree. Raises FormatError ``tree-invalid``."""
    entries: dict[bytes, Entry] = {}
    for name, entry in each_entry(data, id_bytes):
        if name in entries:
            raise FormatError("tree-invalid", "tree has a repeated name")
        entries[name] = entry
    return entries


_parse_once = lru_cache(maxsize=128)(parse_tree)  # commits that follow each other have most of their trees in common


def parsed(data: bytes, id_bytes: int) -> Mapping[bytes, Entry]:
    """Parse a whole tree, or give what was parsed a moment ago."""
    return (_parse_once if len(data) <= _REMEMBERED_BYTES else parse_tree)(data, id_bytes)


def read_tree_data(source: ObjectSource, oid: str) -> bytes:
    """Read a tree's content by its id. Raises FormatError, UncheckedError when it is not there."""
    found = source.read(oid)
    if found.kind != "tree":
        raise FormatError("tree-invalid", f"{oid} is a {found.kind}, not a tree")
    return found.data


def find_path(source: ObjectSource, tree: str, path: str) -> Entry | None:
    """The entry at ``path`` below a tree, or None."""
    entry: Entry | None = Entry(TREE_MODE, tree) if tree else None
    for part in path.encode().split(b"/"):
        if entry is None or not entry.is_tree:
            return None
        entry = _find(read_tree_data(source, entry.oid), len(entry.oid) // 2, part)
    return entry


def _find(data: bytes, id_bytes: int, name: bytes) -> Entry | None:
    if len(data) <= _REMEMBERED_BYTES:
        return _parse_once(data, id_bytes).get(name)
    found = [entry for one, entry in each_entry(data, id_bytes) if one == name]
    if len(found) > 1:
        raise FormatError("tree-invalid", "tree has a repeated name")
    return found[0] if found else None
