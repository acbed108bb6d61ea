"""The id that a commit or tag has once its signature is in it: in online mode the log entry is over that id."""

from typing import Literal

from gitsign_py.core.git.gitobject import HashAlgorithm, join_commit, join_tag, object_id, split_commit, split_tag
from gitsign_py.errors import FormatError, UsageError


def object_name(payload: bytes, armored: bytes, algorithm: HashAlgorithm | None = None) -> str:
    """Name the object as git will once the signature is in it (hex).

    Raises UsageError ``online-mode-payload`` for a payload that is neither a commit nor a tag.
    """
    kind, found = unsigned_kind(payload, algorithm)
    whole = join_commit(payload, armored, found) if kind == "commit" else join_tag(payload, armored, found)
    return object_id(kind, whole, found)


def unsigned_kind(payload: bytes, algorithm: HashAlgorithm | None) -> tuple[Literal["commit", "tag"], HashAlgorithm]:
    """A commit starts with its tree, a tag with its object; git signs push certificates too, which have no id.

    Raises UsageError ``online-mode-payload``.
    """
    try:
        if payload.startswith(b"tree "):
            return "commit", split_commit(payload, algorithm).algorithm
        return "tag", split_tag(payload, algorithm).algorithm
    except FormatError as error:
        raise UsageError(
            "online-mode-payload",
            f"in online mode only a commit or a tag can be signed, and this is neither: {error.message}",
            hint="set gitsign.rekorMode to offline, which signs anything",
        ) from error
