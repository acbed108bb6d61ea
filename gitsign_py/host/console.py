"""The console where a person reads and types, whatever the streams are: /dev/tty, on Windows CONIN$ and CONOUT$."""

import io
import os
import sys
from contextlib import suppress
from typing import Protocol

TERMINAL = "/dev/tty"
NOT_OURS = getattr(os, "O_NOCTTY", 0)  # opening it makes it nobody's controlling terminal
_LONGEST_READ = 1 << 16


class Console(Protocol):
    """Bytes of UTF-8 in and out. Reading and writing raise OSError when the console is gone."""

    @property
    def can_be_read(self) -> bool:
        """Whether this process may read from it now."""
        ...

    def write(self, data: bytes) -> None:
        """Show all of it."""
        ...

    def read(self) -> bytes:
        """Wait for a line, or a part of one; empty at the end."""
        ...

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class PosixTerminal:
    """An open terminal (POSIX, "General Terminal Interface")."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def can_be_read(self) -> bool:
        """A process in the background would be stopped by reading (SIGTTIN)."""
        if sys.platform == "win32" or not hasattr(os, "tcgetpgrp"):
            return True
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return False

    def write(self, data: bytes) -> None:
        """Show all of it."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def read(self) -> bytes:
        """Wait for a line, or a part of one; empty at the end."""
        return os.read(self._descriptor, _LONGEST_READ)

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet (tcflush(3))."""
        if sys.platform == "win32":  # for the type checker: there is no termios there
            return
        with suppress(ImportError):
            import termios  # noqa: PLC0415 - not on Windows

            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class WindowsConsole:
    """The two halves of a console, which Python reads and writes as UTF-8, whatever its code page is (PEP 528)."""

    can_be_read = True

    def __init__(self, reader: io.RawIOBase, writer: io.RawIOBase) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Show all of it."""
        while data:
            data = data[self._writer.write(data) or 0 :]

    def read(self) -> bytes:
        """Wait for a line, or a part of one; empty at the end."""
        return self._reader.read(_LONGEST_READ) or b""

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet."""
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - on Windows alone

            while msvcrt.kbhit():
                msvcrt.getwch()

    def close(self) -> None:
        """Let go of both."""
        self._reader.close()
        self._writer.close()


def open_console() -> Console | None:
    """Open the console of this process; None when it has none."""
    try:
        if sys.platform == "win32":
            # The half that is read first: opening the other one for writing makes a file where it is no console.
            reader = open("CONIN$", "rb", buffering=0)  # noqa: PTH123, SIM115 - a device, and kept
            return WindowsConsole(reader, open("CONOUT$", "wb", buffering=0))  # noqa: PTH123
        return PosixTerminal(os.open(TERMINAL, os.O_RDWR | NOT_OURS))
    except OSError:
        return None


def say(text: bytes) -> None:
    """Show ``text`` and a line end on the console, if there is one."""
    console = open_console()
    if console is not None:
        with suppress(OSError):
            console.write(text + b"\n")
        console.close()
