"""docs/cli/*.md are what the parsers say today."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from gitsign_py.cli.commands import COMMANDS

FOLDER = Path(__file__).parents[2] / "docs" / "cli"


def pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate_cli_docs", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[[], dict[str, str]] = module.pages
    return made()


def test_the_pages_are_up_to_date() -> None:
    """To write them anew: python docs/cli/generate.py."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert found == pages()


def test_every_command_has_a_page_with_an_example() -> None:
    made = pages()
    for command in COMMANDS:
        assert f"# gitsign-py {command}\n" in made[f"{command}.md"]
        assert f"gitsign-py {command}" in made[f"{command}.md"].split("\n", 4)[4] or command == "verify-tag", command
