"""Patterns of a policy: regular expressions anchored at both ends, globs for refs and paths anchored at the start.

An unanchored pattern is the classic hole (``alice@example.com`` also matches ``malice@example.com.evil.org``), so a
policy that holds one is refused as a whole instead of being read in a safer way than it was written.
"""

import re
from functools import cache, lru_cache

from gitsign_py.core.frozen import frozen

MAX_PATTERN = 4096


class PatternError(ValueError):
    """A pattern cannot be used; the text says why and what to write instead."""


@frozen
class Matcher:
    """A value that is expected: ``text`` itself, byte by byte, or an anchored regular expression."""

    text: str
    is_pattern: bool = False

    def matches(self, value: str) -> bool:
        """Tell whether ``value``, in full, is what is expected."""
        return _regexp(self.text).fullmatch(value) is not None if self.is_pattern else self.text == value


def anchored(pattern: str) -> Matcher:
    """Read a regular expression that starts with ``^`` and ends with ``$``, both meant for all of it.

    Raises PatternError for another form: ``^a|b$`` anchors each end of one alternative only.
    """
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"pattern is longer than {MAX_PATTERN} characters")
    if not pattern.startswith("^") or not pattern.endswith("$") or _escaped(pattern):
        raise PatternError(f"pattern is not anchored: write ^{pattern.removeprefix('^').removesuffix('$')}$")
    if _has_bare_alternative(pattern):
        raise PatternError(f"pattern is not anchored in each alternative: write ^(?:{pattern[1:-1]})$")
    try:
        compiled = _regexp(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"pattern is not a regular expression: {error}") from error
    if compiled.flags & (re.MULTILINE | re.IGNORECASE):
        raise PatternError("pattern may not change flags: (?m) moves the anchors, (?i) makes look-alikes match")
    return Matcher(pattern, is_pattern=True)


def _escaped(pattern: str) -> bool:
    """Tell whether the last ``$`` is a character and no anchor: an odd number of backslashes stands before it."""
    body = pattern[:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _has_bare_alternative(pattern: str) -> bool:
    """Tell whether a ``|`` stands outside every group and character class."""
    depth, in_class, at = 0, False, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += 1 + pattern[at + 1 : at + 2].count("^")  # "]" right after "[" or "[^" is a character
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return True
        at += 1
    return False


@lru_cache(maxsize=1024)
def _regexp(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


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


def glob_includes(wide: str, narrow: str) -> bool:
    """Tell whether ``wide`` matches each ref or path that ``narrow`` does; False also where that is too long to ask.

    The wildcards of ``narrow`` are read like characters, which wildcards of ``wide`` take in or not.
    """
    if wide == narrow:
        return True
    globs = tuple(_TOKEN.findall(wide)), tuple(_TOKEN.findall(narrow))
    found = max(map(len, globs)) <= _MAX_TOKENS and _includes(*globs)
    _includes.cache_clear()  # it is for the many ways through these two
    return found


_TOKEN = re.compile(r"\*\*/|\*\*|.", re.DOTALL)
_MAX_TOKENS = 200
_CROSS_SLASHES = ("/", "**", "**/")


@cache
def _includes(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return not narrow
    first, rest = wide[0], wide[1:]
    if first == "**":
        return bool(narrow)  # a part begins here, and none is empty
    if first == "**/":
        after = _after_folder(narrow)
        return _includes(rest, narrow) or (after is not None and _includes(wide, after))
    if first == "*":
        more = narrow[:1] != () and narrow[0] not in _CROSS_SLASHES
        return _includes(rest, narrow) or (more and _includes(wide, narrow[1:]))
    one = first == "?" and narrow[:1] != () and narrow[0] not in (*_CROSS_SLASHES, "*")
    return (one or narrow[:1] == (first,)) and _includes(rest, narrow[1:])


def _after_folder(narrow: tuple[str, ...]) -> tuple[str, ...] | None:
    """What comes after folders, or after one part and its slash; None where none begin here."""
    if narrow[:1] == ("**/",):
        return narrow[1:]
    end = next((at for at, token in enumerate(narrow) if token in _CROSS_SLASHES), len(narrow))
    return narrow[end + 1 :] if narrow[end : end + 1] == ("/",) else None


@lru_cache(maxsize=1024)
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
