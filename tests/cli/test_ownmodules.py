"""Our own modules load from their byte code, and by Python's own way wherever something is not as expected."""

import importlib.util
import os
import py_compile
from pathlib import Path
from types import ModuleType

import pytest

from gitsign_py.cli.ownmodules import OwnModules

NAME = "gitsign_py.scratch"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A module with byte code that says ``old``, and a source that says ``new`` and seems to be of the same time."""
    path = tmp_path / "scratch.py"
    path.write_text("SAID = 'old'\n")
    py_compile.compile(str(path), doraise=True)
    facts = path.stat()
    path.write_text("SAID = 'new'\n")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return path


def load(folder: Path, name: str = NAME) -> ModuleType:
    spec = OwnModules.find_spec(name, [str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_byte_code_of_the_same_time_and_size_is_taken(source: Path) -> None:
    module = load(source.parent)
    assert module.SAID == "old"
    assert module.__file__ == str(source)
    assert module.__cached__ == importlib.util.cache_from_source(str(source))
    assert module.__package__ == "gitsign_py"


def test_a_source_of_another_time_counts(source: Path) -> None:
    os.utime(source, (1, 1))
    assert load(source.parent).SAID == "new"


def test_a_source_of_another_size_counts(source: Path) -> None:
    facts = source.stat()
    source.write_text("SAID = 'new'  # longer\n")
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert load(source.parent).SAID == "new"


@pytest.mark.parametrize("changed", [b"", b"\0" * 16, None], ids=["empty", "another Python's", "none"])
def test_byte_code_that_is_none_is_passed_over(source: Path, changed: bytes | None) -> None:
    cached = Path(importlib.util.cache_from_source(str(source)))
    if changed is None:
        cached.unlink()
    else:
        cached.write_bytes(changed)
    assert load(source.parent).SAID == "new"


def test_byte_code_that_names_its_source_by_hash_goes_pythons_way(source: Path) -> None:
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    facts = source.stat()
    source.write_text("SAID = 'own'\n")
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert load(source.parent).SAID == "own"


def test_a_package_is_found_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch/__init__.py").write_text("SAID = 'package'\n")
    module = load(tmp_path)
    assert module.SAID == "package"
    assert list(module.__path__) == [str(tmp_path / "scratch")]


@pytest.mark.parametrize("name", ["json.scratch", "gitsign_python.scratch", "scratch", f"{NAME}2"])
def test_what_is_not_ours_or_not_there_is_left_to_python(source: Path, name: str) -> None:
    assert OwnModules.find_spec(name, [str(source.parent)]) is None


def test_a_package_in_several_folders_is_left_to_python(source: Path) -> None:
    assert OwnModules.find_spec(NAME, [str(source.parent), str(source.parent)]) is None
    assert OwnModules.find_spec(NAME, None) is None
