"""The tree of an attestation ref as its readers see it: the list of objects is read once for a run, all of it bounded.

Anybody who may push to the ref chooses how many objects it has folders for, and how much lies in them.
"""

from collections.abc import Iterator, Mapping

from gitsign_py.core.git.gitobject import is_object_id
from gitsign_py.errors import FormatError, GitsignError, UncheckedError
from gitsign_py.host.git.attestationrefs import MAX_FOLDER_BYTES, check_size
from gitsign_py.host.git.naming import commit_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.surroundings import commit_tree
from gitsign_py.policy.trees import each_entry, read_tree_data


class AttestedObjects:
    """The objects that a ref has attestations about."""

    def __init__(self, repository: GitRepository, ref: str) -> None:
        self._repository, self._ref = repository, ref
        self._tip: str | None = None
        self._folders: Mapping[bytes, bytes | None] | None = None
        self._error: GitsignError | None = None

    @property
    def tip(self) -> str:
        """The commit that the ref names; empty for none."""
        if self._tip is None:
            self._tip = commit_at(self._repository, self._ref)
        return self._tip

    def check(self) -> None:
        """Raise UncheckedError ``attestations-too-many`` or the like, FormatError, where the list cannot be read."""
        self._listed()

    def files(self, oid: str) -> Iterator[tuple[bytes, str]]:
        """Name and id of each file about an object, in their order. Raises what ``check`` does, of its folder too."""
        folder = self._listed().get(bytes.fromhex(oid)) if is_object_id(oid) else None
        if folder is None:
            return
        data = self._read(folder.hex(), MAX_FOLDER_BYTES)
        yield from ((name, entry.oid) for name, entry in each_entry(data, len(folder)) if entry.is_file)

    def _listed(self) -> Mapping[bytes, bytes | None]:
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._folders is None:
            try:
                self._folders = self._list()
            except GitsignError as error:
                self._error = error
                raise
        return self._folders

    def _list(self) -> Mapping[bytes, bytes | None]:
        """The folder of each object, as bytes: a hundred thousand of them take 15 MB. None for what is no folder."""
        if not self.tip:
            return {}
        found: dict[bytes, bytes | None] = {}
        for name, entry in each_entry(self._read(commit_tree(self._repository, self.tip)), len(self.tip) // 2):
            oid = _id_of(name, len(self.tip) // 2)
            if oid in found:
                raise FormatError("tree-invalid", "tree has a repeated name")
            if oid:
                found[oid] = bytes.fromhex(entry.oid) if entry.is_tree else None
        return found

    def _read(self, tree: str, most: int | None = None) -> bytes:
        try:
            data = read_tree_data(self._repository, tree)
        except UncheckedError as error:
            if error.reason != "object-too-large":
                raise
            data = None
        return check_size(self._ref, data) if most is None else check_size(self._ref, data, most)


def _id_of(name: bytes, length: int) -> bytes:
    """The object that a folder is about; nothing for another name."""
    if len(name) != 2 * length:
        return b""
    try:
        oid = bytes.fromhex(name.decode("ascii"))
    except ValueError:
        return b""
    return oid if oid.hex().encode() == name else b""
