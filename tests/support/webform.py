"""A browser without a screen: fetches a page, fills its one form as a person would, presses a button, follows on."""

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
# As xdg-open it ends at once: the program that starts it waits for its end, a second at most.
_BROWSER = """import os, sys
with open({record!r}, "a") as record:
    record.write(sys.argv[1] + "\\n")
if os.fork() == 0:
    sys.path.insert(0, {root!r})
    from tests.support.webform import fetch
    fetch(sys.argv[1]).press("allow", email=sys.argv[2])
"""


def write_browser(folder: Path) -> str:
    """Write ``browser.py``, where somebody signs in; its command takes the address of the page and theirs.

    ``browser.log`` beside it has the addresses that it was opened at.
    """
    path = folder / "browser.py"
    path.write_text(_BROWSER.format(root=str(ROOT), record=str(folder / "browser.log")))
    return f"{sys.executable} -S {path}"


@dataclass
class WebPage:
    status: int
    url: str
    text: str
    headers: dict[str, str]
    action: str = ""
    method: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def press(self, value: str, **filled: str) -> "WebPage":
        """Press the button with that value after filling fields in."""
        assert set(filled) <= set(self.fields), self.text
        name = next(name for name, one in self.buttons if one == value)
        data = urlencode({**self.fields, **filled, name: value}).encode()
        assert self.method == "post"
        return fetch(self.action, data)


class _Forms(HTMLParser):
    def __init__(self, page: WebPage) -> None:
        super().__init__()
        self._page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._page.action, self._page.method = found["action"], found.get("method", "get")
        elif tag == "input":
            self._page.fields[found["name"]] = found.get("value", "")
        elif tag == "button":
            self._page.buttons.append((found.get("name", ""), found.get("value", "")))


def fetch(url: str, data: bytes | None = None) -> WebPage:
    """GET or POST, redirects followed; a page of any status."""
    try:
        with urllib.request.urlopen(url, data, timeout=20) as answer:
            page = WebPage(answer.status, answer.url, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            page = WebPage(error.code, error.url or url, error.read().decode(), dict(error.headers))
    _Forms(page).feed(page.text)
    return page
