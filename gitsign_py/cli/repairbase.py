"""Where a repair starts: after the commits that the server keeps, and before the first refused commit."""

from collections.abc import Mapping, Sequence

from gitsign_py.audit.updates import RefUpdate
from gitsign_py.core.git.gitobject import split_commit, split_object
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.naming import commit_at, commit_of
from gitsign_py.host.git.objects import GitRepository

_TAGS = "refs/tags/"


class RepairBase:
    """Finds the start for each ref of a push (or of none, for what a merge brought)."""

    def __init__(self, repository: GitRepository, updates: Sequence[RefUpdate] = ()) -> None:
        self._repository = repository
        self._updates = {update.ref: update for update in updates}

    def __call__(self, ref: str, oids: Sequence[str]) -> str:
        """The revision from which a rebase rewrites all of ``oids`` and nothing that the server has; or ``--root``."""
        found = self._before(oids)
        kept = self._kept(ref)
        if not kept:
            return found
        commit = "" if found == "--root" else commit_of(self._repository, found)
        # Where the fork of two refused sides is older, a rebase from what the server has still reaches both of them.
        return found if commit and graph_of(self._repository).is_ancestor(kept, commit) else kept

    def tip(self, ref: str) -> str:
        """The commit that a push brings a branch to; empty for a tag, and where nothing is pushed."""
        update = self._updates.get(ref)
        return "" if update is None or ref.startswith(_TAGS) else update.new

    def tags_on(self, ref: str, base: str) -> Mapping[str, str]:
        """The tags of this push on commits that a rebase of ``ref`` from ``base`` rewrites, and where each belongs.

        That is told from HEAD, where the new commits are by then; empty where first parents do not lead there.
        """
        update = self._updates.get(ref)
        tags = [one for one in self._updates.values() if one.ref.startswith(_TAGS) and one.new.strip("0")]
        if update is None or not tags:
            return {}
        since = [update.new, *([f"^{base}"] if base != "--root" else [])]
        line = self._list("--first-parent", *since)
        places = dict.fromkeys(self._list(*since), "") | {oid: f"HEAD~{number}" for number, oid in enumerate(line)}
        named = ((tag.ref, places.get(self._tagged(tag.new))) for tag in tags)
        return {tag: place for tag, place in named if place is not None}

    def is_annotated(self, ref: str) -> bool:
        """Tell whether the push has an object of its own for a tag, which can be signed."""
        update = self._updates.get(ref)
        return update is None or self._tagged(update.new) != update.new

    def _tagged(self, oid: str) -> str:
        """The object that a tag names, and of another object its own id; a git that runs already is asked."""
        try:
            item = self._repository.read(oid)
            return split_object("tag", item.data).target if item.kind == "tag" else oid
        except GitsignError:  # malformed, or too large
            return ""

    def _list(self, *words: str) -> list[str]:
        try:
            return self._repository.run(["rev-list", *words]).decode("ascii").split()
        except GitsignError:
            return []

    def _before(self, oids: Sequence[str]) -> str:
        """The newest commit that all of these come after, itself not one of them; ``--root`` when there is none."""
        try:
            found = self._merge_base(*oids)
            if not found:
                return "--root"
            read = self._repository.read(found).data
            is_root = found in oids and not split_commit(read, two_hashes=True).parents
        except GitsignError:  # a malformed commit has nothing to start at
            return f"{oids[-1]}^"
        if found not in oids:
            return found
        return "--root" if is_root else f"{found}^"

    def _kept(self, ref: str) -> str:
        """The commit that the new value shares with the old one; for a new ref, with the server's own branch."""
        update = self._updates.get(ref)
        if update is None:
            return ""
        try:
            old = update.old if update.old.strip("0") else commit_at(self._repository, "HEAD")
            return self._merge_base(old, update.new) if old else ""
        except GitsignError:
            return ""

    def _merge_base(self, *oids: str) -> str:
        return self._repository.run(["merge-base", "--octopus", *oids], accept=(0, 1)).decode("ascii").strip()
