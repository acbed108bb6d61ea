"""The hooks that this program writes, and how one is told from another program's."""

from pathlib import Path

from gitsign_py.host.plainfile import read_plain

SERVER_HOOKS = ("pre-receive", "update", "reference-transaction")
MARK = "# gitsign-py hook shim: "
MAX_HOOK = 1 << 16  # ours have some hundred bytes


def is_ours(path: Path) -> bool:
    """Tell whether a hook is one that this program wrote."""
    try:
        return MARK.encode() in read_plain(path, MAX_HOOK)
    except OSError:
        return False
