"""Regular expressions that others wrote, over values that others chose: RE2's syntax, matched in linear time.

A policy and the flags of a command name them, a certificate brings the value. Python's ``re`` tries every way through
a pattern, so ``(a+)+`` and forty letters hold it for hours. RE2 has no such patterns (no look-around, no references to
groups), and its syntax is what Go's clients mean by the same flags (github.com/google/re2/wiki/Syntax).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from re2 import _Regexp

MAX_PATTERN = 4096
MAX_VALUE = 8192
"""Characters. An identity or a claim that has more matches no pattern: the longest known ones have some hundred."""
_MEMORY = 1 << 20  # for each pattern; one that needs more is refused, such as thousands of repetitions


class RegexpError(ValueError):
    """A regular expression cannot be used; the text says why."""


def check_regexp(pattern: str) -> None:
    """Refuse what RE2 does not read, or not within its bounds. Raises RegexpError."""
    if len(pattern) > MAX_PATTERN:
        raise RegexpError(f"longer than {MAX_PATTERN} characters")
    _compiled(pattern)


def matches_whole(pattern: str, value: str) -> bool:
    """Tell whether the pattern, which was checked, matches all of ``value``."""
    if len(value) > MAX_VALUE:
        return False
    try:
        return _compiled(pattern).fullmatch(value) is not None
    except UnicodeEncodeError:  # half a pair of surrogates: no text that anybody could have meant
        return False


def matches_part(pattern: str, value: str) -> bool:
    """Tell whether the pattern, which was checked, matches somewhere in ``value``: for words to people alone."""
    if len(value) > MAX_VALUE:
        return False
    try:
        return _compiled(pattern).search(value) is not None
    except UnicodeEncodeError:
        return False


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "_Regexp":
    import re2  # noqa: PLC0415 - 4 ms, for those who use patterns

    try:
        return re2.compile(pattern, _options(re2))
    except re2.error as error:
        raise RegexpError(f"not a regular expression that RE2 reads: {_words(error)}") from error
    except UnicodeEncodeError as error:
        raise RegexpError("no text in UTF-8") from error


def _options(re2: Any) -> Any:
    options = re2.Options()
    options.log_errors = False  # it would write them to stderr itself
    options.never_capture = True  # whether it matches is all that is asked: no groups to fill
    options.max_mem = _MEMORY
    return options


def _words(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
