"""Where files of this user go: the places of the XDG base directories, platformdirs' elsewhere, made with mode 0700.

The agent's socket has a place of its own (``gitsign_py.agent.client.socket_path``), found without loading this module.
"""

import os
import stat
import sys
from pathlib import Path

from gitsign_py.errors import ConfigError, plain_words
from gitsign_py.host.privatefile import is_open_to_others

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Kind = Literal["data", "cache", "state"]

APPLICATION = "gitsign-py"
_PRIVATE = 0o700
_MAX_SHOWN = 200
_BELOW_HOME = {"data": ".local/share", "cache": ".cache", "state": ".local/state"}


def user_place(kind: "Kind") -> Path:
    """Where files of this kind are or would be; nothing is made.

    On Linux the rule is short (XDG Base Directory Specification: what is not absolute does not count); platformdirs,
    which knows the others, costs 10 ms. Without a home there is no such place: a name that is not absolute would be
    read in the repository that git stands in, trust roots included. Raises ConfigError ``directory-unusable``.
    """
    if sys.platform == "linux" and "ANDROID_DATA" not in os.environ:
        named, home = os.environ.get(f"XDG_{kind.upper()}_HOME", ""), os.environ.get("HOME", "")
        if named.startswith("/"):
            return Path(named, APPLICATION)
        if home.startswith("/"):
            return Path(home, _BELOW_HOME[kind], APPLICATION)
    import platformdirs  # noqa: PLC0415 - see above

    places = {"data": platformdirs.user_data_path, "cache": platformdirs.user_cache_path}
    try:
        place = places.get(kind, platformdirs.user_state_path)(APPLICATION, appauthor=False)
    except RuntimeError as error:  # newer ones of platformdirs say so, older ones give a name that is not absolute
        raise _homeless(f"XDG_{kind.upper()}_HOME") from error
    if not place.is_absolute():
        raise _homeless(f"XDG_{kind.upper()}_HOME")
    return place


def _homeless(variable: str) -> ConfigError:
    return ConfigError(
        "directory-unusable",
        "this user has no home directory: HOME is not set, or not absolute, and the system knows none",
        hint=f"set HOME or {variable} to an absolute path",
    )


def out_of_reach(error: OSError) -> ConfigError:
    """The error for a file that this user may not use: another's home (sudo keeps HOME), a file system that is
    read-only.
    """
    from gitsign_py.core.printing import printable  # noqa: PLC0415 - only for what has failed

    return ConfigError(
        "file-unreadable",
        f"{printable(str(error.filename or 'a file'))} cannot be used: {plain_words(error)}",
        hint="check owner and permissions of it and of the directories above; under sudo, HOME may be another's",
        facts={"path": str(error.filename or "")},
    )


def data_directory() -> Path:
    """Files that are worth keeping, the TUF repository's last state first of all."""
    return private_directory(user_place("data"))


def cache_directory() -> Path:
    """Files that can be made again: verdicts."""
    return private_directory(user_place("cache"))


def state_directory() -> Path:
    """The questions that this user answered, and the sign-ins."""
    return private_directory(user_place("state"))


def state_place() -> Path:
    """The same where it can be had, else where it would be: who cannot write there has to be told and asked again."""
    try:
        return state_directory()
    except ConfigError as error:
        if error.reason != "directory-unusable":
            raise
        return user_place("state")


def tuf_place(environment: "Mapping[str, str]") -> Path:
    """Where the TUF cache is or would be: TUF_ROOT, as in the Go client, or ``tuf`` in the data directory.

    A home that is out of reach is no reason to look elsewhere. Raises ConfigError ``directory-unusable``.
    """
    named = environment.get("TUF_ROOT")
    if not named:
        return user_place("data") / "tuf"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            "directory-unusable",
            f"TUF_ROOT names {named[:_MAX_SHOWN]}, and the system knows no such home directory",
            hint="set TUF_ROOT to an absolute path",
        ) from error


def tuf_directory(environment: "Mapping[str, str]") -> Path:
    """The directory of the TUF cache, made when it is not there; so is the data directory around it."""
    if not environment.get("TUF_ROOT"):
        data_directory()
    return private_directory(tuf_place(environment))


def private_directory(named: Path) -> Path:
    """Make a directory of mode 0700 where there is none; one that is there must not be writable by others.

    ``~`` at the start of the name is expanded.

    Raises ConfigError ``directory-unusable``, ``directory-not-private``.
    """
    path = named
    try:
        path = named.expanduser()
        path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        facts = path.stat()
    except (OSError, RuntimeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            "directory-unusable",
            f"the directory {path} cannot be used: {words.lower()}",
            hint="make room for it, or set XDG_DATA_HOME, XDG_CACHE_HOME, XDG_STATE_HOME or TUF_ROOT",
        ) from error
    if is_open_to_others(facts, stat.S_IWGRP | stat.S_IWOTH):  # somebody else could swap the files in it
        raise ConfigError(
            "directory-not-private",
            f"others may write to the directory {path}",
            hint=f"chmod go-w {path}",
            facts={"path": str(path), "mode": f"{stat.S_IMODE(facts.st_mode):04o}"},
        )
    return path
