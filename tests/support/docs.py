"""The pages in docs and the programs there that write some of them."""

import importlib.util
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"


def generator(name: str) -> ModuleType:
    """The program ``docs/NAME.py`` as a module."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
