"""A page taken apart: its elements and texts, and whether anything in it could run, fetch or mislead."""

import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

_ELEMENTS = """html head meta title link style body a header nav form label input button main h1 h2 p strong code table
caption thead tbody tr th td bdi section figure figcaption svg path circle text details summary ol li pre span footer"""
_ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "xlink:href"}


@dataclass
class Read(HTMLParser):
    """``words`` is the whole text, ``elements`` their names, ``links`` where they lead."""

    words: str = ""
    elements: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag
            self.links += [value or ""] if name in _ADDRESSES else []

    def handle_data(self, data: str) -> None:
        self.words += data


def harmless(html: str) -> Read:
    """Read a page of ours; fails for an element, a link or a character that no page of ours has."""
    page = Read()
    page.feed(html)
    page.close()
    strange = set(page.elements) - set(_ELEMENTS.split())
    assert not strange, strange
    for link in page.links:
        parts = urlsplit(link)
        assert link == "data:," or link == "#main" or (link.startswith("/") and not parts.netloc), link
    bad = {char for char in html if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not bad, bad
    return page
