"""A function names what it needs, and a record holds what belongs together: bounds on both, with the exceptions named.

Seven arguments are what a reader keeps in mind of a call. Fifteen fields are the most that one thing of the field has
here, a commit or tag as git stores it (``SignedObject``). More are several things in one: then a function takes more
than it needs, and a reader cannot see what.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gitsign_py"
MOST_ARGUMENTS = 7
MOST_FIELDS = 15
EXCEPTIONS = {
    "audit/record.py Record": 22,  # a line of a report: one for each key that docs/schemas/audit-record.json has
}
"""The count of each, which may go down and not up."""


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def fields_of(record: ast.ClassDef) -> list[str]:
    """The annotated names of a class's body, but private state of its own and what all its objects share."""
    named = (one for one in record.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name))
    every = [one.target.id for one in named if "ClassVar" not in ast.unparse(one.annotation)]  # type: ignore[union-attr]
    return [name for name in every if not name.startswith("_")]


def counted(node: ast.AST, place: str) -> Iterator[tuple[str, int, int]]:
    """Each function and class below ``node``: its name, its count, and the bound on it."""
    for one in ast.iter_child_nodes(node):
        name = place
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{place}{one.name}"
            yield name, len(arguments_of(one)), MOST_ARGUMENTS
        elif isinstance(one, ast.ClassDef):
            name = f"{place}{one.name}"
            yield name, len(fields_of(one)), MOST_FIELDS
        yield from counted(one, name if name == place else f"{name}.")


@pytest.fixture(scope="module")
def sizes() -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        within = path.relative_to(PACKAGE).as_posix()
        for name, count, most in counted(ast.parse(path.read_bytes()), ""):
            key = f"{within} {name}"
            found[key] = max(found.get(key, (0, most)), (count, most))
    return found


def test_functions_and_records_keep_to_the_bounds(sizes: dict[str, tuple[int, int]]) -> None:
    over = {name: count for name, (count, most) in sizes.items() if count > EXCEPTIONS.get(name, most)}
    assert not over, "take apart what belongs apart; a record that a part of the callers shares is one way"


def test_the_exceptions_are_there(sizes: dict[str, tuple[int, int]]) -> None:
    assert sizes.keys() >= EXCEPTIONS.keys()


def test_the_count_sees_every_kind() -> None:
    source = """
class A:
    x: int
    _y: int
    z: ClassVar[int]
    def f(self, a, /, b, *, c): ...
    async def g(cls, a):
        def h(a, b): ...
"""
    assert [(name, count) for name, count, _ in counted(ast.parse(source), "")] == [
        ("A", 1), ("A.f", 3), ("A.g", 1), ("A.g.h", 2),
    ]  # fmt: skip
