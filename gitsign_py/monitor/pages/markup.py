"""HTML out of text: the one place where text of others becomes markup, and the frame of every page.

Everything that a log or a request says goes through ``text``: it is spelled out where it does not print (control and
bidirectional characters could make it look like something else, UTR 36 §3.1) and escaped for elements and attributes
alike. No page has a script, and its policy allows none (CSP 3).
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import urlencode

from gitsign_py.core.encoding import b64_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import escaped

MAX_TEXT = 4096
"""Characters of one text on a page; what is longer is cut, and says so."""


@frozen
class Page:
    """An answer: ``body`` is a whole HTML document."""

    status: int
    body: str


@frozen
class Markup:
    """Text that is HTML already."""

    html: str


Cell = str | int | Markup


def text(value: str | int, *, most: int = MAX_TEXT, keep: str = "") -> str:
    """Any text as HTML that shows it: for an element or a quoted attribute."""
    found = str(value)
    cut = f" … ({len(found) - most} characters more)" if len(found) > most else ""
    return escape(escaped(found[:most], keep=keep) + cut)


def counted(number: int, one: str = "entry", several: str = "entries") -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else several}"


def of(value: Cell) -> str:
    """A cell as HTML."""
    return value.html if isinstance(value, Markup) else text(value)


def link(path: str, words: str | int, **query: str | int) -> Markup:
    """A link to one of our pages; nothing of others is in ``path``."""
    target = f"{path}?{urlencode(query)}" if query else path
    return Markup(f'<a href="{escape(target)}">{text(words)}</a>')


def code(value: str | int) -> Markup:
    """A text in the machine's letters, which keep to themselves (bdi) in any direction of writing."""
    return Markup(f"<code><bdi>{text(value)}</bdi></code>")


def name_of(value: str) -> Markup:
    """A name that somebody else chose."""
    return Markup(f"<bdi>{text(value)}</bdi>")


def facts(caption: str, rows: Iterable[tuple[str, Cell]]) -> str:
    """A table of names and values; rows without a value are left out."""
    body = "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{of(value)}</td></tr>' for name, value in rows if value != ""
    )
    return f"<table><caption>{text(caption)}</caption><tbody>{body}</tbody></table>\n"


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table with a heading for each column, which each cell carries for narrow screens."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-name="{text(name)}">{of(cell)}</td>' for name, cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def page(title: str, main: str, *, asked: str = "", status: int = 200) -> Page:
    """The frame; ``main`` is HTML, ``asked`` what the search field shows."""
    return Page(
        status,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{text(title, most=200)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{_style()}</style></head>\n<body>"
        '<a class="skip" href="#main">Skip to the content</a>'
        '<header><nav aria-label="Pages"><a href="/">Logs</a></nav><form action="/log/search" role="search">'
        '<label for="q">Search by commit, address, digest or index</label>'
        f'<input id="q" name="q" type="search" maxlength="300" required autocomplete="off" value="{text(asked)}">'
        '<button type="submit">Search</button></form></header>\n'
        f'<main id="main" tabindex="-1"><h1>{text(title, most=200)}</h1>\n{main}</main>\n'
        "<footer>Read with the keys of the trust root alone. Entries are what their senders say of themselves until a "
        "check passes.</footer></body></html>\n",
    )


@cache
def _style() -> str:
    return files("gitsign_py.monitor.pages").joinpath("style.css").read_text("utf-8")


@cache
def headers() -> dict[str, str]:
    """The headers of every page: nothing runs, nothing is fetched, no other page frames this one (CSP 3 §6)."""
    digest = b64_encode(hashlib.sha256(_style().encode()).digest())
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
