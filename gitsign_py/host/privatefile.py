"""Files and directories that are to be this user's alone.

POSIX says so by owner and mode. On Windows the access list does, which a user's own directories hand down to what is
made in them; the modes that Python shows there mean nothing, and so they are not asked. Nor does Windows put a file in
the place of one that is open, or open one whose place is being taken: it refuses for that moment (CreateFile,
FILE_SHARE_DELETE, which Python does not ask for), and is asked again here.
"""

import os
import sys
import time
from pathlib import Path

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _Result = TypeVar("_Result")

_PATIENCE_SECONDS = 2.0
_POLL_SECONDS = 0.005

# Not inherited, no link followed (it would lead to somebody else's file), and bytes as they are on Windows.
_ALWAYS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def open_private(path: Path | str, flags: int, mode: int = 0o600) -> int:
    """Open a file of our own, which gets ``mode`` when it is made here; gives its descriptor. Raises OSError."""
    return os.open(path, flags | _ALWAYS, mode)


def write_whole(path: Path, data: bytes, mode: int = 0o600, *, synced: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part. Raises OSError.

    ``synced``: it is on disk, under its name, when this returns. Without, a power cut may leave an empty file.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    try:
        put_in_place(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    if synced:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Put the names in a directory on disk (fsync(2): a file's own sync leaves its name out). Raises OSError."""
    if sys.platform == "win32":  # directories cannot be opened there; NTFS journals names itself
        return
    descriptor = os.open(directory, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(draft: Path, path: Path) -> None:
    """Make ``draft`` the file at ``path``, whatever was there, and whoever reads that. Raises OSError."""
    _insist(lambda: draft.replace(path))


def read_whole(path: Path) -> bytes:
    """Read what :func:`write_whole` writes, perhaps at this moment. Raises OSError."""
    return _insist(path.read_bytes)


def _insist(action: "Callable[[], _Result]") -> "_Result":
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return action()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= end:
                raise
        time.sleep(_POLL_SECONDS)


def is_foreign(facts: os.stat_result) -> bool:
    """Say whether what these facts are about belongs to another user."""
    return hasattr(os, "geteuid") and facts.st_uid != os.geteuid()


def is_open_to_others(facts: os.stat_result, bits: int) -> bool:
    """Say whether the mode has one of ``bits`` (0o022: others may write, 0o077: others may do anything)."""
    return hasattr(os, "geteuid") and bool(facts.st_mode & bits)
