"""Objects by dulwich, for programs that embed this package and have no git program at hand.

Raw bytes alone: dulwich's own parsed commits are written anew on output, and what is verified must be what is stored.
"""

from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.objects import ObjectID
from dulwich.repo import BaseRepo, Repo

from gitsign_py.core.git.gitobject import is_object_id, prove_object_id
from gitsign_py.errors import UncheckedError, UsageError
from gitsign_py.ports import ObjectKind, RawObject

# Object type numbers of the pack format (gitformat-pack): OBJ_COMMIT to OBJ_TAG.
_KINDS: dict[int, ObjectKind] = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}


class DulwichObjects:
    """Port ``ObjectSource`` over an open dulwich repository, which stays the caller's to close."""

    def __init__(self, repository: BaseRepo) -> None:
        self._store = repository.object_store

    def read(self, oid: str) -> RawObject:
        """Read the object with the full lower-case id ``oid``, its bytes proven by their hash.

        Raises UncheckedError ``object-missing``, ``object-unreadable``; FormatError ``object-id-mismatch``.
        """
        if not is_object_id(oid):
            raise UncheckedError("object-missing", f"{oid[:80]} is not a full object id", facts={"object": oid[:80]})
        try:
            number, data = self._store.get_raw(ObjectID(oid.encode("ascii")))
        except KeyError as error:
            raise UncheckedError(
                "object-missing", f"the object {oid} is not in the repository", facts={"object": oid}
            ) from error
        except Exception as error:  # zlib, pack and file errors of many classes, all meaning the same here
            raise UncheckedError(
                "object-unreadable", f"the object {oid} cannot be read: {type(error).__name__}", facts={"object": oid}
            ) from error
        kind = _KINDS[number]
        prove_object_id(oid, kind, data)
        return RawObject(kind, oid, data)


def open_repository(directory: Path) -> Repo:
    """Open the repository that holds ``directory``. Raises UsageError ``repository-missing``."""
    try:
        return Repo.discover(str(directory))
    except NotGitRepository as error:
        raise UsageError("repository-missing", f"no git repository at {directory}") from error
