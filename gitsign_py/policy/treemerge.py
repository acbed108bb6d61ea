"""Merges of trees in which no two sides touch the same path: most of what a forge merges, and no work for git.

The answer is git's own wherever there is one here. A rename needs a file that is gone on one side: where the other side
changed that file, or both sides have it gone, git's rename detection has a say, and git is asked.
"""

from gitsign_py.core.frozen import field, slotted
from gitsign_py.core.git.gitobject import object_id
from gitsign_py.errors import UncheckedError
from gitsign_py.policy.trees import TREE_MODE, Entry, parsed, read_tree_data
from gitsign_py.ports import ObjectSource

MAX_STEPS = 200_000
"""Entries that are compared for one merge."""
MAX_DEPTH = 128


class NotTrivialError(Exception):
    """The sides touch the same path: git has to merge them."""


def merged_tree(source: ObjectSource, base: str, ours: str, theirs: str) -> str:
    """The id of the tree that two trees give which part at ``base``.

    Raises NotTrivialError; FormatError, UncheckedError for trees that cannot be read.
    """
    merge = _TreeMerge(source, len(ours) // 2)
    found = merge.merged(*(Entry(TREE_MODE, oid) for oid in (base, ours, theirs)), depth=0)
    return found.oid if found is not None else merge.written({}).oid


@slotted
class _TreeMerge:
    source: ObjectSource
    id_bytes: int
    _steps: int = field(default=0)

    def merged(self, base: Entry | None, ours: Entry | None, theirs: Entry | None, *, depth: int) -> Entry | None:
        """The entry at one path: a side that left it alone has no say."""
        if ours == theirs:
            if ours != base and _may_hide_renames(base, ours):
                raise NotTrivialError
            return ours
        if ours == base:
            return theirs
        if theirs == base:
            return ours
        sides = [entry for entry in (base, ours, theirs) if entry is not None and entry.is_tree]
        if len(sides) < 3:
            raise NotTrivialError
        return self._folder(*sides, depth=depth + 1)

    def _folder(self, *sides: Entry, depth: int) -> Entry | None:
        if depth > MAX_DEPTH:
            raise UncheckedError("merge-too-deep", f"trees to merge are nested more than {MAX_DEPTH} folders deep")
        listings = [parsed(read_tree_data(self.source, entry.oid), self.id_bytes) for entry in sides]
        names = set().union(*listings)
        self._steps += len(names)
        if self._steps > MAX_STEPS:
            raise NotTrivialError
        rows = ((name, self.merged(*(listing.get(name) for listing in listings), depth=depth)) for name in names)
        kept = {name: entry for name, entry in rows if entry is not None}
        return self.written(kept) if kept else None  # git has no empty folders

    def written(self, entries: dict[bytes, Entry]) -> Entry:
        """The folder that git writes for these entries (tree.c, base_name_compare)."""
        ordered = sorted(entries.items(), key=lambda row: row[0] + (b"/" if row[1].is_tree else b""))
        data = b"".join(entry.mode + b" " + name + b"\0" + bytes.fromhex(entry.oid) for name, entry in ordered)
        return Entry(TREE_MODE, object_id("tree", data, "sha1" if self.id_bytes == 20 else "sha256"))


def _may_hide_renames(base: Entry | None, both: Entry | None) -> bool:
    """Both sides changed it alike: a file that is gone may have gone elsewhere, and not to the same place."""
    return both is None or both.is_tree or (base is not None and base.is_tree)
