"""The pages of the local issuer: plain HTML forms, no script, fit for a screen reader and for a keyboard alone."""

import html
from collections.abc import Mapping

from gitsign_py.localstack.service import Response

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says "Origin: null", and that is refused
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto 0; padding: 0 1.5rem; }
label { display: block; margin: 1rem 0 .2rem; }
input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box; }
button { font: inherit; padding: .5rem 1.2rem; margin: 1.5rem .5rem 0 0; }
code { font-size: 1.6rem; letter-spacing: .1em; overflow-wrap: anywhere; }
[role=alert] { border-left: .4rem solid #b3261e; padding-left: .8rem; }
"""


def message_page(title: str, text: str, *, code: str = "", status: int = 200) -> Response:
    """A page without a form; ``code`` is shown large, to be copied. All arguments are plain text."""
    shown = f'<p><code id="code">{html.escape(code)}</code></p>' if code else ""
    return _page(title, f"<p>{html.escape(text)}</p>{shown}", status)


def login_page(*, action: str, hidden: Mapping[str, str], email: str, client: str, problem: str = "") -> Response:
    """The form of the authorization endpoint: who are you, and may ``client`` know?"""
    body = (
        f"<p><strong>{html.escape(client)}</strong> wants to know your e-mail address.</p>{_alert(problem)}"
        f'<form method="post" action="{html.escape(action)}">{_hidden(hidden)}{_email(email)}{_BUTTONS}</form>'
    )
    return _page("Sign in to the local Sigstore", body, 400 if problem else 200)


def device_page(*, action: str, user_code: str, email: str, problem: str = "") -> Response:
    """The form of the device flow (RFC 8628 §3.3): the code from the other screen, and who you are."""
    body = (
        f"<p>Type the code that your terminal shows.</p>{_alert(problem)}"
        f'<form method="post" action="{html.escape(action)}"><label for="user_code">Code</label>'
        f'<input id="user_code" name="user_code" value="{html.escape(user_code)}" required autocomplete="off" '
        f'autocapitalize="characters" spellcheck="false">{_email(email)}{_BUTTONS}</form>'
    )
    return _page("Sign in on another device", body, 400 if problem else 200)


_BUTTONS = (
    '<button type="submit" name="decision" value="allow">Sign in</button>'
    '<button type="submit" name="decision" value="deny" formnovalidate>Refuse</button>'
)


def _email(value: str) -> str:
    return (
        '<label for="email">E-mail address</label><input id="email" name="email" type="email" '
        f'autocomplete="email" required value="{html.escape(value)}">'
    )


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )


def _alert(problem: str) -> str:
    return f'<p role="alert">{html.escape(problem)}</p>' if problem else ""


def _page(title: str, body: str, status: int) -> Response:
    text = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    return Response(status, text.encode(), "text/html; charset=utf-8", _HEADERS)
