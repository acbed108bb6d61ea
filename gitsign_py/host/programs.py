"""Programs on PATH, and on PATH alone."""

import os
import shutil
import sys


def find_program(name: str, path: str | None = None) -> str | None:
    """Find what a name or path of a program stands for, as shutil.which does; None where there is none.

    On Windows that one looks into the working directory first (before Python 3.12), where a repository may have a
    program of that name, and into folders of PATH that begin there.
    """
    if sys.platform != "win32" or os.path.dirname(name):  # noqa: PTH120 - a name may have no path
        return shutil.which(name, path=path)
    given = os.environ.get("PATH", "") if path is None else path
    folders = filter(os.path.isabs, given.split(os.pathsep))
    endings = [ending for ending in os.environ.get("PATHEXT", "").split(os.pathsep) if ending] or [""]
    if name.lower().endswith(tuple(ending.lower() for ending in endings)):
        endings = [""]
    candidates = (os.path.join(folder, name + ending) for folder in folders for ending in endings)  # noqa: PTH118
    return next((one for one in candidates if os.path.isfile(one) and os.access(one, os.X_OK)), None)  # noqa: PTH113
