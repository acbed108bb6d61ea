"""The hooks that this program writes, and how one is told from another program's."""

import os
from pathlib import Path

from gitsign_py.host.git.program import run_git
from gitsign_py.host.plainfile import read_plain

SERVER_HOOKS = ("pre-receive", "update", "reference-transaction")
MARK = "# gitsign-py hook shim: "
MAX_HOOK = 1 << 16  # ours have some hundred bytes


def hooks_folder() -> Path:
    """Where git looks for the hooks of this repository: by git's own configuration, core.hooksPath with it.

    Asked of git itself: a repository that we read has all hooks off.
    """
    out = run_git(["rev-parse", "--path-format=absolute", "--git-path", "hooks"], environment=os.environ)
    return Path(os.fsdecode(out).rstrip("\n"))


def is_ours(path: Path) -> bool:
    """Tell whether a hook is one that this program wrote."""
    try:
        return MARK.encode() in read_plain(path, MAX_HOOK)
    except OSError:
        return False
