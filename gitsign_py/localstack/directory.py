"""The directory of a local stack: which one it may be."""

import mmap
import os
import sys
from pathlib import Path

from gitsign_py.errors import ConfigError

DATABASE = "state.db"
LOCK = "stack.lock"
LOG = "stack.log"
INFO = "stack.json"
_ROOM = 1 << 17
"""More than the part of a database that SQLite maps into memory when it opens one."""


def prepare_directory(directory: Path) -> Path:
    """Make the directory (0700) and give its absolute path.

    Raises ConfigError ``stack-directory-...`` unless it is new, empty or a stack's already: a mistyped --dir must not
    fill a checkout.
    """
    try:
        directory = directory.absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / DATABASE).exists() and any(not _is_ours(path) for path in directory.iterdir()):
            raise ConfigError(
                "stack-directory-not-empty",
                f"{directory} is not empty and holds no local Sigstore",
                hint="give --dir a new or empty directory",
            )
        directory.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            "stack-directory-unusable", f"cannot use the directory {directory}: {error.strerror}"
        ) from error
    return directory


def _is_ours(path: Path) -> bool:
    """Files that a background start writes before the database is there."""
    return path.name in {LOCK, LOG, f"{LOG}.1"}


def require_room(directory: Path) -> None:
    """Raise ConfigError ``stack-database-unusable`` where opening a database could end the process.

    SQLite maps state.db-shm and writes a byte of each page for its place on the disk (os_unix.c, unixShmMap). Blocks
    that are smaller than a page, as those of small ext4 volumes are, get none then, and on a full disk the first touch
    is SIGBUS.
    """
    if sys.platform == "win32":
        return
    disk = os.statvfs(directory)
    blocks = disk.f_bavail if os.geteuid() else disk.f_bfree  # the superuser may have the last ones
    if disk.f_bsize < mmap.PAGESIZE and blocks * disk.f_frsize < _ROOM:
        raise ConfigError("stack-database-unusable", f"the disk of {directory} is full", hint="free some space there")
