"""The package's source for tests that read it: each file's text and tree once for a test worker."""

import ast
import gc
from functools import cache
from pathlib import Path

import gitsign_py

PACKAGE = Path(gitsign_py.__file__).resolve().parent


@cache
def modules() -> tuple[Path, ...]:
    """Every file of the package, in order."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def text(path: Path) -> str:
    """What is in a file."""
    return path.read_text(encoding="utf-8")


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """A file's tree as :func:`ast.walk` gives it: the module first."""
    found = tuple(ast.walk(ast.parse(text(path))))
    gc.freeze()  # the trees stay, and are millions of objects: the garbage collector would look through all each time
    return found


def tree(path: Path) -> ast.Module:
    """A file's tree."""
    module = nodes(path)[0]
    assert isinstance(module, ast.Module)
    return module
