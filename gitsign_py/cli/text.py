"""The words of the program to people and machines: an error as one line, its exit status, text made safe to print."""

import sys
from io import TextIOWrapper

from gitsign_py.errors import ConfigError, GitsignError, ServiceError, UncheckedError, UsageError


def exit_status(error: GitsignError) -> int:
    """The exit status that stands for an error."""
    if isinstance(error, UsageError | ConfigError):
        return 2
    if isinstance(error, UncheckedError | ServiceError):
        return 3
    from gitsign_py.verification.verdict import LACKING  # noqa: PLC0415 - cryptography, for what has failed

    return 3 if error.reason in LACKING else 1


def line_of(error: GitsignError) -> str:
    """One line: what failed, the step and the reason code, what to do. Control characters are spelled out."""
    from gitsign_py.core.printing import printable  # noqa: PLC0415 - not needed where nothing fails

    step = getattr(error, "step", "")
    code = f" [{step} {error.reason}]" if step else f" [{error.reason}]"
    hint = f"; {error.hint}" if error.hint else ""
    return printable(f"{error.message}{hint}{code}")


def write_utf8() -> None:
    """Write UTF-8 to stdout, whatever the locale says: for what is a document of its own, and says so."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
