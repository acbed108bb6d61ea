"""The repository and git's settings: by git where it is on PATH, else by dulwich, which is loaded there alone."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gitsign_py.errors import ConfigError
from gitsign_py.host.git.config import GitConfig, is_isolated, read_git_config
from gitsign_py.host.git.objects import GitRepository


def has_git(environment: Mapping[str, str]) -> bool:
    """Tell whether there is a git program on PATH."""
    if sys.platform == "win32":
        from gitsign_py.host.programs import find_program  # noqa: PLC0415 - loads shutil, which git's front goes without

        return find_program("git", path=environment.get("PATH", "")) is not None
    folders = os.get_exec_path(environment)
    return any(os.path.isfile(one) and os.access(one, os.X_OK) for one in (f"{folder}/git" for folder in folders))  # noqa: PTH113


def open_repository(directory: Path | None = None, *, environment: Mapping[str, str] | None = None) -> GitRepository:
    """Open the repository that ``directory`` is in (None: the working directory).

    Without a git program it is read by dulwich: what cannot be read exactly is refused (ConfigError ``git-needed``),
    and merges that have to be made again and signatures by OpenPGP and SSH keys stay unchecked. Close it, or use it as
    a context manager.
    """
    variables = dict(os.environ if environment is None else environment)
    if has_git(variables):
        return GitRepository(directory, environment=variables)
    from gitsign_py.host.git.dulwichrepo import DulwichRepository  # noqa: PLC0415 - where git is missing alone

    return DulwichRepository(directory, environment=variables)


def read_config(environment: Mapping[str, str], directory: Path | None = None) -> GitConfig:
    """All settings, as ``read_git_config``, and from the plain files where there is no git program."""
    try:
        return read_git_config(environment, directory)
    except ConfigError as error:
        if error.reason != "git-missing":
            raise
    from gitsign_py.host.git.plainconfig import read_plain_config  # noqa: PLC0415 - where git is missing alone

    found = read_plain_config(environment, directory or Path.cwd())
    return found.without_repository() if is_isolated(environment) else found
