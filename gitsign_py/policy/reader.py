"""Reads TOML tables key by key: what is unknown, missing or of the wrong kind is noted with its line and key."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

from gitsign_py.core.frozen import field, frozen, slotted
from gitsign_py.policy.locate import Path, line_of, lines_of
from gitsign_py.policy.patterns import PatternError

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


@frozen
class Problem:
    """One thing that is wrong with a policy: the line, counted from 1, the key in TOML's spelling, and what."""

    line: int
    key: str
    message: str


@slotted
class Problems:
    """Collects what is wrong with one text, which is valid TOML. Its lines are looked for at the first problem."""

    text: str
    found: list[Problem] = field(default_factory=list)
    patterns: int = 0
    """How many patterns have been read."""
    _places: dict[Path, int] = field(default_factory=dict, repr=False)

    def add(self, path: Path, message: str) -> None:
        """Note a problem at a key's path."""
        self._places = self._places or lines_of(self.text)
        self.found.append(Problem(line_of(self._places, path), spelled(path), message))


def spelled(path: Path) -> str:
    """A path as TOML spells it, array items with their number from 1: ``rules[2].allow``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + (part if _BARE.match(part) else f'"{part}"')
    return text


class Table:
    """A TOML table under ``path``. Each getter notes what is wrong and gives a value that can be worked on with."""

    def __init__(self, values: dict[str, Any], path: Path, problems: Problems) -> None:
        self.values, self.path, self.problems = values, path, problems
        self._known: list[str] = []

    def _take(self, key: str) -> Any:
        self._known.append(key)
        return self.values.get(key)

    def wrong(self, key: str, message: str) -> None:
        """Note that a key's value cannot be used."""
        self.problems.add((*self.path, key), message)

    def text(self, key: str, *, default: str | None = None) -> str:
        """A string that is not empty; without ``default`` it must be there."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value:
            return value
        self.wrong(key, "is missing" if value is None else "must be a string that is not empty")
        return default or ""

    def version(self, key: str, known: int) -> None:
        """The number of the format, an integer that must be there."""
        value = self._take(key)
        if value is not True and value == known:
            return
        self.wrong(key, f"must be {known}: this is the only version of the format")

    def choice(self, key: str, options: tuple[str, ...], *, default: str) -> str:
        """One of ``options``."""
        value = self.text(key, default=default)
        if value not in options:
            self.wrong(key, f"must be one of {', '.join(options)}, not {value}")
            return default
        return value

    def count(self, key: str) -> int:
        """A whole number from 1 to 99; 0 where there is none."""
        value = self._take(key)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 99:
            self.wrong(key, "must be a whole number from 1 to 99")
            return 0
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(key, "must be true or false")
        return default

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """An array of strings that are not empty, none of them twice."""
        value = self._take(key)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.wrong(key, "is missing" if value is None else "must be an array of strings that are not empty")
            return ()
        if not value:
            self.wrong(key, f"is an empty array: {'' if required else 'leave it out, or '}name something")
        if len(set(value)) != len(value):
            self.wrong(key, f"names {Counter(value).most_common(1)[0][0]} twice")
        return tuple(value)

    def patterns(self, key: str, check: Any) -> tuple[str, ...]:
        """An array of globs, each checked."""
        globs = self.texts(key)
        for glob in globs:
            try:
                check(glob)
            except PatternError as error:
                self.wrong(key, f"{glob}: {error}")
        return globs

    def moment(self, key: str, *, end_of_day: bool) -> datetime | None:
        """A date, or a date and time with its zone; a date alone means its first or last moment in UTC."""
        value = self._take(key)
        if isinstance(value, datetime):
            return self._in_utc(key, value)
        if isinstance(value, date):
            return datetime.combine(value, time.max if end_of_day else time.min, UTC)
        if value is not None:
            self.wrong(key, "must be a date or a date and time, without quotes")
        return None

    def _in_utc(self, key: str, value: datetime) -> datetime | None:
        if value.tzinfo is None:
            self.wrong(key, "has no time zone: end it in Z, or write the date alone")
            return None
        try:
            return value.astimezone(UTC)
        except OverflowError:  # in UTC it is before the year 1 or after 9999
            self.wrong(key, f"is outside the calendar in UTC: {value.isoformat()}")
            return None

    def table(self, key: str) -> "Table":
        """A table; an absent one is empty."""
        value = self._take(key)
        if value is not None and not isinstance(value, dict):
            self.wrong(key, "must be a table")
        return Table(value if isinstance(value, dict) else {}, (*self.path, key), self.problems)

    def named(self, key: str) -> "list[tuple[str, Table]]":
        """The tables in a table, by name: ``[people.alice]``."""
        outer = self.table(key)
        return [(name, outer.table(name)) for name in outer.values]

    def items(self, key: str) -> "Iterator[Table]":
        """The tables of an array: ``[[rules]]``, or an array of inline tables."""
        value = self._take(key)
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(key, "must be an array of tables")
            return
        for number, item in enumerate(value):
            yield Table(item, (*self.path, key, number), self.problems)

    def finish(self) -> None:
        """Note every key that no reader knows: a misspelt key must not silently drop a rule."""
        for key in self.values:
            if key not in self._known:
                self.wrong(key, f"is not a known key; known here: {', '.join(sorted(set(self._known)))}")
