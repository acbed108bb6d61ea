"""Write docs/api.md from the docstrings: ``python docs/generate_api.py``. A test holds the page against them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "gitsign_py"
ROOMS = ("verification", "signing", "clients", "audit", "policy", "localstack", "errors")
"""The packages with a stated interface, in the order of the page."""
_WIDTH = 100
_HEAD = """\
<!-- made by docs/generate_api.py -->

# Use it from Python

This page is for programs that embed gitsign_py. It lists every name that a program may use, with an example for each
package. To try one: install the extra `[local]` ([install](../README.md#install)), save the example of
`gitsign_py.signing` as `sign.py`, and run `python sign.py`. It starts a Sigstore of its own, signs a commit
there, and needs no network.

All names are typed (PEP 561), and a package loads a module when a program first asks for one of its names.

## What is stable

- Stable are the names on this page, imported from the package that lists them: functions with their parameters, classes
  with the fields and methods shown here, the `reason` codes of [reasons.md](reasons.md), and the error classes that
  functions raise.
- Everything else is internal: every module below these packages and beside them (`gitsign_py.core`, `gitsign_py.host`,
  `gitsign_py.cli`, ...), every name with an underscore, the words of messages and hints. Any release may change it.
- Versions follow [semantic versioning](https://semver.org/). Before 1.0 a minor release may break what is stable, and
  CHANGELOG.md says so under "Changed". From 1.0 on only a major release may.
- The project deprecates a stable name before it removes it: for at least one minor release the name works and raises a
  `DeprecationWarning` that names its successor. CHANGELOG.md lists it under "Deprecated".
- A minor release may add names, optional parameters, fields at the end of a record, reason codes and steps.
- A release may refuse a signature that an older one accepted, when a standard or an attack demands it. CHANGELOG.md
  lists such a security fix under "Security". No release accepts more unless the caller sets an option for it.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, *(part for room in ROOMS for part in _room(room))]
    return (
        "\n".join(part for part, before in zip(parts, ["", *parts], strict=False) if part or before).rstrip("\n") + "\n"
    )


def _room(room: str) -> Iterator[str]:
    path = PACKAGE / f"{room}.py"
    tree = ast.parse((path if path.exists() else PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    yield f"## gitsign_py.{room}"
    yield ""
    yield _prose(ast.get_docstring(tree) or "")
    yield ""
    example = DOCS / "examples" / f"{room}.py"
    if example.exists():
        yield from ["```python", example.read_text(encoding="utf-8").rstrip(), "```", ""]
    places = _places(tree)
    for name in _listed(tree):
        module = places.get(name)
        home = (
            tree
            if module is None
            else ast.parse((PACKAGE.parent / f"{module.replace('.', '/')}.py").read_text("utf-8"))
        )
        yield from _entry(name, _Unquoted().visit(home))


def _places(tree: ast.Module) -> dict[str, str]:
    """Where the names come from, as type checkers are told."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module or "" for node in imports for alias in node.names}


class _Unquoted(ast.NodeTransformer):
    """Types without the quotes that they have in the code where they are loaded for type checkers alone."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("annotation", "returns"):
            quoted = getattr(node, name, None)
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                setattr(node, name, ast.parse(quoted.value, mode="eval").body)
        return super().generic_visit(node)


def _listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _entry(name: str, home: ast.Module) -> Iterator[str]:
    for node, after in zip(home.body, [*home.body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            yield from [f"### {name}", ""]
            yield from _block(_lines_of_class(node) if isinstance(node, ast.ClassDef) else [_signature(node)])
            yield from [_prose(ast.get_docstring(node) or ""), ""]
            yield from _methods(node)
        elif name in _assigned(node):
            yield from [f"### {name}", ""]
            yield from _block([_shown(node)])
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                yield from [_prose(str(after.value.value)), ""]


def _shown(node: ast.stmt) -> str:
    """An assignment in full; of a long one the name, with its type where it has one."""
    whole = ast.unparse(node)
    return whole if len(whole) <= _WIDTH else whole.split(" = ")[0]


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _lines_of_class(node: ast.ClassDef) -> Iterator[str]:
    bases = [ast.unparse(base) for base in node.bases]
    yield f"class {node.name}" + (f"({', '.join(bases)})" if bases else "")
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and not ast.unparse(inner.target).startswith("_"):
            yield f"    {_field(inner)}"
        elif isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            yield f"    {_signature(inner)}"


def _field(node: ast.AnnAssign) -> str:
    """A field with its type; a default that needs words of its own is left out."""
    plain = node.value is not None and not ast.unparse(node.value).startswith("field(")
    return ast.unparse(node) if plain else f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"


def _methods(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    for inner in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
            words = (ast.get_docstring(inner) or "").replace("\n\n", "\n")
            is_property = any(ast.unparse(one) == "property" for one in inner.decorator_list)
            shown = inner.name if is_property else " ".join(_signature(inner).removeprefix("def ").split())
            yield f"- `{shown}`: {_prose(words)}".replace("\n", "\n  ")
    if isinstance(node, ast.ClassDef):
        yield ""


def _signature(node: ast.FunctionDef) -> str:
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    parts = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    line = f"def {node.name}({parts}){returned}"
    if len(line) <= _WIDTH:
        return line
    depth, cut = 0, ""  # commas within brackets do not part arguments
    for char in parts:
        depth += (char in "([{") - (char in ")]}")
        cut += ",\n   " if char == "," and not depth else char
    return f"def {node.name}(\n    {cut},\n){returned}"


def _block(lines: Iterator[str] | list[str]) -> Iterator[str]:
    yield from ["```text", *lines, "```", ""]


def _prose(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text)


if __name__ == "__main__":
    (DOCS / "api.md").write_text(page(), encoding="utf-8")
