"""Where a command writes what it makes: standard output, or a file that is there whole or not at all."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gitsign_py.errors import ConfigError
from gitsign_py.host.privatefile import put_in_place


@contextmanager
def output_file(name: str | None, *, make_folder: bool = False) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole or not at all; a device or pipe is written to as it is.

    Raises ConfigError ``output-unwritable``.
    """
    if name is None or name == "-":
        yield sys.stdout
        return
    path = Path(name).resolve()  # a link stays a link
    try:
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to put a file in the place of
            with path.open("w", encoding="utf-8") as file:
                yield file
            return
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        number, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(number, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                yield file
            Path(fresh).chmod(0o666 & ~_umask())
            put_in_place(Path(fresh), path)
        finally:
            Path(fresh).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError("output-unwritable", f"the output cannot be written to {name}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
