"""A process that stays behind: the environment that it may keep, and whether its program is still the one installed.

Imports nothing: a verifier that stays must listen before git starts the next one.
"""

import os

import gitsign_py

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DROPPED_PREFIXES = ("GIT_", "ACTIONS_")
_DROPPED = frozenset({"SIGSTORE_ID_TOKEN", "GITSIGN_TOKEN_FILE", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})


def installed() -> tuple[int, int, int] | None:
    """A mark that tells one installation of the program from the next; None when there is none any more.

    An agent that outlives an update would load the rest of itself from the new files.
    """
    try:
        facts = os.stat(gitsign_py.__file__)  # noqa: PTH116  each second, for as long as the agent lives
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns


def clean_environment(environment: "Mapping[str, str]") -> dict[str, str]:
    """Return the environment without git's variables and without secrets."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_DROPPED_PREFIXES) and name not in _DROPPED
    }
