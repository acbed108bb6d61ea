"""The rooms of the house and the direction of imports between them (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "gitsign_py"
ROOMS = {
    "errors": (),
    "core": ("errors",),
    "ports": ("core", "errors"),
    "policy": ("verification", "ports", "core", "errors"),
    "verification": ("ports", "core", "errors"),
    "signing": ("credential", "verification", "ports", "core", "errors"),
    "attestation": ("signing", "credential", "verification", "ports", "core", "errors"),
    "credential": ("verification", "ports", "core", "errors"),
    "data": (),
    "clients": ("host", "signing", "verification", "ports", "core", "data", "errors"),
    "host": ("clients", "policy", "verification", "ports", "core", "data", "errors"),
    "localstack": ("host", "ports", "core", "data", "errors"),
    "audit": ("clients", "host", "policy", "verification", "signing", "ports", "core", "errors"),
    "agent": (
        "clients",
        "host",
        "policy",
        "credential",
        "attestation",
        "signing",
        "verification",
        "ports",
        "core",
        "errors",
    ),
}
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
PURE_ROOMS = ("core", "policy", "verification", "signing", "credential", "attestation")


def modules() -> Iterator[Path]:
    yield from sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            yield module
            if module == "gitsign_py":
                yield from (f"gitsign_py.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", [p for p in modules() if room_of(p) in ROOMS], ids=str)
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    room = room_of(path)
    for name in imported(path):
        if name.startswith("gitsign_py."):
            target = name.split(".")[1]
            if target in ROOMS or target == "cli":
                assert target == room or target in ROOMS[room], f"{room} imports {target}"


@pytest.mark.parametrize("path", [p for p in modules() if room_of(p) in PURE_ROOMS], ids=str)
def test_the_pure_rooms_touch_nothing(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(path)}
    assert not names & IMPURE
    text = path.read_text()
    assert "datetime.now(" not in text
    assert "utcnow" not in text


def test_every_module_is_in_a_room() -> None:
    known = {*ROOMS, "cli", "__init__", "__main__"}
    assert {room_of(path) for path in modules()} <= known
