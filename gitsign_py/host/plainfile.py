"""Files that a repository holds or names: a pipe is never opened to wait for it, and a device is never read.

A person who hands over a repository (an archive, a shared folder) can put a named pipe in the place of any of its
files, and its configuration can name ``/dev/zero``. Opening a pipe waits for a writer who never comes (fifo(7)), and
reading such a device never ends.
"""

import errno
import os
import stat
from pathlib import Path

_NOT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_plain(path: Path, most: int) -> bytes:
    """Read a regular file; one byte more than ``most`` of one that is larger. Raises OSError, ValueError."""
    descriptor = os.open(path, _NOT_WAITING | getattr(os, "O_NOCTTY", 0))
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a folder the system has words of its own
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return file.read(most + 1)


def check_plain(path: str) -> None:
    """For those who open files themselves. Raises OSError for what is there and is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - on the way of each object
    except OSError:  # nothing to wait for
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)
