"""Every regular expression of the package, found in its source, and inputs that a slow one would be slow on.

The inputs come out of the expression itself (``re._parser``): for each of its repetitions the text before it, what it
repeats, very often, and an end that it cannot match; the same over and over from the start; and its own characters.
"""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support import source
from tests.support.source import PACKAGE

_CALLS = {"compile", "match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split"}
_METHODS = _CALLS - {"compile"}
_LATER = "from gitsign_py.core.pattern import pattern"
_NEVER = "\x00\uffff"
_PLAIN = "a0 \n\"\\'/.-:@=[]{}()<>#*?|&%+,;_~`$^!AZ\u00e9"
_parser: Any = re._parser  # type: ignore[attr-defined]
_constants: Any = re._constants  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Expression:
    """One call of :mod:`re` in the source; ``pattern`` is None where it is put together while the program runs."""

    place: str
    pattern: re.Pattern[Any] | None
    methods: frozenset[str]


@cache
def files() -> tuple[Path, ...]:
    """Those that name :mod:`re` at all, or what compiles by it later (``core/pattern.py``)."""
    wanted = re.compile(rf"\bre\.|{_LATER}")
    return tuple(path for path in source.modules() if path.name != "pattern.py" and wanted.search(source.text(path)))


@cache
def expressions(path: Path) -> tuple[Expression, ...]:
    """All of one file."""
    return tuple(_of_file(path))


def _of_file(path: Path) -> Iterator[Expression]:
    nodes = source.nodes(path)
    used: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _METHODS:
            used.setdefault(node.value.id, set()).add(node.attr)
    owners = {
        id(inner): outer.name for outer in nodes if isinstance(outer, ast.FunctionDef) for inner in ast.walk(outer)
    }
    names = {
        id(node.value): node.targets[0].id
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node, function in _calls(nodes):
        place = f"{path.relative_to(PACKAGE).as_posix()}:{owners.get(id(node), '')}"
        methods = used.get(names.get(id(node), ""), _METHODS) if function == "compile" else {function}
        yield Expression(place, _compiled(path, node, function), frozenset(methods))


def _calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.Call, str]]:
    """The calls of :mod:`re`, with the function that is called; ``pattern`` compiles too."""
    for node in (one for one in nodes if isinstance(one, ast.Call)):
        function = node.func
        if isinstance(function, ast.Name) and function.id == "pattern":
            yield node, "compile"
        if not isinstance(function, ast.Attribute) or function.attr not in _CALLS:
            continue
        if isinstance(function.value, ast.Name) and function.value.id == "re":
            yield node, function.attr


def _compiled(path: Path, node: ast.Call, function: str) -> re.Pattern[Any] | None:
    """Evaluate the pattern among the module's own names, and the flags; None when it needs what a function knows."""
    space = vars(_module(path))
    try:
        parts = [
            eval(compile(ast.Expression(part), str(path), "eval"), dict(space)) for part in _arguments(node, function)
        ]
        return re.compile(*parts)
    except NameError:
        return None


def _arguments(node: ast.Call, function: str) -> list[ast.expr]:
    """The pattern and, where they are given, the flags."""
    flags = [word.value for word in node.keywords if word.arg == "flags"]
    at = 1 if function == "compile" else 2
    is_there = function not in ("sub", "subn", "split")  # whose flags stand further behind, and are given by name
    return [node.args[0], *(flags or (node.args[at : at + 1] if is_there else []))]


def _module(path: Path) -> ModuleType:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


# --- inputs ----------------------------------------------------------------------------------------------------------


def shapes(pattern: re.Pattern[Any]) -> set[tuple[str, str, str]]:
    """Triples of a beginning, what is to be repeated, and an end."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = _parser.parse(text, pattern.flags & ~re.DEBUG)
    own = "".join(dict.fromkeys(_literals(parsed)))[:6]
    found: set[tuple[str, str, str]] = set()
    for before, body, after in _repetitions(list(parsed), "", ""):
        for unit, end in product(_samples(body, own), (_NEVER[0], after + _NEVER[0], "")):
            found.add((before, unit, end))
            found.add(("", before + unit, end))
    found |= {(start, char, end) for start in ("", *own[:2]) for char in own + _PLAIN for end in ("", _NEVER[0])}
    return {triple for triple in found if triple[1]}


def _literals(items: Any) -> Iterator[str]:
    for kind, value in items:
        if kind in (_constants.LITERAL, _constants.NOT_LITERAL):
            yield chr(value)
        for inner in _inside(kind, value):
            yield from _literals(inner)


def _inside(kind: Any, value: Any) -> list[Any]:
    if kind in _REPEATS:
        return [value[2]]
    if kind is _constants.BRANCH:
        return list(value[1])
    if kind is _constants.SUBPATTERN:
        return [value[-1]]
    if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is _constants.ATOMIC_GROUP else []


_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def _repetitions(items: list[Any], before: str, after: str) -> Iterator[tuple[str, Any, str]]:
    """Each repetition without a small bound: a text before it, its body, a text after it."""
    for at, (kind, value) in enumerate(items):
        start = before + _sample(items[:at], 0)
        end = _sample(items[at + 1 :], 0) + after
        if kind in _REPEATS and (value[1] is _constants.MAXREPEAT or value[1] > 16):
            yield start, value[2], end
        for inner in _inside(kind, value):
            yield from _repetitions(list(inner), start, end)


def _samples(body: Any, own: str) -> list[str]:
    """Texts that it may stand for, some of them with the expression's own characters."""
    texts = [_sample(body, choice, own) for choice in range(8)]
    return list(dict.fromkeys(text for text in texts if text))


def _sample(items: Any, choice: int, own: str = "") -> str:
    return "".join(_one(kind, value, choice, own) for kind, value in items)


def _one(kind: Any, value: Any, choice: int, own: str) -> str:
    if kind is _constants.LITERAL:
        return chr(value)
    if kind is _constants.ANY:
        return (own + "a")[choice % (len(own) + 1)]
    if kind in (_constants.IN, _constants.NOT_LITERAL):
        taken: list[str] = [char for char in own + _PLAIN if _takes(kind, value, char)]
        return taken[choice % min(len(taken), len(own) + 2)] if taken else ""
    if kind is _constants.BRANCH:
        return _sample(value[1][choice % len(value[1])], choice // len(value[1]), own)
    if kind in _REPEATS:
        return _sample(value[2], choice, own) * int(max(value[0], choice % 2))
    inner = _inside(kind, value)
    return _sample(inner[0], choice, own) if inner and kind not in (_constants.ASSERT, _constants.ASSERT_NOT) else ""


def _takes(kind: Any, value: Any, char: str) -> bool:
    if kind is _constants.NOT_LITERAL:
        return bool(ord(char) != value)
    negated = value[0][0] is _constants.NEGATE
    return any(_is_in(one, what, char) for one, what in value[negated:]) is not negated


def _is_in(kind: Any, value: Any, char: str) -> bool:
    if kind is _constants.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    if kind is _constants.LITERAL:
        return bool(value == ord(char))
    classes = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
    name = str(value).removeprefix("CATEGORY_")
    found = re.match(classes[name.removeprefix("NOT_")], char) is not None
    return found is not name.startswith("NOT_")


# --- what cannot be linear -------------------------------------------------------------------------------------------


def suspicions(pattern: re.Pattern[Any]) -> list[str]:
    """Repetitions that have more than one way through a text, so that a failure tries all of them."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    return list(_suspicions(_parser.parse(text, pattern.flags & ~re.DEBUG)))


def _suspicions(items: Any) -> Iterator[str]:
    for kind, value in items:
        if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and value[1] is _constants.MAXREPEAT:
            yield from _ways_through(list(value[2]))
        for inner in _inside(kind, value):
            yield from _suspicions(inner)


def _ways_through(body: list[Any]) -> Iterator[str]:
    """What is repeated: alone something that is repeated itself, or alternatives that begin alike."""
    while len(body) == 1 and body[0][0] is _constants.SUBPATTERN:
        body = list(body[0][1][-1])
    needed = [one for one in body if one[0] not in _REPEATS or one[1][0] > 0]
    endless = [one for one in body if one[0] in _REPEATS[:2] and one[1][1] is _constants.MAXREPEAT]
    if endless and len(needed) <= sum(one in needed for one in endless):
        yield "a repetition of a repetition"
    for kind, value in body:
        starts = [_first(list(branch)) for branch in value[1]] if kind is _constants.BRANCH else []
        for at, one in enumerate(starts):
            if any(one & other or not one | other for other in starts[:at]):
                yield "a repetition of alternatives that begin alike"


def _first(items: list[Any]) -> frozenset[str]:
    """The characters that it may begin with, of the first 256."""
    found: frozenset[str] = frozenset()
    for kind, value in items:
        inner = _inside(kind, value)
        if kind is _constants.BRANCH:
            return found | frozenset().union(*(_first(list(branch)) for branch in inner))
        if kind in _REPEATS and value[0] == 0:
            found |= _first(list(inner[0]))
        elif inner and kind not in (_constants.ASSERT, _constants.ASSERT_NOT):
            return found | _first(list(inner[0]))
        elif kind is _constants.LITERAL:
            return found | {chr(value)}
        elif kind is _constants.ANY:
            return frozenset(map(chr, range(256)))
        elif kind in (_constants.IN, _constants.NOT_LITERAL):
            return found | {char for char in map(chr, range(256)) if _takes(kind, value, char)}
    return found
