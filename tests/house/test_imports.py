"""The rooms of the house and the direction of imports between them (docs/architecture.md)."""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.source import PACKAGE, modules, nodes, text, tree

_PURE = ("core", "core/pki", "core/trust", "core/tlog", "core/sigstore", "core/git", "ports", "errors", "sizes")
ROOMS = {
    "errors": (),
    "sizes": (),
    "data": (),
    "core": ("errors",),
    "core/pki": ("core", "errors"),
    "core/trust": ("core/pki", "core", "errors"),
    "core/tlog": ("core/trust", "core/pki", "core", "errors"),
    "core/sigstore": ("core/tlog", "core/trust", "core/pki", "core", "errors"),
    "core/git": ("core", "errors"),
    "ports": ("core/sigstore", "core/tlog", "core", "errors"),
    "verification": _PURE,
    "policy": ("verification", *_PURE),
    "signing": ("verification", *_PURE),
    "source": ("policy", "verification", *_PURE),
    "host/pipes": ("host", "errors"),
    "host/git": ("host/pipes", "policy", "host", *_PURE),
    "host": ("host/git", "host/pipes", "data", *_PURE),
    "clients/http": ("clients", "host", "core", "errors"),
    "clients": ("clients/http", "host", "signing", "verification", "data", *_PURE),
    "localstack": ("host", "data", *_PURE),
    "audit": ("clients", "host/git", "host", "source", "policy", "verification", "signing", *_PURE),
    "audit/reports": ("audit", "policy", *_PURE),
    "monitor": ("clients", "host/git", "host", "policy", "verification", *_PURE),
    "monitor/pages": ("monitor", "verification", *_PURE),
    "agent": ("clients", "host", "policy", "signing", "verification", *_PURE),
}
"""A room and the rooms that its modules may import; the services of localstack share one row."""
IMPURE = {
    "os",
    "time",
    "secrets",
    "random",
    "socket",
    "subprocess",
    "requests",
    "urllib3",
    "keyring",
    "dulwich",
    "pathlib",
}
PURE_ROOMS = ("core", "policy", "verification", "signing", "source")


def room_of(path: Path) -> str:
    """The folder of a module below the package; a module of the package itself is a room of its own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return _known("/".join(parts[:-1] or parts))


def _known(place: str) -> str:
    """The room, or the one that it is in: cli and localstack have one row for all of theirs."""
    return place if place in ROOMS else place.partition("/")[0]


def target_of(name: str) -> str:
    """The room of what is imported: ``gitsign_py.core.pki.der`` lies in core/pki."""
    parts = name.split(".")[1:]
    if PACKAGE.joinpath(*parts).is_dir():
        return _known("/".join(parts))
    return _known("/".join(parts[:-1] or parts))


@cache
def imported(path: Path) -> tuple[str, ...]:
    return tuple(_imported(path, nodes(path)))


def _imported(path: Path, found: Iterable[ast.AST]) -> Iterator[str]:
    for node in found:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            yield module
            if module == "gitsign_py":
                yield from (f"gitsign_py.{alias.name}" for alias in node.names)


def wrong(paths: Iterable[Path], faults: Callable[[Path], Iterable[str]]) -> list[str]:
    """The faults of all files, each with its file: one test for each file would cost more than it reads."""
    found = [f"{path}: {fault}" for path in paths for fault in faults(path)]
    return sorted(found)


def test_a_room_imports_only_the_rooms_below_it() -> None:
    paths = [path for path in modules() if room_of(path) in ROOMS]
    assert len(paths) > 300
    assert wrong(paths, _above) == []


def _above(path: Path) -> Iterator[str]:
    room = room_of(path)
    for name in imported(path):
        if name.startswith("gitsign_py."):
            target = target_of(name)
            if (target in ROOMS or target == "cli") and target != room and target not in ROOMS[room]:
                yield f"{room} imports {target}"


def test_the_pure_rooms_touch_nothing() -> None:
    paths = [path for path in modules() if room_of(path).partition("/")[0] in PURE_ROOMS]
    assert len(paths) > 100
    assert wrong(paths, _impure) == []


def _impure(path: Path) -> Iterator[str]:
    yield from {name.split(".")[0] for name in imported(path)} & IMPURE
    yield from (word for word in ("datetime.now(", "utcnow") if word in text(path))


LOCAL_ALONE = {"rfc8785", "starlette", "uvicorn", "jwt", "securesystemslib", "yaml", "prometheus_client"}
"""Libraries of the extra [local], which a package that only signs and verifies goes without."""


def test_the_libraries_of_the_local_stack_are_imported_there_alone() -> None:
    paths = [path for path in modules() if room_of(path) != "localstack"]
    assert len(paths) > 300
    assert wrong(paths, lambda path: {name.split(".")[0] for name in imported(path)} & LOCAL_ALONE) == []


def test_every_module_is_in_a_room() -> None:
    known = {*ROOMS, "cli", "__init__", "__main__"}
    assert {room_of(path) for path in modules()} <= known


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not even by ways that are walked late, within a function: then none of them can be read by itself."""
    files = {_dotted(path): path for path in modules()}
    left = {name: _imports(path, files) - {name} for name, path in files.items()}
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"a circle is among {sorted(left)}"


def _dotted(path: Path) -> str:
    return ".".join(("gitsign_py", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def _imports(path: Path, files: Collection[str]) -> set[str]:
    return {module if module in files else package for module, package in _named(tree(path))} & set(files)


def _named(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What is imported below a node: a name with all that is before it, and what is before it.

    What is for type checkers alone does not count.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, alias.name) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((f"{child.module}.{alias.name}", child.module or "") for alias in child.names)
        else:
            yield from _named(child)


def test_tests_share_helpers_by_the_support_folder_alone() -> None:
    """A test imports nothing of another folder's tests, and nothing of any conftest."""
    paths = sorted(Path(__file__).parents[1].rglob("*.py"))
    assert len(paths) > 400
    assert wrong(paths, _not_shared) == []


def _not_shared(path: Path) -> Iterator[str]:
    own = f"tests.{path.parent.name}"
    for name in _imported(path, ast.walk(ast.parse(path.read_bytes()))):
        shared = name.split(".")[1:2] in (["support"], ["vectors"], ["fuzz"], ["house"], ["data"]) or name.startswith(
            own
        )
        if name.startswith("tests.") and (not shared or ".conftest" in name):
            yield f"imports {name}"
