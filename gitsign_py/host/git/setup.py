"""Change git's settings so that everything can be put back: the old values are kept in the same file.

Each change is noted under ``gitsign-setup.change`` (a line of JSON: key, old values, new value) before it is made, so
that a set-up that was interrupted can be undone too. git itself writes the file.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from gitsign_py.core.encoding import load_json
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ConfigError, FormatError, GitsignError
from gitsign_py.host.git.config import canonical
from gitsign_py.host.git.program import run_git

NOTE = "gitsign-setup.change"
Scope = Literal["global", "local"]
_SECTION = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)")
_ESCAPED = re.compile(r"\\(.)")
_MAX_NOTE = 1 << 16
_NOTHING_TO_UNSET = 5  # git-config(1): "you try to unset an option which does not exist"


@frozen
class Change:
    """One key: its values before (a key without ``=`` is None), and its one value after (None: taken away)."""

    key: str
    old: tuple[str | None, ...]
    new: str | None

    @property
    def needed(self) -> bool:
        """Whether anything differs."""
        return self.old != (() if self.new is None else (self.new,))


@frozen
class ConfigFile:
    """The settings of one scope, of the user (global) or of the repository (local; all its worktrees share it)."""

    scope: Scope
    environment: Mapping[str, str]
    directory: Path | None = None

    def values(self) -> dict[str, tuple[str | None, ...]]:
        """Every key of this file alone, without what it includes; section and name in lower case."""
        found: dict[str, tuple[str | None, ...]] = {}
        # Status 1: there is no such file yet.
        listed = self._git(["-z", "--list"], accept=(0, 1, 128) if self.scope == "global" else (0,))
        for entry in listed.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            key, equals, text = entry.partition("\n")
            found[key] = (*found.get(key, ()), text if equals else None)
        return found

    def spelled(self, key: str) -> str:
        """Spell the last part of a key as the file does: git lists names in lower case, and writes what it is given."""
        section, _, name = key.rpartition(".")
        names = [found for place, found in _names(self._content()) if place == canonical(f"{section}.x")[:-2]]
        return next((f"{section}.{found}" for found in reversed(names) if found.lower() == name.lower()), key)

    def _content(self) -> str:
        """The file as it is; empty where there is none yet."""
        try:
            return (self.directory or Path()).joinpath(self._path()).read_text("utf-8", "surrogateescape")
        except OSError:
            return ""

    def _path(self) -> str:
        """Where the file is; git names a repository's as seen from where it went to read it, so that is asked for."""
        if self.scope == "local":
            command = ["rev-parse", "--git-path", "config"]
            return os.fsdecode(run_git(command, environment=self.environment, directory=self.directory).rstrip(b"\n"))
        listed = self._git(["-z", "--show-origin", "--name-only", "--list"], accept=(0, 1, 128))
        return os.fsdecode(listed.partition(b"\0")[0].removeprefix(b"file:"))

    def put(self, key: str, values: Sequence[str | None]) -> None:
        """Give a key these values and no others. Raises ConfigError ``config-not-written``."""
        if not values:
            self._git(["--unset-all", key], accept=(0, _NOTHING_TO_UNSET))
            return
        self._git(["--replace-all", key, _text(values[0])])
        for value in values[1:]:
            self.add(key, _text(value))

    def add(self, key: str, value: str) -> None:
        """Add one value to a key."""
        self._git(["--add", key, value])

    def _git(self, arguments: Sequence[str], *, accept: Sequence[int] = (0,)) -> bytes:
        command = ["config", f"--{self.scope}", *arguments]
        try:
            return run_git(command, environment=self.environment, directory=self.directory, accept=accept)
        except GitsignError as error:
            if error.reason != "git-failed":
                raise
            raise ConfigError("config-not-written", f"git's {self.scope} settings: {error.message}") from error


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Section (as git lists it) and name (as it is spelled) of every line that has one (git-config(1), "Syntax")."""
    section = ""
    for line in text.split("\n"):
        header = _SECTION.match(line)
        if header is not None:
            section = header[1].lower() + ("" if header[2] is None else "." + _ESCAPED.sub(r"\1", header[2]))
        name = _NAME.match(line, header.end() if header is not None else 0)
        if name is not None:
            yield section, name[1]


def _text(value: str | None) -> str:
    """Git cannot write a key without ``=``, which means true."""
    return "true" if value is None else value


def plan(file: ConfigFile, wanted: Mapping[str, str | None]) -> tuple[Change, ...]:
    """Compare what is wanted (None: no value) with what is there; changes that are not needed are left out."""
    values = file.values()
    changes = (Change(key, values.get(canonical(key), ()), new) for key, new in wanted.items())
    return tuple(replace(change, key=file.spelled(change.key)) for change in changes if change.needed)


def apply(file: ConfigFile, changes: Sequence[Change]) -> None:
    """Make the changes; what was there before the very first one is what is kept."""
    notes = {canonical(change.key): change for change in noted(file)}
    for change in changes:
        first = notes.get(canonical(change.key))
        # A value that somebody changed by hand since then is what they want back.
        old = first.old if first is not None and change.old == _after(first) else change.old
        notes[canonical(change.key)] = Change(first.key if first is not None else change.key, old, change.new)
        file.put(NOTE, [_note(each) for each in notes.values()])
        file.put(change.key, _after(change))
    left = [_note(each) for each in notes.values() if each.needed]
    if len(left) < len(notes):  # back to what it was: nothing to remember
        file.put(NOTE, left)


def noted(file: ConfigFile) -> tuple[Change, ...]:
    """The changes that a set-up made here. Raises ConfigError ``setup-notes-damaged``."""
    return tuple(_read_note(text or "") for text in file.values().get(canonical(NOTE), ()))


def undo_plan(file: ConfigFile) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Say what undoing changes, and which keys are left alone because somebody changed them since."""
    values = file.values()
    back: list[Change] = []
    kept: list[Change] = []
    for note in noted(file):
        present = values.get(canonical(note.key), ())
        if present == _after(note):
            back.append(note)
        elif present != note.old:
            kept.append(note)
    return tuple(back), tuple(kept)


def undo(file: ConfigFile) -> None:
    """Put back what was there; the notes go at the end, so that an undoing can be repeated."""
    back, _ = undo_plan(file)
    for note in back:
        file.put(note.key, note.old)
    file.put(NOTE, ())


def _after(change: Change) -> tuple[str | None, ...]:
    return () if change.new is None else (change.new,)


def _note(change: Change) -> str:
    return json.dumps({"key": change.key, "old": list(change.old), "new": change.new}, ensure_ascii=True)


def _read_note(text: str) -> Change:
    try:
        value = load_json(text.encode(), max_bytes=_MAX_NOTE)
    except FormatError:
        value = None
    if not isinstance(value, dict):
        raise _damaged(text)
    key, old, new = value.get("key"), value.get("old"), value.get("new")
    if not isinstance(key, str) or not isinstance(old, list) or not (new is None or isinstance(new, str)):
        raise _damaged(text)
    if not all(each is None or isinstance(each, str) for each in old):
        raise _damaged(text)
    return Change(key, tuple(old), new)


def _damaged(text: str) -> ConfigError:
    return ConfigError(
        "setup-notes-damaged",
        f"the note of an earlier set-up cannot be read: {text[:100]!r}",
        hint=f"look at git config --get-all {NOTE}, and remove it",
    )
