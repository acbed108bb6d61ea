"""Patterns of a policy: regular expressions anchored at both ends, globs for refs and paths anchored at the start.

An unanchored pattern is the classic hole (``alice@example.com`` also matches ``malice@example.com.evil.org``), so a
policy that holds one is refused as a whole instead of being read in a safer way than it was written.
"""

import re
from functools import lru_cache

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.core.regexp import MAX_PATTERN, RegexpError, check_regexp, matches_whole
from gitsign_py.policy.inclusion import glob_includes

__all__ = ["Matcher", "PatternError", "anchored", "glob_includes", "glob_matches", "path_glob", "ref_glob"]


class PatternError(ValueError):
    """A pattern cannot be used; the text says why and what to write instead."""


@frozen
class Matcher:
    """A value that is expected: ``text`` itself, byte by byte, or an anchored regular expression."""

    text: str
    is_pattern: bool = False

    def matches(self, value: str) -> bool:
        """Tell whether ``value``, in full, is what is expected."""
        return matches_whole(self.text, value) if self.is_pattern else self.text == value


def anchored(pattern: str) -> Matcher:
    """Read a regular expression that starts with ``^`` and ends with ``$``, both meant for all of it.

    Raises PatternError for another form: ``^a|b$`` anchors each end of one alternative only.
    """
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"pattern is longer than {MAX_PATTERN} characters")
    if not pattern.startswith("^") or not pattern.endswith("$") or _escaped(pattern):
        raise PatternError(f"pattern is not anchored: write ^{pattern.removeprefix('^').removesuffix('$')}$")
    pieces = _PIECE.findall(pattern)
    if _has_bare_alternative(pieces):
        raise PatternError(f"pattern is not anchored in each alternative: write ^(?:{pattern[1:-1]})$")
    try:
        check_regexp(pattern)
    except RegexpError as error:
        raise PatternError(f"pattern is {error}") from error
    _check_pieces(pieces)
    return Matcher(pattern, is_pattern=True)


# An escaped character, a class (a "]" right at its start is a character), the beginning of a group, one character.
_PIECE = pattern(r"\\.|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*+(?:\]|\Z)|\(\?[^:)<]*+|.", re.DOTALL)
_GROUPS = ("(?", "(?P")  # "(?:" and named ones; others change flags


def _escaped(pattern: str) -> bool:
    """Tell whether the last ``$`` is a character and no anchor: an odd number of backslashes stands before it."""
    body = pattern[:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _has_bare_alternative(pieces: list[str]) -> bool:
    """Tell whether a ``|`` stands outside every group and character class."""
    depth = 0
    for piece in pieces:
        if piece == "|" and depth == 0:
            return True
        depth += 1 if piece.startswith("(") else -1 if piece == ")" else 0
    return False


def _check_pieces(pieces: list[str]) -> None:
    """Refuse what RE2 reads and people misread."""
    if any(piece.startswith("(?") and piece not in _GROUPS for piece in pieces):
        raise PatternError("pattern may not change flags: (?m) moves the anchors, (?i) makes look-alikes match")
    if "\\Q" in pieces:  # what follows, to \E, is literal, so that neither ^ nor | is what it looks like
        raise PatternError("pattern may not quote by \\Q: write a backslash before each character that means something")


def ref_glob(glob: str) -> str:
    """Check a glob for full ref names: ``*`` stays within a part, ``**`` crosses slashes. Raises PatternError."""
    if not glob.startswith("refs/"):
        raise PatternError(f"ref is not a full name: write refs/heads/{glob}")
    return _checked(glob)


def path_glob(glob: str) -> str:
    """Check a glob for paths from the root of the tree: ``/src/**``, ``/**/*.md``. Raises PatternError."""
    if not glob.startswith("/"):
        raise PatternError(f"path is not anchored at the root: write /{glob} or /**/{glob}")
    if any(part in ("", ".", "..") for part in glob[1:].split("/")):
        raise PatternError("path has an empty part, . or ..: write /folder/** for all that is below a folder")
    return _checked(glob)


def _checked(glob: str) -> str:
    if len(glob) > MAX_PATTERN or any(ord(char) < 32 for char in glob):
        raise PatternError("pattern is too long or holds control characters")
    if any(char in glob for char in "[]{}\\"):
        raise PatternError("pattern knows *, ** and ? alone, no classes, braces or escapes")
    if "***" in glob or re.search(r"[^/]\*\*|\*\*[^/]", glob):
        raise PatternError("** must stand alone between slashes")
    return glob


def glob_matches(glob: str, name: str) -> bool:
    """Match a full ref name, or a path that starts with ``/``, against a glob."""
    return _glob_regexp(glob).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _glob_regexp(glob: str) -> re.Pattern[str]:
    """A regular expression that takes no longer for many wildcards: each but the last takes the first place that fits.

    What is tried later would leave less for the next wildcard of its kind, so it never is (an atomic group).
    """
    first, *others = glob.removesuffix("**").split("**/")
    end = ".+" if glob.endswith("**") else ""
    found = _parts(first)
    if others:
        *middle, last = others
        found += "".join(f"(?>(?:[^/]+/)*?{_parts(text)})" for text in middle) + "(?:[^/]+/)*" + _parts(last)
    return re.compile(found + end, re.DOTALL)


def _parts(glob: str) -> str:
    """Of a glob without ``**``: parts, and the slashes between them."""
    return "/".join(_part(part) for part in glob.split("/"))


def _part(glob: str) -> str:
    first, *others = (re.escape(text).replace(r"\?", "[^/]") for text in glob.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{text})" for text in middle) + "[^/]*" + last
