"""Processes that end with the block that looks at them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def ending(process: "subprocess.Popen[AnyStr]") -> Iterator["subprocess.Popen[AnyStr]"]:
    """As ``with process``, which waits for its end; where the block fails, it is killed first: it may have no end."""
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
