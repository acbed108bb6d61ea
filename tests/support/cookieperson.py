"""A person with a browser that keeps cookies, as a program: ``python cookieperson.py ADDRESS EMAIL [REFUSES]``.

Fills in each form that a page has, and with a third word follows the link that takes one out of it instead.
"""

import html
import re
import sys
from urllib.parse import urljoin

import requests

_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_INPUT = re.compile(r"<input[^>]*>")
_WAY_OUT = re.compile(r'<a href="([^"]*/abort)">')
_STEPS = 8


def go_through(address: str, email: str, *, refuses: bool = False) -> str:
    """The last page's text."""
    browser = requests.Session()
    browser.trust_env = False
    page = browser.get(address, timeout=20)
    for _ in range(_STEPS):
        way_out, form = _WAY_OUT.search(page.text), _FORM.search(page.text)
        if refuses and way_out:
            page = browser.get(urljoin(page.url, html.unescape(way_out[1])), timeout=20)
        elif form:
            page = browser.post(urljoin(page.url, html.unescape(form[1])), data=_filled(form[2], email), timeout=20)
        else:
            break
    return page.text


def _filled(form: str, email: str) -> dict[str, str]:
    fields = {}
    for one in _INPUT.findall(form):
        found = dict(re.findall(r'(\w+)="([^"]*)"', one))
        if "name" in found:
            fields[found["name"]] = html.unescape(found.get("value", "")) or email
    return fields


if __name__ == "__main__":
    go_through(sys.argv[1], sys.argv[2], refuses=len(sys.argv) > 3)
