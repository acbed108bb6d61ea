"""The loopback listener: what it hears, what it ignores, and the page at the end."""

import http.client
import socket
import threading

import pytest

from gitsign_py.errors import ConfigError, ServiceError
from gitsign_py.host.loopback import LoopbackListener, Page, render_page


def get(listener: LoopbackListener, target: str, host: str = "localhost") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    try:
        connection.putrequest("GET", target, skip_host=True)
        connection.putheader("Host", f"{host}:{listener.port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_first_answer_counts_and_the_page_waits_for_the_verdict() -> None:
    seen: list[tuple[int, str, dict[str, str]]] = []
    with LoopbackListener() as listener:
        thread = threading.Thread(target=lambda: seen.append(get(listener, "/auth/callback?code=c&state=s&iss=i")))
        thread.start()
        answer = listener.wait(10)
        assert answer is not None
        assert (answer.code, answer.state, answer.issuer, answer.error) == ("c", "s", "i", "")
        listener.finish(Page("Signed in", "as <b>", success=True, close_after=3))
        thread.join(10)
        assert get(listener, "/auth/callback?code=second&state=s")[0] in (200, 409)
    status, text, headers = seen[0]
    assert status == 200
    assert "as &lt;b&gt;" in text
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/favicon.ico", "localhost", 404),
        ("/auth/callback", "localhost", 400),
        ("/auth/callback?state=s", "localhost", 400),
        ("/auth/callback?code=a&code=b", "localhost", 400),
        ("/auth/callback?code=a&" + "x=1&" * 40, "localhost", 400),
        ("/auth/callback?code=a", "evil.example", 400),
        ("/auth/callback?code=a", "localhost.evil.example", 400),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(target: str, host: str, status: int) -> None:
    with LoopbackListener() as listener:
        assert get(listener, target, host)[0] == status
        assert listener.wait(0.05) is None


def test_other_methods_and_silent_connections_do_no_harm() -> None:
    with LoopbackListener() as listener, socket.create_connection(("127.0.0.1", listener.port)):
        connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
        connection.request("POST", "/auth/callback?code=c&state=s")
        assert connection.getresponse().status == 501
        connection.close()
        assert get(listener, "/nothing")[0] == 404


def test_a_listener_that_closes_tells_the_waiting_browser() -> None:
    seen: list[int] = []
    with LoopbackListener() as listener:
        thread = threading.Thread(target=lambda: seen.append(get(listener, "/auth/callback?error=x")[0]))
        thread.start()
        assert listener.wait(10) is not None
    thread.join(10)
    assert seen == [400]


def test_the_redirect_is_localhost_on_a_free_port_by_default() -> None:
    with LoopbackListener() as one, LoopbackListener() as two:
        assert one.redirect_uri == f"http://localhost:{one.port}/auth/callback"
        assert one.port != two.port


def test_a_fixed_port_that_is_taken_is_named() -> None:
    with LoopbackListener() as one, pytest.raises(ServiceError) as caught:
        LoopbackListener(f"http://127.0.0.1:{one.port}/cb")
    assert caught.value.reason == "loopback-port-taken"


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:1/x",
        "http://example.com:1/x",
        "http://localhost:1/x?a=b",
        "http://[::1",
        "http://u@localhost/",
        "x",
    ],
)
def test_a_redirect_that_is_not_here_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LoopbackListener(url)
    assert caught.value.reason == "redirect-url-invalid"


def test_a_page_without_closing_has_no_script() -> None:
    assert b"<script" not in render_page(Page("t", "x", success=False))[0]
