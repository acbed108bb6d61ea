"""git's settings: one ``git config --list`` with the origin of each value, and git's own types.

All files, includes, conditions, ``-c`` options and GIT_CONFIG_* variables are git's business; what comes back is read
strictly.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError
from gitsign_py.host.git.program import run_git

REPOSITORY_SCOPES = ("local", "worktree")
"""Scopes of what comes with a repository: its own files and what they include. The others are the person's own."""
ISOLATED = "GITSIGN_ISOLATED"

_INTEGER = pattern(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)([kKmMgG]?)\Z")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = pattern(r"[0-9]{1,6}(?:\.[0-9]{1,3})?\Z")
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off", "")


@frozen
class GitValue:
    """One value: ``text`` (None for a key without ``=``), its ``scope`` (system, global, local, worktree, command)
    and ``origin`` (``file:.git/config``, ``command line:``).
    """

    text: str | None
    scope: str
    origin: str

    @property
    def of_repository(self) -> bool:
        """Whether it came with the repository, so that whoever made the repository may have written it."""
        return self.scope in REPOSITORY_SCOPES


@frozen
class GitConfig:
    """All settings, each with its values in git's order: the last one counts where only one can."""

    entries: Mapping[str, tuple[GitValue, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def all(self, key: str) -> tuple[GitValue, ...]:
        """Every value of ``section.[subsection.]name``; section and name in any case."""
        return self.entries.get(canonical(key), ())

    def last(self, key: str) -> GitValue | None:
        """The value that counts, or None."""
        values = self.all(key)
        return values[-1] if values else None

    def get(self, key: str, default: str = "") -> str:
        """The text of the value that counts; a key without ``=`` is the empty text."""
        value = self.last(key)
        return default if value is None else value.text or ""

    def without_repository(self) -> "GitConfig":
        """The same without anything that came with the repository."""
        kept = {
            key: own
            for key, values in self.entries.items()
            if (own := tuple(value for value in values if not value.of_repository))
        }
        return GitConfig(MappingProxyType(kept))


def is_isolated(environment: Mapping[str, str]) -> bool:
    """Whether nothing of the repository's own configuration is to count (GITSIGN_ISOLATED, ``--isolated``).

    Whatever is no clear no is a yes: a mistyped one must not let more count.
    """
    try:
        return to_bool(environment.get(ISOLATED, ""))
    except ValueError:
        return True


def canonical(key: str) -> str:
    """Write a key as git lists it: section and name in lower case, the subsection as it is."""
    section, dot, rest = key.partition(".")
    subsection, second, name = rest.rpartition(".")
    return f"{section.lower()}{dot}{subsection}{second}{name.lower()}"


def read_git_config(environment: Mapping[str, str], directory: Path | None = None) -> GitConfig:
    """Ask git for all its settings, in a repository or outside of one; without the repository's own when isolated.

    Raises ConfigError ``git-missing``, UncheckedError ``git-failed`` (a file with an error, quoted), ``git-timeout``.
    """
    arguments = ["config", "-z", "--show-origin", "--show-scope", "--list"]
    found = parse_git_config(run_git(arguments, environment=environment, directory=directory))
    return found.without_repository() if is_isolated(environment) else found


def parse_git_config(data: bytes) -> GitConfig:
    """Parse what ``git config -z --show-origin --show-scope --list`` prints. Raises FormatError ``git-config-output``.

    Each setting is ``scope NUL origin NUL key LF value NUL``, without ``LF value`` for a key without ``=``.
    """
    parts = data.split(b"\0")
    if parts.pop() != b"" or len(parts) % 3:
        raise FormatError("git-config-output", "the output of git config is not whole")
    entries: dict[str, list[GitValue]] = {}
    for scope, origin, entry in _triples(parts):
        key, equals, text = entry.partition("\n")
        entries.setdefault(key, []).append(GitValue(text if equals else None, scope, origin))
    return GitConfig(MappingProxyType({key: tuple(values) for key, values in entries.items()}))


def _triples(parts: list[bytes]) -> Iterable[tuple[str, str, str]]:
    texts = [part.decode("utf-8", "surrogateescape") for part in parts]
    return zip(texts[0::3], texts[1::3], texts[2::3], strict=True)


def to_bool(text: str) -> bool:
    """Read a truth value as git does (parse.c, ``git_parse_maybe_bool``). Raises ValueError saying what is expected."""
    lowered = text.lower()
    if lowered in _YES or lowered in _NO:
        return lowered in _YES
    try:
        return to_int(text) != 0
    except ValueError:
        raise ValueError("true or false") from None


def to_int(text: str) -> int:
    """Read a whole number as git does: decimal, 0x hex or 0 octal, with k, m or g. Raises ValueError."""
    match = _INTEGER.match(text)
    if not match:
        raise ValueError("a whole number")
    sign, digits, unit = match.groups()
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") else 10
    return int(digits, base) * _UNITS[unit.lower()] * (-1 if sign == "-" else 1)


def to_seconds(text: str) -> float:
    """Read a time span: seconds, with up to three decimals, an ``s`` after it allowed. Raises ValueError."""
    if not _SECONDS.match(text.removesuffix("s")):
        raise ValueError("a number of seconds")
    return float(text.removesuffix("s"))


def to_path(text: str, home: str) -> Path:
    """Read a path as git does (path.c, ``interpolate_path``): ``~/`` is ``home``, ``~user/`` that user's home.

    Raises ValueError saying what is expected; git's ``%(prefix)/`` (its own installation) is not known here.
    """
    if not text or "\0" in text or text.startswith("%(prefix)/"):
        raise ValueError("a path")
    if text == "~" or text.startswith("~/"):
        return Path(home or "~").expanduser() / text[2:]
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("a path; there is no such user") from None
