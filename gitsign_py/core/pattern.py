"""Patterns that are compiled when they are first used: git starts the program anew for each signature.

Python compiles a regular expression in its own byte code, 0.1 ms each and more without regard to case, and the modules
of one verification name thirty of which it uses three.
"""

import re
from typing import AnyStr, cast


class _Waiting:
    """Stands for a pattern; its methods are those of the pattern, looked up once each."""

    def __init__(self, *asked: object) -> None:
        self._asked = asked

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what copying and pickling ask for, before there is anything to compile
            raise AttributeError(name)
        found: object = getattr(re.compile(*self._asked), name)  # type: ignore[call-overload]
        setattr(self, name, found)  # the next use finds it without coming here
        return found


def pattern(text: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """Give what ``re.compile`` gives, compiled later. Only its methods may be used: ``re.sub`` does not know it."""
    return cast("re.Pattern[AnyStr]", _Waiting(text, flags))
