"""Units for socket activation, with the places of this machine filled in, each by the rules of its kind."""

from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import gitsign_py.data
from gitsign_py.host.ownprogram import NAME, own_program

_FOLDER = Path(gitsign_py.data.__file__).parent / "units"


def units(kind: str) -> str:
    """The text of the ``systemd`` units, one after the other, or of launchd's property list."""
    quote = _QUOTES[kind]
    # Units do not search PATH as shells do.
    places = {"@PROGRAM@": str(own_program() or NAME), "@HOME@": str(Path.home())}
    texts = [file.read_text(encoding="utf-8") for file in sorted((_FOLDER / kind).iterdir())]
    whole = "\n".join(texts)
    for name, place in places.items():
        whole = whole.replace(name, quote(place))
    return whole


def systemd_word(text: str) -> str:
    """A word of a command line: systemd.syntax(7), Quoting; systemd.unit(5), Specifiers."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'


def systemd_argument(text: str) -> str:
    """A word after the program, where a dollar would name a variable (systemd.service(5), Command Lines)."""
    return systemd_word(text.replace("$", "$$"))


_QUOTES: dict[str, Callable[[str], str]] = {"systemd": systemd_word, "launchd": escape}
