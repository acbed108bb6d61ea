"""Reads from the source which reason codes the package can raise, and as which kind of error."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path

from tests.support import source

_PASSED_ON: frozenset[str] = frozenset()


class UnknownReasonError(Exception):
    """A reason that cannot be told from the source: write it as a constant."""


class Module:
    """One file: its tree, and who calls its helpers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = source.tree(path)
        self.nodes = source.nodes(path)
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def function_of(self, node: ast.AST) -> ast.FunctionDef | None:
        """The function around a node."""
        while (node := self.parents.get(node, self.tree)) is not self.tree:
            if isinstance(node, ast.FunctionDef):
                return node
        return None

    def calls(self, name: str) -> Iterator[ast.Call]:
        """All calls of a function by its bare name."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield node

    def values(self, node: ast.expr) -> frozenset[str]:
        """The texts that an expression can have; empty when it passes on the reason of another error."""
        match node:
            case ast.Constant(value=str(text)):
                return frozenset({text})
            case ast.Attribute(attr="reason"):
                return _PASSED_ON
            case ast.IfExp() | ast.BoolOp():
                parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                return frozenset().union(*(self.values(part) for part in parts))
            case ast.JoinedStr():
                return self._joined(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, default]):
                return self._mapped(name) | self.values(default)
            case ast.Name():
                return self._named(node)
        raise UnknownReasonError(f"{self.path}:{node.lineno}: {ast.unparse(node)}")

    def _joined(self, node: ast.JoinedStr) -> frozenset[str]:
        parts = [self.values(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
        return frozenset("".join(words) for words in product(*parts))

    def _mapped(self, name: str) -> frozenset[str]:
        for node in self.tree.body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Dict)
                and ast.unparse(node.targets[0]) == name
            ):
                return frozenset().union(*(self.values(value) for value in node.value.values))
        raise UnknownReasonError(f"{self.path}: {name} is no dict of this module")

    def _named(self, node: ast.Name) -> frozenset[str]:
        """A variable of the function, or one of its parameters: then what its callers give."""
        function = self.function_of(node)
        if function is None:
            raise UnknownReasonError(f"{self.path}:{node.lineno}: {node.id}")
        set_here = [
            one.value
            for one in ast.walk(function)
            if isinstance(one, ast.Assign) and any(ast.unparse(target) == node.id for target in one.targets)
        ]
        if set_here:
            return frozenset().union(*(self.values(value) for value in set_here))
        names = [argument.arg for argument in function.args.args]
        if node.id not in names:
            raise UnknownReasonError(f"{self.path}:{node.lineno}: {node.id}")
        place = names.index(node.id)
        given = [call.args[place] for call in self.calls(function.name) if len(call.args) > place]
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        given += [defaults[node.id]] if node.id in defaults else []
        return frozenset().union(*(self.values(value) for value in given)) - {""}


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Every file of the package."""
    return tuple(Module(path) for path in source.modules())


@lru_cache(maxsize=1)
def error_classes() -> frozenset[str]:
    """GitsignError and all that derive from it."""
    names, before = {"GitsignError"}, 0
    classes = [node for module in modules() for node in module.nodes if isinstance(node, ast.ClassDef)]
    while len(names) != before:
        before = len(names)
        names |= {one.name for one in classes if any(ast.unparse(base) in names for base in one.bases)}
    return frozenset(names)


@lru_cache(maxsize=1)
def raised() -> dict[str, frozenset[str]]:
    """Each reason code with the names of the classes that it is raised as."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for name, reason in _reasons(module):
            for code in module.values(reason):
                found.setdefault(code, set()).add(name)
    return {code: frozenset(kinds) for code, kinds in found.items()}


def _reasons(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Every first argument of an error, with the error's class.

    A class with an ``__init__`` of its own gives its reason there, to ``super().__init__``.
    """
    own = _own_initializers()
    plain = error_classes() - own
    for node in module.nodes:
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func) if isinstance(node.func, ast.Name) else ""
        if name in plain:
            yield name, node.args[0]
        elif module.path.name != "errors.py" and ast.unparse(node.func) == "super().__init__":
            holder = module.parents[module.function_of(node) or module.tree]
            if isinstance(holder, ast.ClassDef) and holder.name in own:
                yield holder.name, node.args[0]


@lru_cache(maxsize=1)
def _own_initializers() -> frozenset[str]:
    return frozenset(
        one.name
        for module in modules()
        for one in module.nodes
        if isinstance(one, ast.ClassDef) and one.name in error_classes() - {"VerificationError"}
        if any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in one.body)
    )
