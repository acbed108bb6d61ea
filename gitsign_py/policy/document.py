"""The bytes of a TOML file as values, within bounds: ``tomllib`` has none of its own.

Its time grows with the square of the number of parts in a dotted key, and a number of very many digits ends it with
an error that is not TOML's.
"""

import re
import tomllib
from typing import Any

MAX_POLICY_BYTES = 256 * 1024
MAX_KEY_PARTS = 8
# A quote that is never closed is read to the end of its line, and every word in full, so that no letter is read twice.
_QUOTED = r"\"(?:[^\"\\\n]++|\\[^\n])*+\"?+|'[^'\n]*+'?+"
_PART = rf"(?:[A-Za-z0-9_-]++|{_QUOTED})"
_KEY = re.compile(rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+")
_PLACE = re.compile(r"line (\d+)")


class DocumentError(Exception):
    """Why a file is not read, and on which line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


def read_document(data: bytes) -> tuple[str, dict[str, Any]]:
    """The text and the values of a TOML file of at most 256 KiB. Raises DocumentError."""
    if len(data) > MAX_POLICY_BYTES:
        raise DocumentError(1, f"policy of {len(data)} bytes, at most {MAX_POLICY_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(data.count(b"\n", 0, error.start) + 1, "policy is not UTF-8") from error
    if text.startswith("\ufeff"):  # TOML 1.0 has no place for one; some editors write it unasked
        raise DocumentError(1, "policy begins with a byte order mark: save it as UTF-8 without one")
    _check_keys(text)
    try:
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError, and so is a number too long
        raise DocumentError(_line_of(error, text), f"not valid TOML: {str(error)[:200]}") from error


def _line_of(error: Exception, text: str) -> int:
    """The line that an error of ``tomllib`` names, the last one when something is still open there, else the first."""
    if place := _PLACE.search(str(error)):
        return int(place[1])
    return text.rstrip().count("\n") + 1 if "end of document" in str(error) else 1


def _check_keys(text: str) -> None:
    """Refuse a key of very many parts before it is read. Text that only looks like one must be as short."""
    for match in _KEY.finditer(text):
        key = match.group()
        if key.count(".") >= MAX_KEY_PARTS and re.sub(_QUOTED, "", key).count(".") >= MAX_KEY_PARTS:
            line = text.count("\n", 0, match.start()) + 1
            raise DocumentError(line, f"a key has more than {MAX_KEY_PARTS} parts")
