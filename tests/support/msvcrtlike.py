"""The part of Windows's ``msvcrt`` that locks files, as it is documented (_locking), over flock(2).

Both lock for one opening of a file, so that a second one in the same process is refused too.
"""

import fcntl
import os

LK_UNLCK, LK_LOCK, LK_NBLCK = 0, 1, 2


def locking(descriptor: int, mode: int, count: int) -> None:
    """Lock or unlock ``count`` bytes from where the file is read next. Raises PermissionError when others have."""
    assert count == 1
    assert os.lseek(descriptor, 0, os.SEEK_CUR) > os.fstat(descriptor).st_size, "what lies in the file must stay free"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN if mode == LK_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PermissionError(*error.args) from error
