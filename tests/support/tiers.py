"""The tier of a test, by what it uses: its fixtures, and what their code and its own name. Nothing is marked by hand.

unit starts no process, process starts git or this program, stack needs a local Sigstore, foreign needs a program of
other people, and may skip without it. Each tier takes in what the ones before it may do.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

TIERS = ("unit", "process", "stack", "foreign")
_BY_MODULE = {
    "subprocess": "process",
    "multiprocessing": "process",
    "gitsign_py.agent.lifecycle": "process",
    "gitsign_py.audit.workerpool": "process",
    "gitsign_py.audit.engine": "process",
    "gitsign_py.audit.gathering": "process",
    "gitsign_py.audit.resources": "process",
    "gitsign_py.audit.foreign": "process",
    "gitsign_py.audit.updates": "process",
    "gitsign_py.host.git.walk": "process",
    "gitsign_py.audit.workers": "process",
    "gitsign_py.cli": "process",
    "gitsign_py.clients.ambient": "process",
    "gitsign_py.host.background": "process",
    "gitsign_py.host.browser": "process",
    "gitsign_py.host.gpgsm": "process",
    "gitsign_py.host.git.config": "process",
    "gitsign_py.host.git.program": "process",
    "gitsign_py.host.git.stderr": "process",
    "gitsign_py.host.pipes.once": "process",
    "gitsign_py.host.pipes.program": "process",
    "gitsign_py.host.git.objects": "process",
    "gitsign_py.localstack.process": "stack",
    "gitsign_py.localstack.stack": "stack",
    "tests.support.stack": "stack",
    "tests.support.foreign": "foreign",
    "tests.support.realfulcio": "foreign",
    "tests.support.screen": "foreign",
    "tests.support.secretservice": "foreign",
    "tests.support.webdriver": "foreign",
    "tests.support.windowskit": "foreign",
}
_STARTERS: tuple[tuple[Any, str], ...] = (
    (subprocess.Popen, "_execute_child"),
    (os, "fork"),
    (os, "forkpty"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (os, "system"),
    *(() if os.name == "nt" else ((import_module("_posixsubprocess"), "fork_exec"),)),
)
_known: dict[int, tuple[Any, int]] = {}


def tier_of(item: pytest.Function) -> str:
    """The highest tier of what the test uses."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    used = [item.function, *(one.func for several in fixtures for one in several)]
    level = max(_level(each, set()) for each in used)
    can_skip = item.get_closest_marker("skipif") is not None or "interop" in item.path.parts
    return TIERS[max(level, TIERS.index("foreign") if can_skip else 0)]


def _level(thing: object, seen: set[int]) -> int:
    """How high what is named leads: by its module, else by what its own code names."""
    if id(thing) in _known:
        return _known[id(thing)][1]
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    level = _by_module(thing)
    if _module(thing).startswith("tests."):
        level = max([level, *(_level(each, seen) for each in _named(thing))])
    _known[id(thing)] = thing, level
    return level


def _by_module(thing: object) -> int:
    module = _module(thing)
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return 0
    found = max((name for name in _BY_MODULE if module == name or module.startswith(f"{name}.")), default="", key=len)
    return TIERS.index(_BY_MODULE[found]) if found else 0


def _module(thing: object) -> str:
    if isinstance(thing, ModuleType):
        return thing.__name__
    kind = thing if isinstance(thing, type | FunctionType) or hasattr(thing, "__wrapped__") else type(thing)
    return str(getattr(kind, "__module__", ""))


def _named(thing: object) -> Iterator[object]:
    """Everything that the code of a function, a class or a decorated function names."""
    wrapped = getattr(thing, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped
    if isinstance(thing, type):
        for value in vars(thing).values():
            inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            if isinstance(inner, FunctionType) or hasattr(inner, "__wrapped__"):
                yield inner
        yield from (base for base in thing.__mro__[1:] if base is not object)
    elif isinstance(thing, FunctionType):
        for name in _names(thing.__code__):
            value = thing.__globals__.get(name)
            if value is None:
                continue
            yield value
            if isinstance(value, ModuleType) and value.__name__.startswith("tests."):
                yield from (vars(value)[other] for other in _names(thing.__code__) if other in vars(value))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


class Guard:
    """Refuses processes to unit tests: a tier that is too low must not go unseen.

    It stands in the place of the functions that start a process. An audit hook would hear of each of them as well, but
    Python of its own within sys.settrace lets other threads run there, and two threads that coverage begins to trace at
    the same moment end with a RuntimeError (Python 3.11).
    """

    def __init__(self) -> None:
        self.tier = ""
        for owner, name in _STARTERS:
            if hasattr(owner, name):
                setattr(owner, name, self._guarded(f"{owner.__name__}.{name}", getattr(owner, name)))

    def _guarded(self, name: str, starter: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(starter)
        def guarded(*given: Any, **options: Any) -> Any:
            if self.tier == "unit":
                raise subprocess.SubprocessError(f"a test of the tier unit starts a process: {name} {given!r:.200}")
            return starter(*given, **options)

        return guarded
