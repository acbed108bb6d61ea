"""Where a repository lies, found as git finds it (git's setup.c), where there is no git program."""

import os
from collections.abc import Mapping
from pathlib import Path

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import UsageError
from gitsign_py.host.git.direct import only_git

_MAX_LINK_FILE = 1 << 20
_ELSEWHERE = (
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
)


@frozen
class Place:
    """Folders: the worktree's own git directory, the one that all worktrees share, and the worktree (None: bare)."""

    own: Path
    common: Path
    top: Path | None


def find_place(environment: Mapping[str, str], directory: Path) -> Place:
    """Look in ``directory`` and above, or where GIT_DIR says.

    Raises UsageError ``repository-missing``; ConfigError ``git-needed`` for a variable that moves a part of it.
    """
    for name in _ELSEWHERE:
        if environment.get(name):
            raise only_git(f"{name} is set, which git alone follows")
    if given := environment.get("GIT_DIR"):
        own = directory / given
        if not _is_git_directory(own):
            raise _missing(directory)
        return _place(own, directory)  # git(1), --git-dir: the working directory is the worktree's top then
    start = Path(os.path.realpath(directory))
    for folder in (start, *start.parents):
        if found := _found_in(folder):
            return found
    raise _missing(directory)


def _found_in(folder: Path) -> Place | None:
    inner = folder / ".git"
    if inner.is_file():
        return _place(_linked(inner), folder)
    if _is_git_directory(inner):
        return _place(inner, folder)
    return _place(folder, None) if _is_git_directory(folder) else None


def _place(own: Path, top: Path | None) -> Place:
    own = Path(os.path.realpath(own))
    named = own / "commondir"
    common = own / _line(named) if named.is_file() else own
    return Place(own, Path(os.path.realpath(common)), top)


def _linked(file: Path) -> Path:
    """The target of a ``.git`` file: the directory of a linked worktree or of a submodule."""
    text = _line(file)
    own = file.parent / text.removeprefix("gitdir: ")
    if not text.startswith("gitdir: ") or not _is_git_directory(own):
        raise _missing(file.parent)
    return own


def _line(file: Path) -> str:
    with file.open("rb") as stream:
        return os.fsdecode(stream.read(_MAX_LINK_FILE).rstrip(b"\r\n"))


def _is_git_directory(folder: Path) -> bool:
    common = folder / _line(folder / "commondir") if (folder / "commondir").is_file() else folder
    head = folder / "HEAD"
    return (head.is_symlink() or head.is_file()) and (common / "objects").is_dir() and (common / "refs").is_dir()


def _missing(directory: Path) -> UsageError:
    return UsageError(
        "repository-missing",
        f"no git repository at {directory} or above",
        hint="run it inside a repository, or set GIT_DIR",
    )
