"""Git trees as bytes: parse one, find a path, list the paths in which two differ."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import FormatError
from gitsign_py.ports import ObjectSource

_TREE_MODE = b"40000"
_MODES = frozenset({_TREE_MODE, b"100644", b"100664", b"100755", b"120000", b"160000"})  # fsck.c, fsck_tree
MAX_DEPTH = 512
_REMEMBERED_BYTES = 16 * 1024  # 128 such trees, parsed, take 10 MiB at most
_FILE_MODES = (b"100644", b"100664", b"100755")
# Code points that HFS+ passes over in names, and the tails and short names of NTFS (git's utf8.c and path.c).
_HFS_IGNORED = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))
_NTFS_SHORT = re.compile(r"gitsig~[1-9]\Z")


class Entry(NamedTuple):
    """One entry of a tree: the mode in octal digits without leading zeros, and the object's id in hex.

    A named tuple, since judging by paths makes and compares hundreds of them for each commit.
    """

    mode: bytes
    oid: str

    @property
    def is_tree(self) -> bool:
        """Tell whether the entry is a folder."""
        return self.mode == _TREE_MODE

    @property
    def is_file(self) -> bool:
        """Tell whether the entry is a file: no folder, no symbolic link, no submodule."""
        return self.mode in _FILE_MODES


def parse_tree(data: bytes, id_bytes: int) -> dict[bytes, Entry]:
    """Parse a tree's content (git's tree-walk.c: ``mode SP name NUL id``). Raises FormatError ``tree-invalid``."""
    entries: dict[bytes, Entry] = {}
    at = 0
    while at < len(data):
        space, end = data.find(b" ", at), data.find(b"\0", at)
        if not at < space < end or end + 1 + id_bytes > len(data):
            raise FormatError("tree-invalid", "tree ends inside an entry")
        name = data[space + 1 : end]
        if not name or name in entries or b"/" in name:
            raise FormatError("tree-invalid", "tree has an empty or repeated name, or one with a slash")
        # Old trees have "040000"; git reads the number, so a folder must not pass for a file here.
        mode = data[at:space].lstrip(b"0")
        if mode not in _MODES:
            raise FormatError("tree-invalid", "tree has an entry of an unknown mode")
        entries[name] = Entry(mode, data[end + 1 : end + 1 + id_bytes].hex())
        at = end + 1 + id_bytes
    return entries


_parse_once = lru_cache(maxsize=128)(parse_tree)  # commits that follow each other have most of their trees in common


def read_tree(source: ObjectSource, oid: str) -> Mapping[bytes, Entry]:
    """Read a tree by its id; no id is the empty tree. Raises FormatError, UncheckedError when it is not there."""
    if not oid:
        return {}
    found = source.read(oid)
    if found.kind != "tree":
        raise FormatError("tree-invalid", f"{oid} is a {found.kind}, not a tree")
    parse = _parse_once if len(found.data) <= _REMEMBERED_BYTES else parse_tree
    return parse(found.data, len(oid) // 2)


def find_path(source: ObjectSource, tree: str, path: str) -> Entry | None:
    """The entry at ``path`` below a tree, or None."""
    entry: Entry | None = Entry(_TREE_MODE, tree)
    for part in path.encode().split(b"/"):
        if entry is None or not entry.is_tree:
            return None
        entry = read_tree(source, entry.oid).get(part)
    return entry


def changed_paths(
    source: ObjectSource, tree: str, parents: Sequence[str], bases: Sequence[str] = (), *, folder: str = ""
) -> Iterator[str]:
    """The paths that a commit itself changes, in order; all arguments are tree ids, empty for no tree.

    With one parent that is every path that differs. In a merge a path is the merge's own work unless it has the value
    of one parent while every other parent has that value too or left the path as it is in every one of ``bases``
    (the trees of the merge bases). So neither new content in a merge nor a return to an old version hides, and a file
    that both sides changed counts as changed by who merged it.

    ``folder`` narrows the answer to one entry of the root, and what a file system may take for it. Names that are not
    UTF-8 come with surrogates.
    """
    nodes = _Nodes(_tree(tree), tuple(map(_tree, parents)), tuple(map(_tree, bases or ("",))))
    yield from _changed(source, nodes, b"", folder)


def looks_like(name: bytes, folder: str) -> bool:
    """Tell whether a checkout on macOS or Windows may write ``name`` where ``folder`` (``.gitsign``) is."""
    if name == folder.encode():
        return True
    text = unicodedata.normalize("NFC", name.decode("utf-8", "replace")).translate(_HFS_IGNORED).casefold()
    return text.partition(":")[0].rstrip(". ") == folder or _NTFS_SHORT.match(text) is not None


@frozen
class _Nodes:
    """What stands at one path: in the commit, in each parent, in each merge base."""

    own: Entry | None
    parents: tuple[Entry | None, ...]
    bases: tuple[Entry | None, ...]

    @property
    def is_explained(self) -> bool:
        """Tell whether the value comes from the parents alone."""
        if self.own not in self.parents:
            return False
        others = [parent for parent in self.parents if parent != self.own]
        return all(parent == base for parent in others for base in self.bases)

    @property
    def all(self) -> tuple[Entry | None, ...]:
        """Every entry."""
        return (self.own, *self.parents, *self.bases)


def _tree(oid: str) -> Entry | None:
    return Entry(_TREE_MODE, oid) if oid else None


def _changed(source: ObjectSource, nodes: _Nodes, prefix: bytes, only: str = "") -> Iterator[str]:
    if nodes.is_explained:
        return
    if prefix.count(b"/") > MAX_DEPTH:
        raise FormatError("tree-too-deep", f"tree is nested more than {MAX_DEPTH} folders deep")
    if not _files(nodes).is_explained:
        yield prefix[:-1].decode("utf-8", "surrogateescape")
    listings = [read_tree(source, entry.oid) if entry and entry.is_tree else {} for entry in nodes.all]
    count = len(nodes.parents)
    for name in sorted(set().union(*listings)):
        found = [listing.get(name) for listing in listings]
        if found[1 : 1 + count].count(found[0]) == count > 0:
            continue  # as in every parent: most entries of most trees
        if only and not looks_like(name, only):
            continue
        inner = _Nodes(found[0], tuple(found[1 : 1 + count]), tuple(found[1 + count :]))
        yield from _changed(source, inner, prefix + name + b"/")


def _files(nodes: _Nodes) -> _Nodes:
    """The same with folders left out: a file that became a folder is a file that went."""
    own, *others = [None if entry is None or entry.is_tree else entry for entry in nodes.all]
    count = len(nodes.parents)
    return _Nodes(own, tuple(others[:count]), tuple(others[count:]))
