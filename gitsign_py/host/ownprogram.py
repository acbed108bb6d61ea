"""The program itself as a file: what git, hooks and units are told to run."""

import os
import sys
import sysconfig
from pathlib import Path

from gitsign_py.host.programs import find_program

NAME = "gitsign-py"
ARCHIVE = ".pyz"  # tools/release/unpacking.py makes its path absolute
_ENDINGS = ("", ".exe") if sys.platform == "win32" else ("",)  # launchers take it off sys.argv[0]


def installed_program() -> Path | None:
    """The script that was installed with this package; absolute. None where it runs without being installed.

    It lies beside Python, or where ``sysconfig`` says: on Windows outside of a virtual environment, in ``Scripts``.
    """
    folders = (str(Path(sys.executable).parent), sysconfig.get_path("scripts"))
    found = (_program(Path(folder) / NAME) for folder in folders)
    return next(filter(None, found), None)


def own_program() -> Path | None:
    """The file that started this process, the script that was installed with it, or the one on PATH; absolute."""
    on_path = find_program(NAME)
    return _program(Path(sys.argv[0])) or installed_program() or (Path(on_path).absolute() if on_path else None)


def own_command() -> list[str]:
    """The words that start this program anew, whatever the directory: as a module, or the zipapp that it runs from.

    ``-P`` keeps the working directory out of the module path, where a repository could plant a module.
    """
    own = sys.argv[0]
    return [sys.executable, "-P", *([own] if own.endswith(ARCHIVE) and os.path.isabs(own) else ["-m", "gitsign_py"])]  # noqa: PTH117 - a text


def _program(path: Path) -> Path | None:
    for candidate in (path.absolute().with_name(path.name + ending) for ending in _ENDINGS):
        if candidate.suffix != ".py" and candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None
