"""A place in which only its user can have put an endpoint

The program at an endpoint's path answers git's verifications and is given tokens. The kernel says who is at the other
end of a connection, but not on every system, and of a file with a port and a secret it says nothing; so the path itself
must be out of everybody else's reach. Each directory on the way is asked whether others may rename in it, each link is
followed by the same rule, and the endpoint and its own directory must be this very user's and closed to others. Imports
next to nothing: git starts the client for every commit.
"""

import os
import stat
import sys

_MOST_LINKS = 40  # what Linux follows, path_resolution(7)


class UnsafePlaceError(OSError):
    """Somebody else could have put there what is there; the text says which file or directory, and why."""


def check_endpoint(path: str) -> None:
    """Make sure of the socket or file at ``path``. Raises OSError, UnsafePlaceError among them."""
    if sys.platform == "win32" or not hasattr(os, "geteuid"):
        from gitsign_py.host.windowsacl import check_private  # noqa: PLC0415 - where files have no owner by number

        if why := check_private(path):
            raise UnsafePlaceError(why)
        return
    directory, place, facts = _walk(path)
    _check_own_directory(directory, place)
    if facts.st_uid != os.geteuid():
        raise UnsafePlaceError(f"{path} belongs to another user")
    if not (stat.S_ISSOCK(facts.st_mode) or stat.S_ISREG(facts.st_mode)):
        raise UnsafePlaceError(f"{path} is neither a socket nor a file")
    if facts.st_mode & (0o022 if stat.S_ISSOCK(facts.st_mode) else 0o077):  # the file holds a secret
        raise UnsafePlaceError(f"{path} is open to other users")


def check_directory(path: str) -> None:
    """Make sure of a directory for endpoints. Raises OSError, UnsafePlaceError among them."""
    if sys.platform == "win32" or not hasattr(os, "geteuid"):
        from gitsign_py.host.windowsacl import check_private  # noqa: PLC0415 - as above

        if why := check_private(os.path.join(path, "agent"), made=False):  # noqa: PTH118  pathlib costs 10 ms
            raise UnsafePlaceError(why)
        return
    _, _, facts = _walk(path)
    _check_own_directory(path, facts)


def _check_own_directory(path: str, facts: os.stat_result) -> None:
    if sys.platform != "win32" and facts.st_uid != os.geteuid():
        raise UnsafePlaceError(f"the directory {path} belongs to another user")
    if facts.st_mode & 0o022:
        raise UnsafePlaceError(f"other users can write to the directory {path}")


def _walk(path: str) -> tuple[str, os.stat_result, os.stat_result]:
    """Resolve ``path`` name by name (path_resolution(7)); gives its directory, that one's facts, and its own facts.

    Raises UnsafePlaceError where others may rename what the path goes through.
    """
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"  # noqa: PTH109
    names, links = whole.split("/")[::-1], 0
    directory, place = "/", os.lstat("/")
    entry, facts = "/", place
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if not stat.S_ISLNK(facts.st_mode):  # the last name was a directory, and we go into it
            directory, place = entry, facts
        if name == "..":
            directory = os.path.dirname(directory)  # noqa: PTH120
            entry, facts = directory, os.lstat(directory)
            continue
        entry = os.path.join(directory, name)  # noqa: PTH118
        facts = os.lstat(entry)
        _check_shared(directory, place, entry, facts)
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            target = os.readlink(entry)  # noqa: PTH115
            names += target.split("/")[::-1]
            if target.startswith("/"):
                directory, place = "/", os.lstat("/")
        if links > _MOST_LINKS:
            raise UnsafePlaceError(f"{path} leads through more than {_MOST_LINKS} links")
    return directory, place, facts


def _check_shared(directory: str, place: os.stat_result, entry: str, facts: os.stat_result) -> None:
    """Only this user and root may rename in ``directory``, or it is sticky and what is in it is theirs."""
    trusted = {0}
    if sys.platform != "win32":  # for the type checker: check_private does it there
        trusted.add(os.geteuid())
    if place.st_uid not in trusted:
        raise UnsafePlaceError(f"the directory {directory} belongs to another user")
    if place.st_mode & 0o022 and not place.st_mode & stat.S_ISVTX:
        raise UnsafePlaceError(f"other users can write to the directory {directory}")
    if place.st_mode & stat.S_ISVTX and facts.st_uid not in trusted:
        raise UnsafePlaceError(f"{entry} belongs to another user")
