"""Was a trust root ever kept here by TUF? A state that was there and is gone must not give way to the embedded root.

A person who ran ``initialize`` for a private instance trusts that instance; were the embedded public-good root to count
as soon as the copy is lost, anybody with an account at the public instance could sign there. So each directory that
``initialize`` filled is noted in the user's data directory, and only ``initialize --forget`` takes it out again.
"""

import json
import os
from pathlib import Path

from gitsign_py.core.encoding import load_json
from gitsign_py.errors import ConfigError, FormatError
from gitsign_py.host.paths import data_directory, user_place
from gitsign_py.host.privatefile import read_whole, write_whole

STATE = ("mirror.json", "bootstrap.json", "metadata", "targets")
FILE_NAME = "kept-trust-roots.json"
_MAX_BYTES = 1 << 20


def was_kept(directory: Path) -> bool:
    """Say whether there is anything of a state, or was one. A file that cannot be looked at counts: its reader says
    why.
    """
    return any(_is_there(directory / name) for name in STATE) or _name(directory) in _noted()


def note_kept(directory: Path) -> None:
    """Note that ``directory`` holds a trust root from now on. Raises ConfigError ``directory-unusable``."""
    if (name := _name(directory)) not in (noted := _noted()):
        _write([*noted, name])


def note_forgotten(directory: Path) -> None:
    """Take the note back. Raises ConfigError ``directory-unusable``."""
    if (name := _name(directory)) in (noted := _noted()):
        _write([one for one in noted if one != name])


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _name(directory: Path) -> str:
    return os.path.realpath(directory)


def _noted() -> tuple[str, ...]:
    """The directories that were noted. A file that cannot be read, or is none of ours, is no reason to go on without.

    Raises ConfigError ``kept-trust-roots-unreadable``.
    """
    path = user_place("data") / FILE_NAME
    try:
        value = load_json(read_whole(path), max_bytes=_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise _unreadable(path, (error.strerror or "error").lower()) from error
    except FormatError as error:
        raise _unreadable(path, error.message) from error
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _unreadable(path, "it is no list of directories")
    return tuple(value)


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "kept-trust-roots-unreadable",
        f"the list of kept trust roots {path} cannot be read: {why}",
        hint="repair its permissions, or remove it and run gitsign-py initialize again for each private instance",
        facts={"path": str(path)},
    )


def _write(names: list[str]) -> None:
    path = data_directory() / FILE_NAME
    try:
        write_whole(path, (json.dumps(names, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError("directory-unusable", f"{path} cannot be written: {error.strerror}") from error
