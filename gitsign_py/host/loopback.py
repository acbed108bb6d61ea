"""The loopback listener of the interactive sign-in (RFC 8252 §7.3): one answer of the issuer, one page for the person.

It listens on 127.0.0.1 alone. Another program of this machine could take the answer from a browser (RFC 8252 §8.1) but
not use it: the code is worth nothing without the PKCE verifier, which never leaves this process.
"""

import html
import queue
import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from gitsign_py.core.closeable import Closeable
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import same_secret
from gitsign_py.errors import ConfigError, ServiceError

DEFAULT_PATH = "/auth/callback"
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
_REQUEST_SECONDS = 10  # a browser opens spare connections and says nothing on them
_PAGE_SECONDS = 60  # how long the browser waits for the exchange before it is told to look at the terminal


@frozen
class AuthorizationAnswer:
    """The answer that came back through the browser (RFC 6749 §4.1.2, RFC 9207): nothing of it but ``state`` is
    checked yet.
    """

    code: str
    state: str
    error: str
    error_description: str
    issuer: str


@frozen
class Page:
    """The page that the browser shows at the end: plain text, escaped here. ``close_after`` in seconds, None for
    never.
    """

    title: str
    text: str
    success: bool
    close_after: int | None = None


class LoopbackListener(Closeable):
    """Listens for the browser; a context manager that closes the port on the way out.

    ``redirect_url`` as gitsign.redirectURL gives it (empty: localhost, a free port, /auth/callback); ``redirect_uri``
    is what the issuer must be told. Every site that the person has open can send the browser here, so only an answer
    with the ``state`` of our request counts (RFC 6749 §10.12, RFC 8252 §8.9; empty: any); ``strangers`` are the others.
    Raises ConfigError ``redirect-url-invalid``, ServiceError ``loopback-port-taken``.
    """

    def __init__(self, redirect_url: str = "", *, state: str = "") -> None:
        host, port, self._path = _split_redirect(redirect_url)
        self._state = state
        self.strangers = 0
        self._answers: queue.Queue[AuthorizationAnswer] = queue.Queue(maxsize=1)
        self._page: Page | None = None
        self._page_ready = threading.Event()
        self._page_sent = threading.Event()
        try:
            self._server = _Server(("127.0.0.1", port), self)
        except OSError as error:
            raise ServiceError(
                "loopback-port-taken",
                f"cannot listen on 127.0.0.1:{port} for the browser's answer: {error.strerror}",
                hint="unset gitsign.redirectURL, or give it a free port (0 takes any)",
            ) from error
        self.port = int(self._server.server_address[1])
        self.redirect_uri = f"http://{host}:{self.port}{self._path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> AuthorizationAnswer | None:
        """Return the first answer, None when none came within ``seconds``. Ctrl-C interrupts it."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def finish(self, page: Page) -> None:
        """Give the waiting browser its last page, and a moment to take it."""
        self._page = page
        self._page_ready.set()
        self._page_sent.wait(2)

    def close(self) -> None:
        """Stop listening; a browser that still waits is told to look at the terminal."""
        if self._page is None and not self._answers.empty():
            self.finish(_STOPPED)
        self._page_ready.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _receive(self, target: str, host: str) -> tuple[int, Page]:
        """Handle one GET: (status, page)."""
        parts = urlsplit(target)
        if urlsplit("//" + host).hostname not in _LOOPBACK_HOSTS:  # DNS rebinding: another site's name for 127.0.0.1
            return 400, _NOT_HERE
        if parts.path != self._path:
            return 404, _NOT_HERE
        answer = _read_answer(parts.query)
        if answer is None:
            return 400, _NOT_HERE
        if self._state and not same_secret(answer.state, self._state):
            self.strangers += 1
            return 400, _OTHER
        try:
            self._answers.put_nowait(answer)
        except queue.Full:
            return 409, Page("Already answered", "This sign-in has had its answer. You can close this page.", False)
        self._page_ready.wait(_PAGE_SECONDS)
        page = self._page or _STOPPED
        return (200 if page.success else 400), page


_NOT_HERE = Page("Nothing here", "This address only takes the answer of a sign-in that was started from git.", False)
_OTHER = Page(
    "Another sign-in", "This answer belongs to another sign-in. Sign in on the page that was opened last.", False
)
_STOPPED = Page("Sign-in has stopped", "The terminal where it began says why. You can close this page.", False)


def _split_redirect(redirect_url: str) -> tuple[str, int, str]:
    if not redirect_url:
        return "localhost", 0, DEFAULT_PATH  # by name, as Dex lets public clients register it
    try:
        parts = urlsplit(redirect_url)
        host, port = parts.hostname, parts.port or 0
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or host not in _LOOPBACK_HOSTS or parts.query or parts.fragment or parts.username:
        raise ConfigError(
            "redirect-url-invalid",
            f"gitsign.redirectURL {redirect_url} is not a loopback address",
            hint="use http://localhost:PORT/auth/callback (port 0 takes any free one), or unset it",
            facts={"value": redirect_url},
        )
    return host, port, parts.path or "/"


def _read_answer(query: str) -> AuthorizationAnswer | None:
    try:
        fields = parse_qs(query, max_num_fields=32)
    except ValueError:
        return None
    if any(len(values) > 1 for values in fields.values()):  # RFC 6749 §3.1: not more than once
        return None
    one = {name: values[0] for name, values in fields.items()}
    if not ("code" in one or "error" in one):
        return None
    names = ("code", "state", "error", "error_description", "iss")
    return AuthorizationAnswer(*(one.get(name, "") for name in names))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False

    def __init__(self, address: tuple[str, int], listener: LoopbackListener) -> None:
        self.listener = listener
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that hangs up is no event, and stderr belongs to git."""

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the address, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer one request of the browser."""
        listener = self.server.listener
        status, page = listener._receive(self.path, self.headers.get("Host", ""))  # noqa: SLF001  same module
        body, script_nonce = render_page(page)
        self.send_response(status)
        for name, value in _headers(script_nonce).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if page is listener._page:  # noqa: SLF001
            listener._page_sent.set()  # noqa: SLF001

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the query holds the code."""


def _headers(script_nonce: str) -> dict[str, str]:
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",  # the page's own address holds the code
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{script_nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Connection": "close",
    }


def render_page(page: Page) -> tuple[bytes, str]:
    """Return the page as HTML, and the nonce that its one script carries."""
    nonce = secrets.token_urlsafe(16)
    script = note = ""
    if page.close_after is not None:
        note = f"<p>It closes by itself in {page.close_after} seconds where the browser allows that.</p>"
        wait = page.close_after * 1000
        script = f'<script nonce="{nonce}">setTimeout(function () {{ window.close(); }}, {wait});</script>'
    colour = "#1a7f37" if page.success else "#b3261e"
    text = _TEMPLATE.format(
        title=html.escape(page.title), text=html.escape(page.text), note=note, script=script, colour=colour
    )
    return text.encode(), nonce


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; border-left: .4rem solid {colour}; padding-left: .8rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
{note}
</main>
{script}
</body>
</html>
"""
