"""The stated interface: docs/api.md is what the docstrings say, its examples run, and type checkers see its names."""

import ast
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.bulksigner import BulkSigner
from tests.support.docs import DOCS, generator
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import ISSUER, History

ROOT = DOCS.parent
PACKAGE = ROOT / "gitsign_py"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
ROOMS = ("verification", "signing", "clients", "audit", "policy", "localstack")
POLICY = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[[rules]]
name = "all"
allow = ["alice"]
"""


def example(room: str) -> str:
    section = PAGE.split(f"## gitsign_py.{room}\n")[1].split("\n## ")[0]
    return section.split("```python\n")[1].split("```")[0]


def run(room: str, folder: Path) -> list[str]:
    """Save the example of the page and start it as a reader would."""
    program = folder / "example.py"
    program.write_text(example(room))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_page_is_up_to_date() -> None:
    """To write it anew: python docs/generate_api.py."""
    made: Callable[[], str] = generator("generate_api").page
    assert made() == PAGE


@pytest.mark.parametrize("room", ROOMS)
def test_a_package_gives_what_it_lists_and_nothing_else(room: str) -> None:
    package = import_module(f"gitsign_py.{room}")
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_type_checkers_are_told_the_same_places(room: str) -> None:
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())
    told = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "gitsign_py.core.exports"
        for alias in node.names
    }
    places = next(node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    loaded = {name: f"gitsign_py.{module}" for name, module in ast.literal_eval(places).items()}
    assert told == loaded
    assert sorted(told) == sorted(import_module(f"gitsign_py.{room}").__all__)


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_is_a_module_of_the_package(room: str) -> None:
    """The module would take the place of the function once something imports it."""
    modules = {path.stem for path in (PACKAGE / room).iterdir()}
    assert not modules & set(import_module(f"gitsign_py.{room}").__all__)


def test_packages_load_nothing_by_themselves() -> None:
    names = ", ".join(f"gitsign_py.{room}" for room in ROOMS)
    code = f"import sys, {names}; print(sorted(name for name in sys.modules if name.startswith('gitsign_py.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    expected = sorted(["gitsign_py.core", "gitsign_py.core.exports", *(f"gitsign_py.{room}" for room in ROOMS)])
    assert done.stdout == f"{expected}\n"


def test_every_name_is_explained() -> None:
    entries = PAGE.split("\n### ")[1:]
    bare = [entry.split("\n")[0] for entry in entries if not entry.split("```\n", 1)[1].split("\n## ")[0].strip()]
    assert bare == []


def test_every_other_package_says_that_it_is_internal() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        room = path.parent.relative_to(PACKAGE).as_posix()
        if room not in ROOMS and room != "." and "/" not in room:
            assert "Internal" in path.read_text(), room


def test_the_example_of_verification(tmp_path: Path) -> None:
    vectors = ROOT / "tests" / "vectors"
    (tmp_path / "trusted_root.json").write_bytes((vectors / "trusted_root.json").read_bytes())
    (tmp_path / "commit").write_bytes((vectors / "v1" / "object").read_bytes())
    assert run("verification", tmp_path) == ["verified: alice@example.com, https://issuer.example.com"]
    (tmp_path / "commit").write_bytes((vectors / "v1" / "object").read_bytes() + b"more\n")
    [refused] = run("verification", tmp_path)
    assert refused.startswith("bad: ")


def test_the_example_of_signing_makes_a_commit(tmp_path: Path) -> None:
    assert run("signing", tmp_path) == ["signed by alice@example.com, log index 0"]
    repo = ScratchRepo.init(tmp_path / "repo")
    oid = repo.git("hash-object", "-t", "commit", "-w", str(tmp_path / "commit"))
    assert "SIGNED MESSAGE" in repo.git("cat-file", "commit", oid)


def test_the_example_of_clients(tmp_path: Path) -> None:
    assert run("clients", tmp_path) == ["no answer [service-status]", "entries: ()"]


def test_the_example_of_policy(tmp_path: Path) -> None:
    first, second = run("policy", tmp_path)
    assert first == "alice@example.com: verified [verified]"
    assert second == "mallory@example.com: unauthorised [signer-unknown]"


def test_the_example_of_localstack(tmp_path: Path) -> None:
    assert run("localstack", tmp_path) == [
        "trusted root: trusted_root.json",
        "a token has 3 parts",
        "with the fault: 503",
        "without: 200",
    ]


def test_the_example_of_audit(tmp_path: Path) -> None:
    signer = BulkSigner(tmp_path / "authority")
    history = History(signer=signer.sign)
    tip = history.commit(history.commit(signed="alice"), signed=None)
    repo = ScratchRepo.init(tmp_path / "repo")
    history.write(repo.path / ".git", {"refs/heads/main": tip})
    (repo.path / "trusted_root.json").write_bytes(signer.trusted_root_json)
    (repo.path / "policy.toml").write_text(POLICY)
    *records, last = run("audit", repo.path)
    assert [line.split()[1] for line in records] == ["unsigned", "verified"]
    assert last == "1 of 2 verified"
