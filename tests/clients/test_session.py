"""One HTTP exchange over a real loopback socket, against a server that does everything wrong.

By connections of our own and by ``requests``: each test holds for both.
"""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509 import IPAddress

from gitsign_py import __version__
from gitsign_py.clients.answer import MESSAGE_LIMIT, one_line
from gitsign_py.clients.http.byrequests import ByRequests
from gitsign_py.clients.http.connections import Connections
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError, ServiceError
from tests.support.badserver import computed, drip, drop, huge, raw, reply, serving, slow, unused_url
from tests.support.tls import server_side, write_certificate
from tests.support.waiting import wait_until

LIMITS = Limits(total=3.0, connect=1.0, max_bytes=100_000, backoff=0.01, retry_after=0.2)


Transport = type[Connections] | type[ByRequests]


@pytest.fixture(params=[Connections, ByRequests])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
def session(transport: Transport) -> Iterator[HttpSession]:
    with HttpSession(LIMITS, jitter=lambda: 0.0, transport=transport) as opened:
        yield opened


def failure(session: HttpSession, url: str, *, total: float | None = None, token: str = "") -> ServiceError:
    limits = session.limits if total is None else replace(session.limits, total=total)
    with pytest.raises(ServiceError) as caught:
        session.exchange("Rekor", "GET", url, headers={"Authorization": token} if token else None, limits=limits)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith(f"Rekor at {url}")
    assert caught.value.facts["service"] == "Rekor"
    return caught.value


def test_an_answer_is_returned_whole_and_names_our_program(session: HttpSession) -> None:
    with serving(reply(200, {"a": 1}, {"X-Thing": "y"})) as server:
        answer = session.exchange("Rekor", "POST", server.url, body=b"hello", headers={"X-Mine": "1"})
    assert (answer.status, answer.json(), answer.headers["x-thing"]) == (200, {"a": 1}, "y")
    (seen,) = server.requests
    assert (seen.method, seen.body, seen.headers["x-mine"]) == ("POST", b"hello", "1")
    assert seen.headers["user-agent"] == f"gitsign-py/{__version__}"
    assert seen.headers["accept-encoding"] == "identity"


def test_two_exchanges_share_a_connection(session: HttpSession) -> None:
    with serving(reply(200, b"x" * 50_000)) as server:
        for _ in range(3):
            session.exchange("Rekor", "GET", server.url)
        connections = [thread for thread in server._threads if thread.name.endswith("(_serve)")]
        assert len(connections) == 1


def test_a_server_that_is_not_there_is_tried_twice_and_named(session: HttpSession) -> None:
    error = failure(session, unused_url() + "/api")
    assert error.reason == "service-unreachable"
    assert "connection refused" in error.message
    assert "proxy" in error.hint


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_once_more(session: HttpSession, status: int) -> None:
    with serving(reply(status), reply(200, {"ok": True})) as server:
        assert session.exchange("Rekor", "GET", server.url).json() == {"ok": True}
    assert len(server.requests) == 2


def test_a_lasting_failure_is_tried_twice_and_told_in_the_servers_words(session: HttpSession) -> None:
    with serving(reply(503, {"code": 503, "message": "shard is full"})) as server:
        error = failure(session, server.url)
    assert len(server.requests) == 2
    assert error.reason == "service-status"
    assert error.message == f"Rekor at {server.url} answered 503: shard is full"
    assert error.facts["status"] == 503


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 501])
def test_a_refusal_is_not_tried_again(session: HttpSession, status: int) -> None:
    with serving(reply(status, {"message": "no"})) as server:
        assert failure(session, server.url).facts["status"] == status
    assert len(server.requests) == 1


def test_a_dropped_connection_is_tried_once_more(session: HttpSession) -> None:
    with serving(drop(), reply(200, {})) as server:
        session.exchange("Rekor", "POST", server.url, body=b"x")
    assert len(server.requests) == 2


def test_a_connection_dropped_twice_is_an_error(session: HttpSession) -> None:
    with serving(drop()) as server:
        assert failure(session, server.url).reason == "service-unreachable"


def test_a_body_that_ends_early_is_not_taken(session: HttpSession) -> None:
    with serving(raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}')) as server:
        error = failure(session, server.url)
    assert error.reason == "service-unreachable"
    assert "broke off" in error.message


def test_a_chunked_body_that_ends_early_is_not_taken(session: HttpSession) -> None:
    with serving(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")) as server:
        assert failure(session, server.url).reason == "service-unreachable"


def test_a_chunked_body_is_put_together(session: HttpSession) -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    with serving(raw(body)) as server:
        assert session.exchange("Rekor", "GET", server.url).body == b"hello!"


def test_what_is_not_http_is_an_error(session: HttpSession) -> None:
    with serving(raw(b"SSH-2.0-OpenSSH_9.2\r\n")) as server:
        assert failure(session, server.url).reason == "service-unreachable"


@pytest.mark.parametrize(
    "action",
    [
        slow(30),
        drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", 0.02, 2000),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", 0.02, 2000),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n", 0.02, 2000),
    ],
    ids=["silence", "header-drip", "body-drip", "chunk-drip"],
)
def test_a_slow_server_is_left_in_time(session: HttpSession, action: object) -> None:
    started = time.monotonic()
    with serving(action) as server:  # type: ignore[arg-type]
        error = failure(session, server.url, total=0.4)
        assert time.monotonic() - started < 20, "the server takes 30 and more"
    assert error.reason == "service-timeout"
    assert "0.4 s" in error.message


def test_the_budget_covers_both_tries(session: HttpSession) -> None:
    started = time.monotonic()
    with serving(reply(503), slow(30)) as server:
        assert failure(session, server.url, total=0.4).reason == "service-timeout"
        assert time.monotonic() - started < 20


def test_a_session_works_again_after_a_slow_answer(session: HttpSession) -> None:
    with serving(slow(30), reply(200, {"ok": 1})) as server:
        failure(session, server.url, total=0.2)
        assert session.exchange("Rekor", "GET", server.url).json() == {"ok": 1}


def test_a_huge_answer_is_not_read_to_its_end(session: HttpSession) -> None:
    with serving(huge(50_000_000)) as server:
        error = failure(session, server.url)
    assert error.reason == "service-answer-too-large"
    assert "100000 bytes" in error.message


def test_a_short_retry_after_is_honoured(transport: Transport) -> None:
    waits: list[float] = []
    limits = Limits(total=5, backoff=0.01, retry_after=3)
    with (
        HttpSession(limits, jitter=lambda: 0.5, sleep=waits.append, transport=transport) as patient,
        serving(reply(429, b"", {"Retry-After": "2"}), reply(200, {}), reply(503), reply(200, {})) as server,
    ):
        patient.exchange("Rekor", "GET", server.url)
        patient.exchange("Rekor", "GET", server.url)
    assert waits == [2.0, pytest.approx(0.015)]


@pytest.mark.parametrize("value", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "٣"])
def test_a_long_retry_after_ends_the_exchange(session: HttpSession, value: str) -> None:
    header = f"HTTP/1.1 429 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode()
    with serving(raw(header), reply(200, {})) as server:
        assert failure(session, server.url).facts["status"] == 429
    assert len(server.requests) == 1


def test_a_get_follows_redirects(session: HttpSession) -> None:
    with serving(reply(200, {"here": 1})) as target, serving(reply(302, b"", {"Location": target.url})) as server:
        answer = session.exchange("TUF", "GET", server.url)
    assert (answer.json(), answer.url) == ({"here": 1}, target.url)


def test_redirects_in_a_circle_end(session: HttpSession) -> None:
    with serving(reply(302, b"", {"Location": "/again"})) as server, pytest.raises(ServiceError) as caught:
        session.exchange("TUF", "GET", server.url)
    assert caught.value.reason == "service-answer-invalid"
    assert len(server.requests) == 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_post_never_goes_to_another_host(session: HttpSession, status: int) -> None:
    with (
        serving(reply(200, {})) as target,
        serving(reply(status, b"", {"Location": target.url})) as server,
        pytest.raises(ServiceError) as caught,
    ):
        session.exchange("Fulcio", "POST", server.url, body=b"secret")
    assert target.requests == []
    assert "redirect" in caught.value.message


def test_a_token_never_goes_to_another_host(session: HttpSession) -> None:
    with (
        serving(reply(200, {})) as target,
        serving(reply(302, b"", {"Location": target.url})) as server,
        pytest.raises(ServiceError),
    ):
        session.exchange("Fulcio", "GET", server.url, headers={"Authorization": "Bearer x"})
    assert target.requests == []


def test_a_post_follows_a_redirect_that_keeps_the_method_on_the_same_host(session: HttpSession) -> None:
    with serving(reply(308, b"", {"Location": "/new"}), reply(200, {})) as server:
        session.exchange("Fulcio", "POST", server.url + "/old", body=b"b")
    assert [(seen.method, seen.path, seen.body) for seen in server.requests] == [
        ("POST", "/old", b"b"),
        ("POST", "/new", b"b"),
    ]


def test_a_post_does_not_become_a_get(session: HttpSession) -> None:
    with (
        serving(reply(302, b"", {"Location": "/new"})) as server,
        pytest.raises(ServiceError, match="redirect to /new"),
    ):
        session.exchange("Fulcio", "POST", server.url, body=b"b")


def test_netrc_does_not_replace_our_authorization(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(reply(200, {})) as server:
        session.exchange("Fulcio", "POST", server.url, body=b"", headers={"Authorization": "Bearer mine"})
    assert server.requests[0].headers["authorization"] == "Bearer mine"


def test_cookies_are_not_kept(session: HttpSession) -> None:
    with serving(reply(200, {}, {"Set-Cookie": "a=b"})) as server:
        session.exchange("Rekor", "GET", server.url)
        session.exchange("Rekor", "GET", server.url)
    assert "cookie" not in server.requests[1].headers


def test_a_proxy_of_the_environment_is_used(session: HttpSession, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(reply(200, {"by": "proxy"})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        answer = session.exchange("Rekor", "GET", "http://rekor.invalid/api")
    assert answer.json() == {"by": "proxy"}
    assert proxy.requests[0].path == "http://rekor.invalid/api"


@pytest.mark.parametrize(
    ("date", "ahead"), [("Sat, 01 Jan 2000 00:00:00 GMT", True), ("Fri, 01 Jan 2100 00:00:00 -0000", False)]
)
def test_a_server_tells_how_far_the_clock_is_off(session: HttpSession, date: str, ahead: bool) -> None:
    with serving(reply(200, {}, {"Date": date})) as server:
        assert session.clock_ahead is None
        session.exchange("Rekor", "GET", server.url)
    assert session.clock_ahead is not None
    assert (session.clock_ahead > timedelta(0)) == ahead


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_a_server_that_tells_no_time_says_nothing_of_the_clock(session: HttpSession, headers: dict[str, str]) -> None:
    with serving(reply(200, {}, headers)) as server:
        session.exchange("Rekor", "GET", server.url)
    assert session.clock_ahead is None


def test_what_a_server_said_of_the_clock_holds_for_a_minute(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(200, {}, {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"})) as server:
        session.exchange("Rekor", "GET", server.url)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert session.clock_ahead is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key for 127.0.0.1 in one PEM file, signed by itself."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem", IPAddress(ip_address("127.0.0.1")))


def test_a_tls_certificate_of_nobody_known_is_not_trusted(session: HttpSession, certificate: Path) -> None:
    with serving(reply(200, {}), tls=server_side(certificate)) as server:
        error = failure(session, server.url)
    assert error.reason == "service-untrusted"
    assert "certificate" in error.message
    assert "REQUESTS_CA_BUNDLE" in error.hint
    assert server.requests == []


def test_a_private_ca_of_the_environment_is_trusted(
    session: HttpSession, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(reply(200, {"a": 1}), tls=server_side(certificate)) as server:
        assert session.exchange("Rekor", "GET", server.url).json() == {"a": 1}


def test_https_never_leads_down_to_http(
    session: HttpSession, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        serving(reply(200, {})) as target,
        serving(reply(302, b"", {"Location": target.url}), tls=server_side(certificate)) as server,
        pytest.raises(ServiceError, match="redirect"),
    ):
        session.exchange("TUF", "GET", server.url)
    assert target.requests == []


def test_tls_to_a_server_that_speaks_none_is_an_error(session: HttpSession) -> None:
    with serving(raw(b"HTTP/1.1 400 Bad\r\n\r\n")) as server:
        error = failure(session, server.url.replace("http:", "https:"))
    assert error.reason in ("service-untrusted", "service-unreachable")


@pytest.mark.parametrize(
    "url",
    ["", "rekor", "ftp://host/", "http://", "http://host:99999/", "http://ho st/", "http://h/\n", "file:///etc/passwd"],
)
def test_a_url_that_is_none_is_named_before_anything_is_sent(session: HttpSession, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        session.exchange("Rekor", "GET", url)
    assert caught.value.reason == "service-url-invalid"
    assert "\n" not in caught.value.message


def test_a_password_in_a_url_is_refused_and_not_repeated(session: HttpSession) -> None:
    with pytest.raises(ConfigError) as caught:
        session.exchange("Rekor", "GET", "https://me:hunter2@host/")
    assert "hunter2" not in caught.value.message + str(dict(caught.value.facts))


def test_an_unusable_header_is_an_error_and_is_not_repeated(session: HttpSession) -> None:
    with serving(reply(200, {})) as server, pytest.raises(ConfigError) as caught:
        session.exchange("Rekor", "GET", server.url, headers={"X": "hunter2\r\nb: c"})
    assert caught.value.reason == "service-request-invalid"
    assert "hunter2" not in caught.value.message
    assert server.requests == []


@pytest.mark.parametrize("proxy", ["http://[", "http://", "http://a b", "socks9://127.0.0.1:1"])
def test_a_proxy_setting_that_is_none_is_named(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises((ConfigError, ServiceError)) as caught:
        session.exchange("Rekor", "GET", unused_url())
    assert "proxy" in caught.value.hint


def test_a_host_name_that_cannot_be_one_is_an_error(session: HttpSession) -> None:
    with pytest.raises((ConfigError, ServiceError)):
        session.exchange("Rekor", "GET", f"http://{'ä' * 70}.invalid/")


def test_no_second_try_is_made_when_there_is_no_time_for_it(transport: Transport) -> None:
    limits = Limits(total=0.5, backoff=1.0)
    with HttpSession(limits, transport=transport) as session, serving(reply(503, {"message": "busy"})) as server:
        assert "busy" in failure(session, server.url).message
        assert failure(session, unused_url()).reason == "service-unreachable"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"code":3,"message":"bad entry"}', ": bad entry"),
        (b'{"error":"invalid_grant","error_description":"too old"}', ": invalid_grant: too old"),
        (b'{"other":1}', ': {"other":1}'),
        (b'["a"]', ': ["a"]'),
        (b"plain words\n", ": plain words"),
        (b"", ""),
        (b"<html><body>Bad gateway</body></html>", ""),
        (b"\x1b[31mred\x1b[0m\r\nline", ": [31mred [0m line"),
        (b"\xff\xfe", ": \ufffd\ufffd"),
    ],
)
def test_the_servers_words_are_cleaned(session: HttpSession, body: bytes, words: str) -> None:
    with serving(reply(400, body)) as server:
        assert failure(session, server.url).message == f"Rekor at {server.url} answered 400{words}"


def test_the_servers_words_are_cut() -> None:
    assert len(one_line("x" * 5000)) == MESSAGE_LIMIT
    assert one_line("a\u202eb") == "a b"


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 1000])
def test_json_is_strict(session: HttpSession, body: bytes) -> None:
    with serving(reply(200, body)) as server:
        answer = session.exchange("Rekor", "GET", server.url)
        with pytest.raises(ServiceError) as caught:
            answer.json()
    assert caught.value.reason == "service-answer-invalid"


def test_a_request_does_not_show_its_token(session: HttpSession) -> None:
    with serving(computed(lambda seen: (400, {"message": "no"}, {}))) as server:
        error = failure(session, server.url, token="Bearer hush")
    assert "hush" not in error.message + error.hint + str(dict(error.facts))


def test_no_thread_is_left_after_good_exchanges(session: HttpSession) -> None:
    with serving(reply(200, {})) as server:
        session.exchange("Rekor", "GET", server.url)
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "http-Rekor"])
