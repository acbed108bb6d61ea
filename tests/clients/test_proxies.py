"""Requests through a proxy: by connections of our own as by ``requests``, and TLS that is checked at its far end."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509 import IPAddress

from gitsign_py.clients.http.byrequests import ByRequests
from gitsign_py.clients.http.connections import Connections
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.errors import ServiceError
from tests.support.badserver import Exchange, raw, reply, serving
from tests.support.relay import pump
from tests.support.tls import server_side, write_certificate
from tests.support.waiting import wait_until

LIMITS = Limits(total=5.0, connect=2.0, backoff=0.01)
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


Transport = type[Connections] | type[ByRequests]


@pytest.fixture(params=[Connections, ByRequests])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
def session(transport: Transport) -> Iterator[HttpSession]:
    with HttpSession(LIMITS, transport=transport) as opened:
        yield opened


def test_a_plain_proxy_is_told_the_whole_address_and_its_password(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(200, {"by": "proxy"})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pass%40word@"))
        session.exchange("Rekor", "GET", "http://rekor.invalid:81/api?x=y", headers={"Authorization": "Bearer t"})
    (seen,) = proxy.requests
    assert (seen.path, seen.headers["host"]) == ("http://rekor.invalid:81/api?x=y", "rekor.invalid:81")
    password = base64.b64encode(b"me:pass@word").decode()
    assert (seen.headers["proxy-authorization"], seen.headers["authorization"]) == (f"Basic {password}", "Bearer t")


@contextmanager
def tunnelling(port: int, seen: list[str]) -> Iterator[str]:
    """A proxy that connects every CONNECT to a port of this machine, and says what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            seen.append(head.decode())
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(5)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem", IPAddress(ip_address("127.0.0.2")))


def test_tls_goes_through_a_tunnel_and_is_checked_at_its_end(
    session: HttpSession, transport: Transport, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    with serving(reply(200, {"a": 1}), tls=server_side(certificate)) as server:
        port = int(server.url.rpartition(":")[2])
        with tunnelling(port, seen) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            with pytest.raises(ServiceError) as caught:
                session.exchange("Rekor", "GET", "https://127.0.0.2:444/api")
            assert caught.value.reason == "service-untrusted"
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
            headers = {"Authorization": "Bearer t"}
            with HttpSession(LIMITS, transport=transport) as trusting:
                answer = trusting.exchange("Rekor", "GET", "https://127.0.0.2:444/api", headers=headers)
                with pytest.raises(ServiceError) as caught:  # the name is checked, not the place that was connected to
                    trusting.exchange("Rekor", "GET", "https://127.0.0.3:444/api")
            assert caught.value.reason == "service-untrusted"
    assert answer.json() == {"a": 1}
    assert seen[0].startswith("CONNECT 127.0.0.2:444 HTTP/1.")
    assert "basic bWU6c2VjcmV0" in seen[0].replace("Basic", "basic")
    assert not any("Bearer" in head for head in seen)
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("words", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"", b"SSH-2.0\r\n"])
def test_a_proxy_that_makes_no_tunnel_is_an_error(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    with serving(raw(words)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(ServiceError) as caught:
            session.exchange("Fulcio", "POST", "https://fulcio.invalid/", body=b"secret")
    assert caught.value.reason == "service-unreachable"
    assert all(b"secret" not in seen.body for seen in proxy.requests)


@pytest.mark.parametrize("url", ["http://127.0.0.1:2/", "https://fulcio.invalid/"])
def test_a_proxy_that_is_down_is_named_and_not_what_is_behind_it(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(f"{url.partition(':')[0]}_proxy", "http://me:word@127.0.0.1:1")
    with pytest.raises(ServiceError) as caught:
        session.exchange("Fulcio", "GET", url)
    said = f"Fulcio at {url} cannot be reached through the proxy http://127.0.0.1:1: connection refused"
    assert (caught.value.message, caught.value.facts["proxy"]) == (said, "http://127.0.0.1:1")
    assert "stack up" not in caught.value.hint
    assert "no_proxy" in caught.value.hint


def test_a_proxy_of_https_without_tls_is_said_to_have_none(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(200, {})) as plain:
        monkeypatch.setenv("http_proxy", plain.url.replace("http:", "https:"))
        with pytest.raises(ServiceError) as caught:
            session.exchange("Fulcio", "GET", "http://127.0.0.1:2/")
    assert caught.value.message.partition(": [SSL")[0].endswith(f"the proxy {plain.url.replace('http:', 'https:')}")
    assert "HTTPSConnectionPool" not in caught.value.message
    assert "write http://" in caught.value.hint


def test_a_proxy_of_https_by_an_unknown_authority_says_which_setting_takes_it(
    session: HttpSession, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(200, {}), tls=server_side(certificate)) as proxy:
        monkeypatch.setenv("http_proxy", f"https://127.0.0.1:{proxy.url.rpartition(':')[2]}")
        with pytest.raises(ServiceError) as caught:
            session.exchange("Fulcio", "GET", "http://127.0.0.1:2/")
    assert "SSL_CERT_FILE" in caught.value.hint
    assert "self" in caught.value.message  # "self-signed certificate", as OpenSSL has it


def test_a_service_of_https_without_tls_is_said_to_have_none(session: HttpSession) -> None:
    with serving(reply(200, {})) as plain, pytest.raises(ServiceError) as caught:
        session.exchange("Fulcio", "GET", plain.url.replace("http:", "https:"))
    assert caught.value.reason == "service-untrusted"
    assert "write http://" in caught.value.hint
    assert "SSL_CERT_FILE" not in caught.value.hint


def test_a_proxy_that_says_nothing_is_named(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("http_proxy", proxy)
        with HttpSession(Limits(0.3, 0.3), transport=transport) as session, pytest.raises(ServiceError) as caught:
            session.exchange("Fulcio", "GET", "http://127.0.0.1:2/")
    assert caught.value.reason == "service-timeout"
    assert caught.value.message.endswith(f" through the proxy {proxy}")


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(session: HttpSession) -> None:
    closing = threading.Event()

    def once(exchange: Exchange) -> bool:
        exchange.send(200, b"{}")
        closing.wait(5)
        return False

    with serving(once, reply(200, {"again": True})) as server:
        session.exchange("Rekor", "GET", server.url)
        closing.set()
        wait_until(lambda: not server._open)  # it has hung up
        assert session.exchange("Rekor", "POST", server.url, body=b"x").json() == {"again": True}
    assert [seen.method for seen in server.requests] == ["GET", "POST"]
