"""Where words for people go: the controlling terminal, else stderr; and the log file, when there is one.

git reads the program's stdout as the signature and takes its stderr for status lines, so a person is reached through
the terminal itself, whatever the streams are. Nothing here ever writes to stdout.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.encoding import format_rfc3339
from gitsign_py.core.printing import escaped
from gitsign_py.errors import veiled
from gitsign_py.host.console import NOT_OURS, Console, open_console

_LONGEST_LINE = 1 << 16
_YES = ("y", "yes")


class Terminal(Closeable):
    """The person at the terminal, or nobody (``host.consent.Dialogue``). Close it, or use it as a context manager.

    ``console`` is an open one or None; ``now`` gives the time for the log's lines, an aware datetime.
    """

    def __init__(self, console: Console | None, *, log_path: Path | None, now: Callable[[], datetime]) -> None:
        self._console = console
        self._log_path = log_path
        self._now = now

    def close(self) -> None:
        """Let go of the terminal."""
        if self._console is not None:
            self._console.close()
            self._console = None

    @property
    def attached(self) -> bool:
        """Whether there is a terminal to write to, whoever may read from it."""
        return self._console is not None

    @property
    def has_log(self) -> bool:
        """Whether what is shown is in a log file too."""
        return self._log_path is not None

    @property
    def canvas(self) -> Callable[[bytes], object] | None:
        """Writes to the terminal, for what draws on it, while this process is in the foreground."""
        return self._console.write if self._console is not None and self.interactive else None

    @property
    def interactive(self) -> bool:
        """Whether a person can answer: there is a terminal, and this process may read from it."""
        return self._console is not None and self._console.can_be_read

    def show(self, text: str) -> None:
        """Show one line or more, and log them; a line end is added. Control characters are spelled out."""
        self.log(text)
        self.write(text)

    def write(self, text: str) -> None:
        """The same without the log."""
        self._write(for_terminal(text) + "\n")

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question; no is the default, and the answer of nobody.

        What was typed before the question does not answer it.
        """
        if self._console is None or not self._console.can_be_read:
            return False
        self._console.forget_typed()
        return self.prompt(f"{question} [y/N] ").lower() in _YES

    def prompt(self, text: str) -> str:
        """Ask for one line of text, without its line end and white space around it; empty when nobody answers."""
        if not self.interactive:
            return ""
        self._write(for_terminal(text))
        line = bytearray()
        while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            piece = self._read()
            if not piece:
                break
            line += piece
        return line.decode("utf-8", "replace").strip()

    def log(self, text: str) -> None:
        """Append to the log file, each line with time and process id; mode 0600 when it is made here.

        A log that cannot be written must not stop a commit: that is said once, and then it is left alone.
        """
        if self._log_path is None:
            return
        stamp = f"{format_rfc3339(self._now())} [{os.getpid()}]"
        lines = "".join(f"{stamp} {line}\n" for line in for_terminal(text).split("\n"))
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_OURS
            descriptor = os.open(self._log_path, flags, 0o600)
            try:
                os.write(descriptor, lines.encode("utf-8"))
            finally:
                os.close(descriptor)
        except OSError as error:
            path, self._log_path = self._log_path, None
            words = (error.strerror or "error").lower()
            self._write(f"gitsign-py: cannot write to the log {for_terminal(str(path))}: {words}\n")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        if self._console is not None:
            try:
                self._console.write(data)
            except OSError:  # the terminal hung up
                self.close()
            else:
                return
        with suppress(OSError, ValueError):
            sys.stderr.write(data.decode("utf-8"))
            sys.stderr.flush()

    def _read(self) -> bytes:
        try:
            return b"" if self._console is None else self._console.read()
        except OSError:
            return b""


def open_terminal(environment: Mapping[str, str], *, log_path: Path | None, now: Callable[[], datetime]) -> Terminal:
    """Open the controlling terminal, if there is one and GIT_TERMINAL_PROMPT does not say to leave people alone."""
    # The values that git takes for no (git_env_bool in its parse.c); cli.gpg.front, which loads nothing, has it too.
    left_alone = environment.get("GIT_TERMINAL_PROMPT", "1").lower() in ("", "0", "false", "no", "off")
    return Terminal(None if left_alone else open_console(), log_path=log_path, now=now)


def for_terminal(text: str) -> str:
    """Text for a terminal, line ends kept. Words are not guessed at: the address to sign in at has some of chance."""
    return escaped(veiled(text, guess=False), keep="\n")


def wants_colour(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether output may be coloured: to a terminal that knows colours, and never with NO_COLOR (no-color.org)."""
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM", "") not in ("", "dumb")
