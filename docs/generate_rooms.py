"""Write the module tables of docs/architecture.md: ``python docs/generate_rooms.py``. A test holds the page to them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PAGE = Path(__file__).with_name("architecture.md")
PACKAGE = PAGE.parent.parent / "gitsign_py"
ROOMS = (
    "core",
    "core/pki",
    "core/trust",
    "core/tlog",
    "core/sigstore",
    "core/git",
    "verification",
    "policy",
    "signing",
    "source",
    "clients",
    "clients/http",
    "host",
    "host/git",
    "host/pipes",
    "data",
    "localstack",
    "localstack/idp",
    "localstack/fulcio",
    "localstack/ctlog",
    "localstack/rekor",
    "localstack/tsa",
    "localstack/tuf",
    "localstack/witness",
    "audit",
    "audit/reports",
    "monitor",
    "monitor/pages",
    "agent",
    "cli",
    "cli/gpg",
    "cli/commands",
    "cli/agentside",
)
_BEGIN = "<!-- below: made by docs/generate_rooms.py -->\n"
_END = "<!-- above: made by docs/generate_rooms.py -->\n"


def rewritten(page: str) -> str:
    """The page with tables that say what the modules say."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + "\n".join(line for room in ROOMS for line in _room(PACKAGE / room)) + "\n" + _END + after


def _room(folder: Path) -> Iterator[str]:
    yield from ["", f"### {folder.relative_to(PACKAGE).as_posix()}/", "", first_sentence(folder / "__init__.py"), ""]
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    if modules:
        yield from ["| module | what it is |", "|---|---|"]
        yield from (f"| {path.stem} | {_cell(first_sentence(path))} |" for path in modules)


@cache
def first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring, which may go over its first line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence = re.split(r"(?<=[\w)`]{2}\.)\s(?=[A-Z`])", paragraph)[0].removesuffix(".")
    return re.sub(r"(?::\w+:`|``)(.+?)``?", r"`\1`", sentence)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
