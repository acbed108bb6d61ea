"""git's settings without a git program: the files that git reads, as git reads them, and nothing that they include.

An include may bring the very setting that a verdict rests on, so files with one are refused and not half read.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from gitsign_py.core.git.configtext import parse_config
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.host.git.config import GitConfig, GitValue, canonical, is_isolated, to_bool
from gitsign_py.host.git.direct import only_git
from gitsign_py.host.git.place import find_place
from gitsign_py.host.plainfile import read_plain

_MAX_BYTES = 4 << 20


def read_plain_config(environment: Mapping[str, str], directory: Path) -> GitConfig:
    """All settings of files and of GIT_CONFIG_COUNT, in a repository or outside of one.

    Raises ConfigError ``git-needed``, ``git-config-unreadable``.
    """
    entries: dict[str, list[GitValue]] = {}
    isolated = is_isolated(environment)
    for scope, path in _files(environment, directory):
        is_own = scope in ("local", "worktree")
        for key, text in _settings(path, is_own=is_own, may_include=is_own and isolated):
            entries.setdefault(key, []).append(GitValue(text, scope, f"file:{path}"))
        if scope == "local" and not _has_worktree_file(entries):
            break
    for key, text in _of_environment(environment):
        entries.setdefault(key, []).append(GitValue(text, "command", "command line:"))
    return GitConfig(MappingProxyType({key: tuple(values) for key, values in entries.items()}))


def _has_worktree_file(entries: Mapping[str, list[GitValue]]) -> bool:
    return said_by_repository(entries, "extensions.worktreeconfig") or False


def said_by_repository(entries: Mapping[str, Sequence[GitValue]], key: str) -> bool | None:
    """The truth value that the repository's own files give; a key without ``=`` is true. None where they say nothing.

    What git finds a repository by (git's setup.c) counts nowhere else.
    """
    own = [value.text for value in entries.get(key, ()) if value.of_repository]
    with suppress(ValueError):
        return (own[-1] is None or to_bool(own[-1])) if own else None
    raise only_git(f"{key} = {str(own[-1])[:40]!r} is no truth value")


def _files(environment: Mapping[str, str], directory: Path) -> Iterator[tuple[str, Path]]:
    """The files of git-config(1), FILES, in their order."""
    if not _is_on(environment.get("GIT_CONFIG_NOSYSTEM", "")):
        yield "system", Path(environment.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig")
    home = environment.get("HOME", "")
    if own := environment.get("GIT_CONFIG_GLOBAL"):
        yield "global", Path(own)
    elif home or environment.get("XDG_CONFIG_HOME"):
        yield "global", Path(environment.get("XDG_CONFIG_HOME") or Path(home) / ".config") / "git" / "config"
        if home:
            yield "global", Path(home) / ".gitconfig"
    try:
        place = find_place(environment, directory)
    except UsageError:
        return
    yield "local", place.common / "config"
    yield "worktree", place.own / "config.worktree"


def _settings(path: Path, *, is_own: bool, may_include: bool) -> Iterator[tuple[str, str | None]]:
    try:
        data = read_plain(path, _MAX_BYTES) if is_own else _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unreadable(path, error.strerror or "error") from error
    if len(data) > _MAX_BYTES:
        raise _unreadable(path, f"it has more than {_MAX_BYTES} bytes")
    try:
        for key, value in parse_config(data):
            if key.startswith(("include.", "includeif.")) and not may_include:
                raise only_git(f"{path} includes other files, which git alone follows")
            yield key, value
    except ValueError as error:
        raise _unreadable(path, str(error)) from error


def _read(path: Path) -> bytes:
    """A person may name a device: GIT_CONFIG_GLOBAL=/dev/null is usual."""
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _of_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """GIT_CONFIG_COUNT and its pairs (git-config(1), ENVIRONMENT)."""
    count = environment.get("GIT_CONFIG_COUNT", "") or "0"
    if not count.isascii() or not count.isdigit() or int(count) > 10_000:
        raise ConfigError("git-config-unreadable", f"GIT_CONFIG_COUNT is {count[:20]!r}, which is no number")
    for number in range(int(count)):
        key, value = (environment.get(f"GIT_CONFIG_{part}_{number}") for part in ("KEY", "VALUE"))
        if key is None or value is None or "." not in key:
            raise ConfigError("git-config-unreadable", f"GIT_CONFIG_KEY_{number} or its value is missing or no key")
        yield canonical(key), value


def _is_on(text: str) -> bool:
    try:
        return to_bool(text)
    except ValueError:
        return True


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "git-config-unreadable", f"the settings in {path} cannot be read: {why}", hint="correct the file"
    )
