"""docs/cli/*.md are what the parsers say today."""

from collections.abc import Callable

from gitsign_py.cli.commands import COMMANDS
from tests.support.docs import DOCS, generator

FOLDER = DOCS / "cli"


def pages() -> dict[str, str]:
    made: Callable[[], dict[str, str]] = generator("cli/generate").pages
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
