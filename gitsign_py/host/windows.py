"""The settings that a program for git makes on Windows before anything else."""

import os
import sys


def prepare() -> None:
    """Write UTF-8 with plain line ends, as git reads it, and start programs from PATH alone.

    Python would take the system's code page and CR LF for streams that are no console (PEP 528, PEP 540), and
    CreateProcess would look for ``git`` in the working directory first, which is a repository that may hold one
    (NeedCurrentDirectoryForExePathW, Windows API).
    """
    os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
