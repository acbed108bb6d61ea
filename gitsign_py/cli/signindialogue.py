"""The words that a person must see to sign in reach them while the sign-in waits, in panels, editors and agents too.

Without a terminal our stderr is a pipe of git's, which git shows when all is over, or never. The code of a device and
the address of a page are of use before that alone: they go to git's own stderr, which every caller of git shows.
"""

import os
import sys

from gitsign_py.host.consent import Dialogue
from gitsign_py.host.git.stderr import calling_git, tell_git
from gitsign_py.host.terminal import Terminal, for_terminal


class SignInDialogue:
    """The dialogue of a sign-in (``host.consent.Dialogue``) over that of the command."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        alone = isinstance(dialogue, Terminal) and not dialogue.attached
        self._terminal = dialogue if alone and isinstance(dialogue, Terminal) else None

    @property
    def interactive(self) -> bool:
        """Whether a person can answer."""
        return self._dialogue.interactive

    @property
    def is_seen(self) -> bool:
        """Whether what is shown is seen at once: not where git keeps our stderr and its own is out of reach, and not
        where all that is said goes to the null device. A log file is a place to read it.
        """
        if self._terminal is None or self._terminal.has_log:
            return True
        return _reaches_git() if _under_git() else not _is_null(2)

    def show(self, text: str) -> None:
        """Show one line or more now."""
        if self._terminal is not None and _under_git() and tell_git(for_terminal(text)):
            self._terminal.log(text)
        else:
            self._dialogue.show(text)

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question."""
        return self._dialogue.confirm(question)

    def prompt(self, text: str) -> str:
        """Ask for one line of text."""
        return self._dialogue.prompt(text)


def _under_git() -> bool:
    """Whether git started this program, with a pipe for stderr."""
    if os.isatty(2):
        return False
    if sys.platform != "linux":
        return "GIT_EXEC_PATH" in os.environ  # git sets it for what it runs
    return calling_git() is not None


def _reaches_git() -> bool:
    process = calling_git()
    return process is not None and os.access(f"/proc/{process}/fd/2", os.W_OK) and not _is_null(f"/proc/{process}/fd/2")


def _is_null(stream: int | str) -> bool:
    """Whether a stream is the null device, or closed: a caller that throws away what its programs say."""
    if sys.platform == "win32":  # its devices cannot be told apart in this way
        return False
    try:
        return os.path.samestat(os.stat(stream), os.stat(os.devnull))  # noqa: PTH116 - a descriptor has no path
    except OSError:
        return True
